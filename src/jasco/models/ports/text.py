"""Text to token numbers and back, as the published systems do it: SentencePiece, nothing added."""

from collections.abc import Sequence
from pathlib import Path

from jasco.errors import InputError, whole_text

BOS, EOS = 1, 2
"""The numbers of Llama's tokens that begin and end a text."""


class Tokenizer:
    """A SentencePiece model, without what transformers' tokenizers add or drop around it.

    Parameters
    ----------
    path : Path
        The file ``tokenizer.model``.
    """

    def __init__(self, path: Path) -> None:
        from sentencepiece import SentencePieceProcessor

        try:
            self._pieces = SentencePieceProcessor(model_file=str(path))
        except (OSError, RuntimeError) as error:
            raise InputError(f"{path}: cannot be read as a SentencePiece model") from error
        if (self._pieces.bos_id(), self._pieces.eos_id()) != (BOS, EOS):
            raise InputError(f"{path}: not a Llama tokenizer (its BOS and EOS are not 1 and 2)")

    def encode(self, text: str) -> list[int]:
        """Return a text's tokens, with nothing before or behind them."""
        ids: list[int] = self._pieces.encode(text)
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of tokens, without those that stand for no text."""
        known = self._pieces.vocab_size()
        kept = [token for token in ids if token < known and not self._pieces.is_control(token)]
        return whole_text(self._pieces.decode(kept))
