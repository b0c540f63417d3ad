"""Vectors of words and texts, from a table that ships with the package.

The table was distilled from a sentence encoder (see PROVENANCE.md in this folder): a text's vector
is the sum of the vectors of its word pieces, whose lengths are their weights.
"""

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from importlib.resources import files
from typing import Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

_WORD = re.compile(r"[^\W_]+")
_FUNCTION_WORDS = """
a an the is are was were be been being am to of and or in on at for with from by as it its this
that these those they them their there then than he she his her him you your i mine me my we our
us do does did doing have has had having not no so if but about into over out up off very can
could will would should may might must likely probably possibly most more some any one who what
which when where while because just also both s t re ve ll d m speaker speakers person people
someone somebody sound sounds audio text spoken speech says say saying said hear heard hearing
voice background suggests suggest indicating indicates action activity based together clip
recording man woman guy appears seems seem appear
"""
_NO_CONTENT = frozenset(_FUNCTION_WORDS.split())
_SUFFIXES = (
    "ingly", "edly", "ings", "ing", "ied", "ies", "ers", "ed", "er", "es", "ly", "s", "e",
)  # fmt: skip
_MARKS = re.compile(r"[\u0300-\u036f]")
INSIDE = "##"
"""Prefix of a piece that continues a word."""
_LONGEST_WORD = 100  # letters


def all_words(text: str) -> list[str]:
    """Split a text into words, in lower case and without accents."""
    return _WORD.findall(_MARKS.sub("", unicodedata.normalize("NFD", text.lower())))


def pieces(word: str, known: Collection[str]) -> list[str]:
    """Split a word into the longest known pieces, from the left; empty if that fails.

    This follows WordPiece (Wu et al., 2016): pieces that continue a word begin with ``##``.
    """
    found: list[str] = []
    start = 0
    while start < len(word) <= _LONGEST_WORD:
        prefix = INSIDE if start else ""
        ends = range(len(word), start, -1)
        end = next((end for end in ends if prefix + word[start:end] in known), None)
        if end is None:
            return []
        found.append(prefix + word[start:end])
        start = end
    return found


def content_words(text: str) -> list[str]:
    """Return a text's content words, each once, in order."""
    return [word for word in dict.fromkeys(all_words(text)) if word not in _NO_CONTENT]


def stem(word: str) -> str:
    """Return the stem of an English word; most forms of a word have the same stem."""
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            word = word.removesuffix(suffix)
            break
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] else word


class Vectors:
    """Vectors of words and texts, of length 1; 0 if no word piece is known.

    Parameters
    ----------
    places : mapping of str to int
        The row of each word piece in the table.
    table : ndarray, shape (pieces, dimensions)
        Vectors of word pieces; their sums are vectors of words and texts.
    """

    def __init__(self, places: Mapping[str, int], table: Array) -> None:
        self._places = places
        self._table = table

    @classmethod
    def load(cls) -> Self:
        """Read the table that ships with the package."""
        with (files("jasco.judges.offline") / "vectors.npz").open("rb") as file:
            stored = np.load(file, allow_pickle=False)
            known = stored["pieces"].tobytes().decode().split("\n")
            table = stored["directions"] * stored["scales"].astype(np.float32)[:, None]
        return cls({piece: place for place, piece in enumerate(known)}, table)

    def texts(self, texts: Sequence[str]) -> Array:
        """Return each text's vector, shape (texts, dimensions)."""
        return self._sums([all_words(text) for text in texts])[0]

    def words(self, words: Sequence[str]) -> tuple[Array, Array]:
        """Return each word's vector, shape (words, dimensions), and its weight, shape (words,)."""
        return self._sums([[word] for word in words])

    def _sums(self, groups: Sequence[Sequence[str]]) -> tuple[Array, Array]:
        sums = np.zeros((len(groups), self._table.shape[1]), np.float32)
        for row, group in zip(sums, groups, strict=True):
            places = [self._places[p] for word in group for p in pieces(word, self._places)]
            row += self._table[places].sum(axis=0)
        lengths = np.asarray(np.linalg.norm(sums, axis=1), np.float32)
        directions = sums / np.maximum(lengths, np.float32(1e-9))[:, None]
        return np.asarray(directions, np.float32), lengths
