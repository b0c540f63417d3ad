"""What the text of an answer contains: a reference keyword, or a refusal."""


def contains_keyword(text: str, keywords: str) -> bool:
    """Return whether a text contains one of several keywords, in any form of the word.

    Parameters
    ----------
    text : str
        The answer.
    keywords : str
        The comma-separated keywords of a clip.
    """
    raise NotImplementedError


def is_refusal(text: str) -> bool:
    """Return whether an answer states that the model cannot hear, or cannot answer."""
    raise NotImplementedError


def keyword_stems(keywords: str) -> frozenset[str]:
    """Return the stems of the words of comma-separated keywords."""
    raise NotImplementedError
