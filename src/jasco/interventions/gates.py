"""Gates of stems: whether the sound and the speech of a clip are free of each other.

Estimated stems are checked by speech recognition and sound tagging, so a stem can fail because of
an error of these two, and pass although a person still hears a trace of the other cue.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from jasco.interventions.separation import Samples
from jasco.protocol.conditions import Cue

NO_WORDS, SOUND_KEPT, WORDS_KEPT, NO_SOUND = "no_words", "sound_kept", "words_kept", "no_sound"
GATES: Mapping[str, Cue] = {
    NO_WORDS: "sound",
    SOUND_KEPT: "sound",
    WORDS_KEPT: "speech",
    NO_SOUND: "speech",
}
"""The stem that each gate is about."""
MAX_WORD_ERROR_RATE = 0.2
TOP_TAGS = 5
"""Number of tags of a stem among which the most likely tag of the clip is searched."""

_CONTRACTIONS = {
    "can't": "can not", "won't": "will not", "n't": " not", "'ll": " will", "'re": " are",
    "'ve": " have", "'m": " am", "'d": " would",
}  # fmt: skip
_SMALL = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
    "nineteen",
]  # fmt: skip
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_UNITS = ((10**9, "billion"), (10**6, "million"), (1_000, "thousand"), (100, "hundred"))


@dataclass(frozen=True)
class Gates:
    """The results of the gates of a clip.

    Attributes
    ----------
    failures : mapping of str to str
        The reason of each gate that fails, by its name in :data:`GATES`.
    """

    failures: Mapping[str, str] = field(default_factory=dict)

    def passed(self, cue: Cue) -> bool:
        """Return whether a stem passes its gates."""
        return not any(GATES[gate] == cue for gate in self.failures)


class Recognizer(Protocol):
    """Speech recognition and sound tagging of samples."""

    def transcript(self, samples: Samples) -> str:
        """Return the words in the samples."""

    def speech_transcript(self, samples: Samples) -> str:
        """Return the words in the parts that a voice activity detector takes for speech."""

    def tags(self, samples: Samples, number: int) -> list[str]:
        """Return the sounds other than speech, the most likely first."""


def check_stems(
    sentence: str, clip: Samples, sound: Samples, speech: Samples, recognizer: Recognizer
) -> Gates:
    """Check the stems of a clip.

    ``no_words``
        No word of the sentence is recognised in the sound. Function words count as well: some
        sentences have no others.
    ``sound_kept``
        The most likely tag of the clip is among the first five of the sound.
    ``words_kept``
        The word error rate of the speech is at most 20%.
    ``no_sound``
        The most likely tag of the clip is not among the first five of the speech.

    Parameters
    ----------
    sentence : str
        The annotated speech of the clip.
    clip, sound, speech : ndarray of float32, shape (samples,)
        The clip and its stems.
    recognizer : Recognizer
    """
    failures = {}
    heard = words(recognizer.speech_transcript(sound))
    if common := [word for word in dict.fromkeys(words(sentence)) if word in heard]:
        failures[NO_WORDS] = f"recognised in the sound: {', '.join(common)}"
    transcript = recognizer.transcript(speech)
    rate = word_error_rate(sentence, transcript)
    if rate is None:
        failures[WORDS_KEPT] = "the annotated sentence has no words"
    elif rate > MAX_WORD_ERROR_RATE:
        failures[WORDS_KEPT] = f"word error rate {rate:.0%}: {transcript!r}"
    top = recognizer.tags(clip, 1)
    tags = recognizer.tags(sound, TOP_TAGS)
    if not top:
        failures[SOUND_KEPT] = failures[NO_SOUND] = "no sound is recognised in the clip"
    elif top[0] not in tags:
        found = ", ".join(tags) or "nothing"
        failures[SOUND_KEPT] = f"{top[0]} is not recognised in the sound, but {found}"
    if top and top[0] in recognizer.tags(speech, TOP_TAGS):
        failures[NO_SOUND] = f"{top[0]} is recognised in the speech"
    return Gates({gate: failures[gate] for gate in GATES if gate in failures})


def residual(
    clip: NDArray[np.int16], sound: NDArray[np.int16], speech: NDArray[np.int16]
) -> float | None:
    """Compute the power of a clip minus the sum of its stems, divided by the power of the clip.

    None if the clip is silent. Stems whose sum is the clip have a residual of 0.

    Parameters
    ----------
    clip, sound, speech : ndarray of int16, shape (samples,)
        The clip and its stems.

    Examples
    --------
    >>> clip = np.array([100, -200], np.int16)
    >>> residual(clip, clip // 2, 0 * clip)
    0.25
    """
    mix = clip.astype(np.float64)
    power = np.square(mix).sum()
    return float(np.square(mix - sound - speech).sum() / power) if power else None


def word_error_rate(reference: str, transcript: str) -> float | None:
    """Compute the edit distance in words, divided by the number of words of the reference.

    None if the reference has no words. Case, punctuation, contractions and the spelling of numbers
    make no difference.

    Examples
    --------
    >>> word_error_rate("I'll take fifty.", "I will take 50")
    0.0
    >>> word_error_rate("Which floor?", "Wish floor.")
    0.5
    """
    expected, found = words(reference), words(transcript)
    if not expected:
        return None
    row = list(range(len(found) + 1))
    for number, word in enumerate(expected, start=1):
        new = [number]
        for (diagonal, above), other in zip(pairwise(row), found, strict=True):
            new.append(min(diagonal + (word != other), above + 1, new[-1] + 1))
        row = new
    return row[-1] / len(expected)


def words(text: str) -> list[str]:
    """Return the words of a text in lower case, with numbers and contractions written out.

    Examples
    --------
    >>> words("It's 1,000 dollars, I can't!")
    ['its', 'one', 'thousand', 'dollars', 'i', 'can', 'not']
    """
    text = text.lower().replace("’", "'")
    for short, long in _CONTRACTIONS.items():
        text = re.sub(rf"{short}\b", long, text)
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text.replace("'", ""))
    found = re.findall(r"[^\W\d_]+|[0-9]+", text)
    return [word for part in found for word in (_number(part) if part.isdecimal() else [part])]


def _number(digits: str) -> list[str]:
    """Return an integer in words; one with leading zeros or more than 12 digits, by its digits."""
    if len(digits) > 12 or (digits[0] == "0" and digits != "0"):
        return [_SMALL[int(digit)] for digit in digits]
    return _cardinal(int(digits))


def _cardinal(number: int) -> list[str]:
    if number < 20:
        return [_SMALL[number]]
    for unit, name in _UNITS:
        if number >= unit:
            rest = number % unit
            return [*_cardinal(number // unit), name, *(_cardinal(rest) if rest else [])]
    return [_TENS[number // 10 - 2], *(_cardinal(number % 10) if number % 10 else [])]
