"""Parts of a text, to check that no part of a key is shown."""


def substrings(text: str, length: int = 6) -> set[str]:
    """Return every substring of this length."""
    return {text[start : start + length] for start in range(len(text) - length + 1)}
