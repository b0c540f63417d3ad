"""Gates of stems."""

import numpy as np
import pytest

from jasco.interventions.gates import (
    NO_SOUND,
    NO_WORDS,
    SOUND_KEPT,
    WORDS_KEPT,
    Gates,
    check_stems,
    residual,
    word_error_rate,
    words,
)
from jasco.interventions.separation import Samples

CLIP, SOUND, SPEECH = (np.full(4, value, np.float32) for value in (0.1, 0.2, 0.3))
SENTENCE = "We need fifty seats."


class FakeRecognizer:
    """Recognises what is listed, by the first sample of the audio."""

    def __init__(self, transcripts: dict[float, str], tags: dict[float, list[str]]) -> None:
        self._transcripts, self._tags = transcripts, tags

    def transcript(self, samples: Samples) -> str:
        return self._transcripts.get(round(float(samples[0]), 1), "")

    def speech_transcript(self, samples: Samples) -> str:
        return self.transcript(samples)

    def tags(self, samples: Samples, number: int) -> list[str]:
        return self._tags.get(round(float(samples[0]), 1), [])[:number]


def failures(transcripts: dict[float, str], tags: dict[float, list[str]]) -> set[str]:
    gates = check_stems(SENTENCE, CLIP, SOUND, SPEECH, FakeRecognizer(transcripts, tags))
    assert all("\n" not in reason for reason in gates.failures.values())
    return set(gates.failures)


RIGHT = {0.3: "We need 50 seats!"}
TAGS = {0.1: ["Siren", "Alarm"], 0.2: ["Alarm", "Siren"], 0.3: ["Music"]}


def test_stems_that_are_free_of_each_other_pass() -> None:
    assert failures(RIGHT, TAGS) == set()


@pytest.mark.parametrize("heard", ["seats", "We!", "fifteen, fifty", "a sweet NEED"])
def test_a_word_that_is_recognised_in_the_sound_fails(heard: str) -> None:
    assert failures({**RIGHT, 0.2: heard}, TAGS) == {NO_WORDS}


def test_other_words_in_the_sound_are_no_failure() -> None:
    assert failures({**RIGHT, 0.2: "Thank you, sweet."}, TAGS) == set()


def test_words_that_are_lost_in_the_speech_fail() -> None:
    assert failures({}, TAGS) == {WORDS_KEPT}
    assert failures({0.3: "We need three boats"}, TAGS) == {WORDS_KEPT}


def test_the_sound_must_be_recognised_in_the_sound_and_not_in_the_speech() -> None:
    others = list("ABCDE")
    assert failures(RIGHT, {**TAGS, 0.2: [*others, "Siren"]}) == {SOUND_KEPT}
    assert failures(RIGHT, {**TAGS, 0.2: []}) == {SOUND_KEPT}
    assert failures(RIGHT, {**TAGS, 0.3: ["Music", "Siren"]}) == {NO_SOUND}
    assert failures(RIGHT, {**TAGS, 0.3: [*others, "Siren"]}) == set()


def test_a_clip_without_a_recognised_sound_cannot_pass() -> None:
    assert failures(RIGHT, {}) == {SOUND_KEPT, NO_SOUND}


def test_a_gate_is_about_one_stem() -> None:
    gates = Gates({NO_WORDS: "recognised in the sound: we"})
    assert not gates.passed("sound")
    assert gates.passed("speech")
    assert Gates().passed("sound")
    assert not Gates({NO_SOUND: "Siren is recognised in the speech"}).passed("speech")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("1,000 dollars", "one thousand dollars"),
        ("20 or 21, 105", "twenty or twenty one one hundred five"),
        ("2024", "two thousand twenty four"),
        ("007", "zero zero seven"),
        ("1, 2", "one two"),
        ("1234567890123", "one two three four five six seven eight nine zero one two three"),
        ("I’ll, can't WON'T don't", "i will can not will not do not"),
        ("Let's: he's", "lets hes"),
        ("Où est-ce ?", "où est ce"),
        ("もう行こう", "もう行こう"),
        ("abc_12", "abc twelve"),
    ],
)
def test_words(text: str, expected: str) -> None:
    assert words(text) == expected.split()


@pytest.mark.parametrize(
    ("reference", "transcript", "rate"),
    [
        ("a b c d", "a b c d", 0),
        ("a b c d", "", 1),
        ("a b c d", "a x c d", 0.25),
        ("a b c d", "a c d", 0.25),
        ("a b", "x a y b z w", 2),
        ("...", "a", None),
    ],
)
def test_word_error_rate(reference: str, transcript: str, rate: float | None) -> None:
    assert word_error_rate(reference, transcript) == rate


def test_the_residual_is_relative_to_the_power_of_the_clip() -> None:
    loud = np.array([32_767, -32_768] * 8, np.int16)
    silence = np.zeros_like(loud)
    assert residual(loud, loud, silence) == 0
    assert residual(loud, loud, loud) == 1  # the sum exceeds 16 bits
    assert residual(loud, silence, silence) == 1
    assert residual(silence, loud, loud) is None
