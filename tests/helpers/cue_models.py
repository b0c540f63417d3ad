"""Models whose reliance on cues is known by construction, and a judge that reads their answers.

A model recognises which stems of ``mini`` it hears, and reads which cues the prompt states. Its
answer lists them, with the rating that it deserves, which the judge gives it.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fake_providers import fake_spec
from jasco.data.sources import find_data
from jasco.interventions.stems import find_stems
from jasco.judges.judge import Judge
from jasco.protocol.clips import Clip, Item
from jasco.protocol.conditions import CUES, Cue
from jasco.protocol.protocols import Protocol
from jasco.protocol.responses import Failure
from jasco.protocol.verdicts import Attempt, Judgement, Orientation, Verdict

Audio = NDArray[np.float32]
Cues = Mapping[Cue, str]
"""The annotation of each cue that a model was given."""


@cache
def _stems() -> tuple[tuple[Clip, ...], Mapping[Cue, list[Audio]]]:
    data = find_data("mini", lambda _: None)
    stems = find_stems(data, None)
    return data.clips, {
        cue: [stems.samples(data, cue, clip).astype(np.float32) / 32_768 for clip in data.clips]
        for cue in CUES
    }


def heard(audio: Audio | None) -> dict[Cue, str]:
    """Return the annotations of the cues in audio: those of the stems that are in it."""
    if audio is None:
        return {}
    clips, stems = _stems()
    found: dict[Cue, str] = {}
    for cue, several in stems.items():
        for clip, stem in zip(clips, several, strict=True):
            length = min(len(audio), len(stem))
            power = float(stem[:length] @ stem[:length])
            if abs(float(audio[:length] @ stem[:length]) / power - 1) < 0.3:
                found[cue] = getattr(clip, cue)
    return found


def read(prompt: str) -> dict[Cue, str]:
    """Return the cues that a prompt states."""
    lines: dict[Cue, str] = {"sound": "Audio sound: ", "speech": "Spoken text: "}
    return {
        cue: line.removeprefix(begin)
        for cue, begin in lines.items()
        for line in prompt.splitlines()
        if line.startswith(begin)
    }


@dataclass(frozen=True)
class CueModel:
    """A model that answers with the cues that it uses, and the rating that it deserves.

    Parameters
    ----------
    name : str
        Its name.
    rate : callable
        Returns the rating, given the cues.
    uses : tuple of str
        The cues that the answer names.
    hears : tuple of str
        The cues that it recognises in audio; it understands all that are stated as text.
    refuses_without : str
        The cue without which it refuses to answer.
    """

    name: str
    rate: Callable[[Cues], int]
    uses: tuple[Cue, ...] = CUES
    hears: tuple[Cue, ...] = CUES
    refuses_without: str = ""

    def answer(self, audio: Audio | None, sampling_rate: int, prompt: str) -> str:
        """Return the answer."""
        assert sampling_rate == 16_000
        key = b"" if audio is None else audio.tobytes()
        cues = {cue: text for cue, text in _heard(key).items() if cue in self.hears} | read(prompt)
        if self.refuses_without and self.refuses_without not in cues:
            return "I cannot hear any speech."
        rating = self.rate(cues)
        named = [f"{cue}: <{cues[cue]}>" for cue in self.uses if cue in cues]
        keyword = _keyword(cues) if rating == 2 else ""
        return f"{'; '.join(named)} Rating: {rating}. {keyword}"


@cache
def _heard(samples: bytes) -> dict[Cue, str]:
    return heard(np.frombuffer(samples, np.float32) if samples else None)


def _keyword(cues: Cues) -> str:
    clips, _ = _stems()
    return next(
        (
            clip.keywords.split(",")[0]
            for clip in clips
            if all(getattr(clip, cue) == text for cue, text in cues.items())
        ),
        "",
    )


def is_joint(cues: Cues) -> bool:
    """Return whether both cues are given, and belong to the same clip."""
    return len(cues) == len(CUES) and bool(_keyword(cues))


def random_rating(cues: Cues) -> int:
    """Return a rating that has nothing to do with the cues, but is always the same."""
    return sum(map(len, cues.values())) % 3


SPEECH_ONLY = CueModel("speech only", lambda cues: 2 * ("speech" in cues), ("speech",))
SOUND_ONLY = CueModel("sound only", lambda cues: 2 * ("sound" in cues), ("sound",))
ADDITIVE = CueModel("additive", len)
JOINT = CueModel("joint", lambda cues: 2 * is_joint(cues))
PROMPT_ONLY = CueModel("prompt only", lambda _: 1, ())
REFUSES = CueModel(
    "refuses", lambda cues: 2 * ("speech" in cues), ("speech",), refuses_without="speech"
)
DEAF_TO_SOUND = CueModel("deaf to sound", len, hears=("speech",))
RANDOM = CueModel("random", random_rating)


class CueJudge(Judge):
    """A judge that labels an answer by the cues of the clip that it names, and copies its rating.

    An answer that names a cue of another clip is rated 0.
    """

    def __init__(self, name: str = "cues", orientation: Orientation | None = None) -> None:
        super().__init__(fake_spec(name))
        self._orientation = orientation

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.spec.name, self._orientation)

    async def judge(
        self,
        item: Item,
        prediction: str,
        protocol: Protocol,
    ) -> Judgement | Failure:
        """Judge an answer."""
        named = dict(re.findall(r"(sound|speech): <(.*?)>", prediction))
        own = {cue for cue, text in named.items() if getattr(item.clip, cue) == text}
        rating = re.search(r"Rating: (\d)", prediction)
        value = int(rating[1]) if rating and len(own) == len(named) else 0
        labels = {
            frozenset[str](): Orientation.NEITHER,
            frozenset({"sound"}): Orientation.AUDIO,
            frozenset({"speech"}): Orientation.SPEECH,
        }
        orientation = self._orientation or labels.get(frozenset(own), Orientation.BOTH)
        text = f"Rating: {value}\nOrientation: {orientation}"
        return Judgement(Verdict(value, orientation), (Attempt("verdict", text),))


ALWAYS_SPEECH = CueJudge("always speech", Orientation.SPEECH)
