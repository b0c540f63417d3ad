"""Tokenization as in the original code: SentencePiece, without added tokens."""

from collections.abc import Sequence
from pathlib import Path

from jasco.errors import InputError, whole_text

BOS, EOS = 1, 2
"""The ids of Llama's tokens for the beginning and the end of a text."""


class Tokenizer:
    """A SentencePiece model, without the additions and omissions of transformers' tokenizers.

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
            raise InputError(f"{path}: not a valid SentencePiece model") from error
        if (self._pieces.bos_id(), self._pieces.eos_id()) != (BOS, EOS):
            raise InputError(f"{path}: not a Llama tokenizer (its BOS and EOS are not 1 and 2)")

    def encode(self, text: str) -> list[int]:
        """Return the token ids of a text, without BOS and EOS."""
        ids: list[int] = self._pieces.encode(text)
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of token ids; control tokens and unknown ids are skipped."""
        size = self._pieces.vocab_size()
        text = [token for token in ids if token < size and not self._pieces.is_control(token)]
        return whole_text(self._pieces.decode(text))
