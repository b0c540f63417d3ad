"""The judge prompts of the two published protocols.

``v2`` (the current web page) uses the label "Both" for an answer that rests on both cues, ``v1``
(the first paper) uses "Good". The four orientations are otherwise the same.
"""

import re
from dataclasses import dataclass
from importlib.resources import files

from jasco.errors import InputError, did_you_mean
from jasco.protocol.clips import Item

SYSTEM_MESSAGE = "You are an NLP assistant"


@dataclass(frozen=True)
class Protocol:
    """The prompts of a judging protocol.

    Attributes
    ----------
    name : str
        ``v2`` or ``v1``.
    both : str
        The label of an answer that rests on both cues.
    judge_template, repair_template : str
        The templates of the user messages.
    """

    name: str
    both: str
    judge_template: str
    repair_template: str

    def judge_prompt(self, item: Item, prediction: str) -> str:
        """Return the prompt that requests a verdict on a model's answer to an item."""
        clip = item.clip
        return _fill(
            self.judge_template,
            audio_sound=clip.sound,
            spoken_text=clip.speech,
            question=item.instruction,
            audio_only_target=clip.audio_only,
            speech_only_target=clip.speech_only,
            reference=clip.reference,
            keywords=clip.keywords,
            prediction=prediction,
        )

    def repair_prompt(self, judge_text: str) -> str:
        """Return the prompt that requests the orientation again if it could not be read."""
        return _fill(self.repair_template, explanation=judge_text.split("Explanation2: ")[-1])


def _fill(template: str, **values: str) -> str:
    # In one pass over the known names, so that braces in the values are not replaced.
    names = "|".join(values)
    return re.sub(rf"\{{({names})\}}", lambda match: values[match[1]], template)


def _read(name: str, both: str) -> Protocol:
    folder = files("jasco.protocol") / "prompts"
    judge, repair = (folder / f"{kind}_{name}.txt" for kind in ("judge", "repair"))
    return Protocol(name, both, judge.read_text("utf-8"), repair.read_text("utf-8"))


PROTOCOLS = {name: _read(name, both) for name, both in (("v2", "Both"), ("v1", "Good"))}
DEFAULT = "v2"
"""The name of the default protocol."""


def protocol_named(name: str | None) -> Protocol:
    """Return a protocol by its name; None selects the default (``InputError`` if unknown)."""
    if name is None:
        return PROTOCOLS[DEFAULT]
    if name not in PROTOCOLS:
        raise InputError(
            f"protocol {name!r} is unknown (expected {' or '.join(PROTOCOLS)})"
            f"{did_you_mean(name, PROTOCOLS)}"
        )
    return PROTOCOLS[name]
