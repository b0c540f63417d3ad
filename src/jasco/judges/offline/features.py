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

import numpy as np

from jasco.benchmark.clips import Clip
from jasco.judges.offline.reading import read
from jasco.judges.offline.vectors import Array, Vectors, content_words, stem

TEXTS = ("reference", "audio", "speech", "sound", "words")
_REFERENCE, _AUDIO, _SPEECH, _SOUND, _WORDS = range(len(TEXTS))

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
class Target:
    """What answers to a clip are held against: computed once a clip.

    Attributes
    ----------
    texts : ndarray, shape (5, dimensions)
        Vectors of the clip's texts.
    words, stems : of each text
        Word vectors, shape (words, dimensions), and stems.
    beyond : mapping of str to ndarray
        Unit vectors of what one text says beyond others.
    keywords : of each keyword
        Its words' vectors, its own vector, and its stems.
    """

    texts: Array
    words: tuple[Array, ...]
    stems: tuple[frozenset[str], ...]
    beyond: Mapping[str, Array]
    keywords: tuple[tuple[Array, Array, frozenset[str]], ...]


def target(clip: Clip, vectors: Vectors) -> Target:
    """Prepare a clip."""
    texts = [
        _LIKELY.sub("", clip.reference), _LIKELY.sub("", clip.audio_only),
        _LIKELY.sub("", clip.speech_only), clip.sound, clip.speech,
    ]  # fmt: skip
    contents = [content_words(text) for text in texts]
    sentences = vectors.texts(texts)
    keywords = [keyword.strip() for keyword in clip.keywords.split(",") if keyword.strip()]
    return Target(
        texts=sentences,
        words=tuple(vectors.words(words) for words in contents),
        stems=tuple(frozenset(map(stem, words)) for words in contents),
        beyond={
            "reference": _beyond(sentences, _REFERENCE, (_AUDIO, _SPEECH, _SOUND, _WORDS)),
            "audio": _beyond(sentences, _AUDIO, (_SPEECH,)),
            "speech": _beyond(sentences, _SPEECH, (_AUDIO,)),
            "sound": _beyond(sentences, _SOUND, (_WORDS,)),
            "words": _beyond(sentences, _WORDS, (_SOUND,)),
        },
        keywords=tuple(
            (
                vectors.words(content_words(keyword)),
                vectors.texts([keyword])[0],
                frozenset(map(stem, content_words(keyword))),
            )
            for keyword in keywords
        ),
    )


def _beyond(texts: Array, which: int, others: Iterable[int]) -> Array:
    """Take out of one text's vector what the others span."""
    span = texts[list(others)]
    parts, *_ = np.linalg.lstsq(span.T, texts[which], rcond=None)
    return _unit(texts[which] - parts @ span)


def _unit(vector: Array) -> Array:
    return vector / max(float(np.linalg.norm(vector)), 1e-6)


def features(answer: str, clip: Target, vectors: Vectors) -> dict[str, float]:
    """Hold an answer against a clip: named numbers, the same names for every answer."""
    reading = read(answer)
    conclusion = reading.concluded
    sentences = [text for text in reading.conclusion if content_words(text)]
    whole, everything, last = vectors.texts(
        [conclusion, " ".join(reading.sentences), sentences[-1] if sentences else ""]
    )
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
        **_words(content_words(conclusion), clip, vectors),
        **_keywords(content_words(conclusion), each, clip, vectors),
    }
    length, length_of_all = len(conclusion.split()), len(" ".join(reading.sentences).split())
    return found | {
        "says.nothing": float(length == 0),
        "length": float(np.log1p(length)),
        "length.all": float(np.log1p(length_of_all)),
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


def _words(words: list[str], clip: Target, vectors: Vectors) -> dict[str, float]:
    """Align words: how much of a text is in the answer, and how much of the answer in it."""
    said = vectors.words(words)
    stems = set(map(stem, words))
    found = {}
    for name, theirs, their_stems in zip(TEXTS, clip.words, clip.stems, strict=True):
        close = theirs @ said.T if len(theirs) and len(said) else np.zeros((1, 1))
        found[f"recall.{name}"] = float(close.max(axis=1).mean())
        found[f"precision.{name}"] = float(close.max(axis=0).mean())
        found[f"closest.{name}"] = float(close.max())
        found[f"exact.{name}"] = len(stems & their_stems) / max(1, len(their_stems))
    return found


def _keywords(
    words: list[str], sentences: Array, clip: Target, vectors: Vectors
) -> dict[str, float]:
    said = vectors.words(words)
    stems = set(map(stem, words))
    soft, exact, near = [0.0], [0.0], [0.0]
    for theirs, vector, their_stems in clip.keywords:
        if len(theirs) and len(said):
            soft.append(float((theirs @ said.T).max(axis=1).mean()))
        exact.append(len(stems & their_stems) / max(1, len(their_stems)))
        near.append(float((sentences @ vector).max()))
    return {"keyword.soft": max(soft), "keyword.exact": max(exact), "keyword.near": max(near)}
