"""The features of an answer, from comparisons with the texts of its clip.

Conventions
-----------
A clip has five texts: the *reference*, the *audio*-only and the *speech*-only answer, the *sound*
and the spoken *words*. Similarities are cosines of text vectors, from -1 to 1; a text without a
known word has a similarity of 0 to all texts.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from jasco.judges.offline.conclusion import read
from jasco.judges.offline.vectors import Array, Vectors, content_words, stem
from jasco.protocol.clips import Clip

TEXTS = ("reference", "audio", "speech", "sound", "words")
_REFERENCE, _AUDIO, _SPEECH, _SOUND, _WORDS = range(len(TEXTS))

_ROUNDING = 1e-4  # below it, a part is a rounding error, which differs between processors
_SAME = 0.6  # similarity above which two words have the same meaning
_RIDGE = 0.3

_LIKELY = re.compile(
    r"^(?:they|the speakers?|he|she|someone|there)\s+(?:is|are)\s+(?:(?:most|very)\s+)?"
    r"(?:likely|probably|possibly)?\s*",
    re.IGNORECASE,
)
_GENERAL = re.compile(
    r"\b(?:activit(?:y|ies)|something|somewhere|some (?:kind|sort|form|type) of)\b", re.IGNORECASE
)
_TALK = re.compile(
    r"\b(?:talking|conversation|conversing|chatting|discussing|communicat\w+|interacting)\b",
    re.IGNORECASE,
)
_ALTERNATIVE = re.compile(
    r"\b(?:or|either|alternatively|maybe|perhaps|might|could)\b", re.IGNORECASE
)
_LIST_ITEM = re.compile(r"^\s*(?:[-*•]|\d+[.)])", re.MULTILINE)


@dataclass(frozen=True)
class Words:
    """The content words of a text.

    Attributes
    ----------
    vectors : ndarray, shape (words, dimensions)
    weights : ndarray, shape (words,)
        Weight of each word; rare words have larger weights than frequent ones.
    stems : frozenset of str
    """

    vectors: Array
    weights: Array
    stems: frozenset[str]

    @classmethod
    def of(cls, text: str, vectors: Vectors) -> Self:
        """Look up the words of a text."""
        words = content_words(text)
        return cls(*vectors.words(words), frozenset(map(stem, words)))

    def closeness(self, other: "Words") -> Array:
        """Compute each word's similarity to the closest word of another text, shape (words,)."""
        if not len(self.vectors) or not len(other.vectors):
            return np.zeros(len(self.vectors), np.float32)
        return np.asarray((self.vectors @ other.vectors.T).max(axis=1))

    def mean(self, values: Array) -> float:
        """Compute the weighted mean over the words; 0 if there are none."""
        return _average(values, self.weights)

    def share_in(self, other: "Words") -> float:
        """Compute the share of the words' stems that occur in another text."""
        return len(self.stems & other.stems) / max(1, len(self.stems))


@dataclass(frozen=True)
class Target:
    """The texts of a clip, with which answers are compared; computed once per clip.

    Attributes
    ----------
    texts : ndarray, shape (5, dimensions)
        Vectors of the clip's texts.
    words : tuple of Words
        The words of each text.
    own : ndarray, shape (words of the reference,)
        For each word of the reference, the part that is in no other text.
    beyond : mapping of str to ndarray
        Unit vectors of the part of a text that is not in other texts.
    keywords : tuple of (Words, ndarray)
        The words and the vector of each keyword.
    """

    texts: Array
    words: tuple[Words, ...]
    own: Array
    beyond: Mapping[str, Array]
    keywords: tuple[tuple[Words, Array], ...]

    @classmethod
    def of(cls, clip: Clip, vectors: Vectors) -> Self:
        """Compute the vectors and words of a clip's texts."""
        answers = (clip.reference, clip.audio_only, clip.speech_only)
        texts = [*(_LIKELY.sub("", answer) for answer in answers), clip.sound, clip.speech]
        sentences = vectors.texts(texts)
        words = tuple(Words.of(text, vectors) for text in texts)
        elsewhere = np.max([words[_REFERENCE].closeness(other) for other in words[1:]], axis=0)
        keywords = [keyword.strip() for keyword in clip.keywords.split(",") if keyword.strip()]
        return cls(
            texts=sentences,
            words=words,
            own=np.where(1 - elsewhere > _ROUNDING, 1 - elsewhere, np.float32(0)),
            beyond={
                TEXTS[text]: _beyond(sentences, text, others)
                for text, others in (
                    (_REFERENCE, (_AUDIO, _SPEECH, _SOUND, _WORDS)),
                    (_AUDIO, (_SPEECH,)),
                    (_SPEECH, (_AUDIO,)),
                    (_SOUND, (_WORDS,)),
                    (_WORDS, (_SOUND,)),
                )
            },
            keywords=tuple(
                (Words.of(keyword, vectors), vectors.texts([keyword])[0]) for keyword in keywords
            ),
        )


def _beyond(texts: Array, text: int, others: Iterable[int]) -> Array:
    """Compute the direction of a text's vector, without its projection onto the others' span."""
    span = texts[list(others)]
    parts, *_ = np.linalg.lstsq(span.T, texts[text], rcond=None)
    return _unit(texts[text] - parts @ span)


def _unit(vector: Array) -> Array:
    return vector / max(float(np.linalg.norm(vector)), 1e-6)


def _average(values: Array, weights: Array) -> float:
    return float(values @ weights / np.maximum(weights.sum(), np.float32(1e-6)))


def compare(answer: str, target: Target, vectors: Vectors) -> dict[str, float]:
    """Compute the features of an answer, by name; the names are the same for every answer."""
    reading = read(answer)
    conclusion, text = reading.concluded, " ".join(reading.sentences)
    sentences = [sentence for sentence in reading.conclusion if content_words(sentence)] or [""]
    whole, everything, last = vectors.texts([conclusion, text, sentences[-1]])
    words, by_sentence = Words.of(conclusion, vectors), vectors.texts(sentences)
    best = (by_sentence @ target.texts.T).max(axis=0)
    length, length_of_all = len(conclusion.split()), len(text.split())
    return {
        **_named("whole", target.texts @ whole),
        **_named("everything", target.texts @ everything),
        **_named("last", target.texts @ last),
        **_named("best", best),
        **_contrasts("whole", target.texts @ whole),
        **_contrasts("best", best),
        **_within(target),
        **{f"beyond.{name}": float(whole @ axis) for name, axis in target.beyond.items()},
        "best.beyond.reference": float((by_sentence @ target.beyond["reference"]).max()),
        **_coefficients(whole, target),
        **_alignment(words, target),
        **_additions(words, target),
        **_keywords(words, by_sentence, target),
        "says.nothing": float(length == 0),
        "length": float(np.log1p(length)),
        "length.all": float(np.log1p(length_of_all)),
        "repeats": (length - len(set(conclusion.lower().split()))) / max(1, length),
        "share.concluded": length / max(1, length_of_all),
        "sentences": min(len(reading.conclusion), 6) / 3,
        "quotes": min(reading.quotes, 4) / 2,
        "general": float(bool(_GENERAL.search(conclusion))),
        "talk": float(bool(_TALK.search(conclusion))),
        "alternatives": min(len(_ALTERNATIVE.findall(conclusion)), 3) / 3,
        "list": float(len(_LIST_ITEM.findall(answer)) > 1),
        "refuses": float(reading.refuses),
        "plays.judge": float(reading.plays_judge),
        "foreign": sum(ord(letter) > 127 for letter in answer) / max(1, len(answer)),
    }


def _named(part: str, values: Array) -> dict[str, float]:
    """Name the values for the clip's five texts."""
    return {f"{part}.{name}": float(value) for name, value in zip(TEXTS, values, strict=True)}


def _contrasts(part: str, to: Array) -> dict[str, float]:
    """Compute differences between the similarities to the clip's texts, shape (5,)."""
    one_cue = max(to[_AUDIO], to[_SPEECH])
    return {
        f"{part}.reference-audio": float(to[_REFERENCE] - to[_AUDIO]),
        f"{part}.reference-speech": float(to[_REFERENCE] - to[_SPEECH]),
        f"{part}.audio-speech": float(to[_AUDIO] - to[_SPEECH]),
        f"{part}.sound-words": float(to[_SOUND] - to[_WORDS]),
        f"{part}.reference-either": float(to[_REFERENCE] - one_cue),
        f"{part}.either": float(one_cue),
        f"{part}.both.answers": float(min(to[_AUDIO], to[_SPEECH])),
        f"{part}.both.cues": float(min(to[_SOUND], to[_WORDS])),
    }


def _within(target: Target) -> dict[str, float]:
    """Compute the similarities among the clip's texts, which put other similarities in context."""
    among = target.texts @ target.texts.T
    pairs = ((0, 1), (0, 2), (1, 2), (0, 3), (0, 4))
    return {f"clip.{TEXTS[a]}.{TEXTS[b]}": float(among[a, b]) for a, b in pairs}


def _coefficients(whole: Array, target: Target) -> dict[str, float]:
    """Compute the ridge-regression coefficients of the answer's vector on the clip's texts."""
    among = target.texts @ target.texts.T + _RIDGE * np.eye(len(TEXTS))
    return _named("part", np.linalg.solve(among, target.texts @ whole))


def _alignment(words: Words, target: Target) -> dict[str, float]:
    """Compute how much of each text is in the answer, and how much of the answer is in it."""
    features = {}
    for name, of_text in zip(TEXTS, target.words, strict=True):
        close = words.closeness(of_text)
        features[f"recall.{name}"] = of_text.mean(of_text.closeness(words))
        features[f"precision.{name}"] = words.mean(close)
        features[f"closest.{name}"] = float(close.max(initial=0))
        features[f"exact.{name}"] = of_text.share_in(words)
    return features


def _additions(words: Words, target: Target) -> dict[str, float]:
    """Compute what the answer adds to the cues, and which cue its words are closer to."""
    close = [words.closeness(of_text) for of_text in target.words]
    audio = np.maximum(close[_AUDIO], close[_SOUND])
    speech = np.maximum(close[_SPEECH], close[_WORDS])
    new = np.maximum(close[_SOUND], close[_WORDS]) < _SAME
    added = _unit((words.vectors * (words.weights * new)[:, None]).sum(axis=0))
    reference = target.words[_REFERENCE]
    return {
        "new.share": words.mean(new.astype(np.float32)),
        **_named("new", target.texts @ added),
        **{f"new.beyond.{name}": float(added @ axis) for name, axis in target.beyond.items()},
        "side.audio": words.mean(np.maximum(audio - speech, 0)),
        "side.speech": words.mean(np.maximum(speech - audio, 0)),
        "side.reference": words.mean(np.maximum(close[_REFERENCE] - np.maximum(audio, speech), 0)),
        "recall.own": _average(reference.closeness(words), target.own * reference.weights),
    }


def _keywords(words: Words, sentences: Array, target: Target) -> dict[str, float]:
    """Compute the similarity of the answer to the best-matching keyword."""
    features = [
        (
            keyword.mean(keyword.closeness(words)),
            keyword.share_in(words),
            (sentences @ vector).max(),
        )
        for keyword, vector in target.keywords
    ]
    soft, exact, near = np.max([(0.0, 0.0, 0.0), *features], axis=0)
    return {"keyword.soft": soft, "keyword.exact": exact, "keyword.near": near}
