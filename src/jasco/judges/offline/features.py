"""What of an answer is held against a clip: the numbers that the classifier sees.

Conventions
-----------
A clip has five texts: the *reference*, the *audio*-only and the *speech*-only answer, the *sound*
and the *words* that were said. Similarities are cosines of text vectors, from -1 to 1; a text
without a known word has a similarity of 0 to everything.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from jasco.judges.offline.reading import read
from jasco.judges.offline.vectors import Array, Vectors, content_words, stem
from jasco.protocol.clips import Clip

TEXTS = ("reference", "audio", "speech", "sound", "words")
_REFERENCE, _AUDIO, _SPEECH, _SOUND, _WORDS = range(len(TEXTS))

_SAME = 0.6  # similarity from which on two words say the same
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
    """The words of a text that carry content.

    Attributes
    ----------
    vectors : ndarray, shape (words, dimensions)
    weights : ndarray, shape (words,)
        How much each matters: rare words more than frequent ones.
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
        """How close each word has the closest one in another text, shape (words,)."""
        if not len(self.vectors) or not len(other.vectors):
            return np.zeros(len(self.vectors), np.float32)
        return np.asarray((self.vectors @ other.vectors.T).max(axis=1))

    def mean(self, values: Array) -> float:
        """Average over the words by weight; 0 where there is none."""
        return float(values @ self.weights / max(self.weights.sum(), 1e-6))


@dataclass(frozen=True)
class Target:
    """What answers to a clip are held against: computed once a clip.

    Attributes
    ----------
    texts : ndarray, shape (5, dimensions)
        Vectors of the clip's texts.
    words : tuple of Words
        Of each text.
    own : ndarray, shape (words of the reference,)
        How much of each word of the reference the other texts do not say.
    beyond : mapping of str to ndarray
        Unit vectors of what one text says beyond others.
    keywords : of each keyword
        Its words, and its vector.
    """

    texts: Array
    words: tuple[Words, ...]
    own: Array
    beyond: Mapping[str, Array]
    keywords: tuple[tuple[Words, Array], ...]


def target(clip: Clip, vectors: Vectors) -> Target:
    """Prepare a clip."""
    texts = [
        _LIKELY.sub("", clip.reference), _LIKELY.sub("", clip.audio_only),
        _LIKELY.sub("", clip.speech_only), clip.sound, clip.speech,
    ]  # fmt: skip
    sentences = vectors.texts(texts)
    words = tuple(Words.of(text, vectors) for text in texts)
    elsewhere = np.max([words[_REFERENCE].closeness(other) for other in words[1:]], axis=0)
    keywords = [keyword.strip() for keyword in clip.keywords.split(",") if keyword.strip()]
    return Target(
        texts=sentences,
        words=words,
        own=np.maximum(0, 1 - elsewhere),
        beyond={
            "reference": _beyond(sentences, _REFERENCE, (_AUDIO, _SPEECH, _SOUND, _WORDS)),
            "audio": _beyond(sentences, _AUDIO, (_SPEECH,)),
            "speech": _beyond(sentences, _SPEECH, (_AUDIO,)),
            "sound": _beyond(sentences, _SOUND, (_WORDS,)),
            "words": _beyond(sentences, _WORDS, (_SOUND,)),
        },
        keywords=tuple(
            (Words.of(keyword, vectors), vectors.texts([keyword])[0]) for keyword in keywords
        ),
    )


def _beyond(texts: Array, which: int, others: Iterable[int]) -> Array:
    """Take out of one text's vector what the others span."""
    span = texts[list(others)]
    parts, *_ = np.linalg.lstsq(span.T, texts[which], rcond=None)
    return _unit(texts[which] - parts @ span)


def _unit(vector: Array) -> Array:
    return vector / max(float(np.linalg.norm(vector)), 1e-6)


def compare(answer: str, clip: Target, vectors: Vectors) -> dict[str, float]:
    """Hold an answer against a clip: named numbers, the same names for every answer."""
    reading = read(answer)
    conclusion = reading.concluded
    sentences = [text for text in reading.conclusion if content_words(text)]
    whole, everything, last = vectors.texts(
        [conclusion, " ".join(reading.sentences), sentences[-1] if sentences else ""]
    )
    said = Words.of(conclusion, vectors)
    each = vectors.texts(sentences) if sentences else np.zeros_like(clip.texts[:1])
    best = (each @ clip.texts.T).max(axis=0)
    found = {
        **_similarities("whole", whole, clip),
        **_similarities("everything", everything, clip),
        **_similarities("last", last, clip),
        **{f"best.{name}": value for name, value in zip(TEXTS, best, strict=True)},
        **_contrasts("whole", clip.texts @ whole),
        **_contrasts("best", best),
        **_within(clip),
        **{f"beyond.{name}": float(whole @ axis) for name, axis in clip.beyond.items()},
        "best.beyond.reference": float((each @ clip.beyond["reference"]).max()),
        **_coefficients(whole, clip),
        **_words(said, clip),
        **_new(said, clip),
        **_keywords(said, each, clip),
    }
    length, length_of_all = len(conclusion.split()), len(" ".join(reading.sentences).split())
    return found | {
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


def _similarities(part: str, vector: Array, clip: Target) -> dict[str, float]:
    return {
        f"{part}.{name}": float(value)
        for name, value in zip(TEXTS, clip.texts @ vector, strict=True)
    }


def _contrasts(part: str, to: Array) -> dict[str, float]:
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


def _within(clip: Target) -> dict[str, float]:
    """How close the clip's own texts are: what the similarities are to be seen against."""
    among = clip.texts @ clip.texts.T
    pairs = ((0, 1), (0, 2), (1, 2), (0, 3), (0, 4))
    return {f"clip.{TEXTS[a]}.{TEXTS[b]}": float(among[a, b]) for a, b in pairs}


def _coefficients(whole: Array, clip: Target) -> dict[str, float]:
    """Make the answer up of the clip's texts (ridge regression): what each adds to the others."""
    among = clip.texts @ clip.texts.T + _RIDGE * np.eye(len(TEXTS))
    parts = np.linalg.solve(among, clip.texts @ whole)
    return {f"part.{name}": float(part) for name, part in zip(TEXTS, parts, strict=True)}


def _words(said: Words, clip: Target) -> dict[str, float]:
    """Align words: how much of a text is in the answer, and how much of the answer in it."""
    found = {}
    for name, theirs in zip(TEXTS, clip.words, strict=True):
        recalled, close = theirs.closeness(said), said.closeness(theirs)
        found[f"recall.{name}"] = theirs.mean(recalled)
        found[f"precision.{name}"] = said.mean(close)
        found[f"closest.{name}"] = float(close.max(initial=0))
        found[f"exact.{name}"] = len(said.stems & theirs.stems) / max(1, len(theirs.stems))
    return found


def _new(said: Words, clip: Target) -> dict[str, float]:
    """See what the answer adds to the cues, and on whose side each of its words is."""
    close = [said.closeness(theirs) for theirs in clip.words]
    audio = np.maximum(close[_AUDIO], close[_SOUND])
    speech = np.maximum(close[_SPEECH], close[_WORDS])
    new = np.maximum(close[_SOUND], close[_WORDS]) < _SAME
    added = _unit((said.vectors * (said.weights * new)[:, None]).sum(axis=0))
    recalled = clip.words[_REFERENCE].closeness(said)
    own = clip.own * clip.words[_REFERENCE].weights
    return {
        "new.share": said.mean(new.astype(np.float32)),
        **{f"new.{name}": float(to) for name, to in zip(TEXTS, clip.texts @ added, strict=True)},
        **{f"new.beyond.{name}": float(added @ axis) for name, axis in clip.beyond.items()},
        "side.audio": said.mean(np.maximum(audio - speech, 0)),
        "side.speech": said.mean(np.maximum(speech - audio, 0)),
        "side.reference": said.mean(np.maximum(close[_REFERENCE] - np.maximum(audio, speech), 0)),
        "recall.own": float(recalled @ own / max(own.sum(), 1e-6)),
    }


def _keywords(said: Words, sentences: Array, clip: Target) -> dict[str, float]:
    soft, exact, near = [0.0], [0.0], [0.0]
    for theirs, vector in clip.keywords:
        soft.append(theirs.mean(theirs.closeness(said)))
        exact.append(len(said.stems & theirs.stems) / max(1, len(theirs.stems)))
        near.append(float((sentences @ vector).max()))
    return {"keyword.soft": max(soft), "keyword.exact": max(exact), "keyword.near": max(near)}
