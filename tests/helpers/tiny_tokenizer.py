"""A small SentencePiece tokenizer with Llama's settings."""

from collections.abc import Iterable
from io import BytesIO


def train_tokenizer(sentences: Iterable[str], vocab_size: int) -> bytes:
    """Train a tokenizer; return the content of its ``tokenizer.model``."""
    import sentencepiece

    model = BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences),
        model_writer=model,
        model_type="bpe",
        vocab_size=vocab_size,
        byte_fallback=True,
        hard_vocab_limit=False,
        unk_id=0,
        bos_id=1,
        eos_id=2,
        pad_id=-1,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        minloglevel=2,
    )
    return model.getvalue()
