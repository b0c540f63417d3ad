"""The judge prompts of the two published protocols.

``v2`` (the current page) labels an answer that rests on both cues "Both", ``v1`` (the first paper)
"Good"; the verdicts are the same four.
"""

import re
from dataclasses import dataclass
from importlib.resources import files

from jasco.errors import InputError, did_you_mean
from jasco.protocol.clips import Item

SYSTEM_MESSAGE = "You are an NLP assistant"


@dataclass(frozen=True)
class Protocol:
    """The prompts for a judge.

    Attributes
    ----------
    name : str
        ``v2`` or ``v1``.
    both : str
        Its label of an answer that rests on both cues.
    judge_template, repair_template : str
        The user messages, with their placeholders.
    """

    name: str
    both: str
    judge_template: str
    repair_template: str

    def judge_prompt(self, item: Item, prediction: str) -> str:
        """Return the prompt for a verdict on a model's answer to an item."""
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
        """Return the prompt that asks again for an orientation that could not be read."""
        return _fill(self.repair_template, explanation=judge_text.split("Explanation2: ")[-1])


def _fill(template: str, **values: str) -> str:
    # In one pass over the known names, so that braces in the values stay as they are.
    names = "|".join(values)
    return re.sub(rf"\{{({names})\}}", lambda match: values[match[1]], template)


def _read(name: str, both: str) -> Protocol:
    folder = files("jasco.protocol") / "prompts"
    judge, repair = (folder / f"{kind}_{name}.txt" for kind in ("judge", "repair"))
    return Protocol(name, both, judge.read_text("utf-8"), repair.read_text("utf-8"))


PROTOCOLS = {name: _read(name, both) for name, both in (("v2", "Both"), ("v1", "Good"))}
DEFAULT = "v2"
"""Name of the protocol of a run that names none."""


def protocol_named(name: str | None) -> Protocol:
    """Return a protocol by its name, the default without one (``InputError``: there is none)."""
    if name is None:
        return PROTOCOLS[DEFAULT]
    if name not in PROTOCOLS:
        raise InputError(
            f"protocol {name!r} is unknown; there are {', '.join(PROTOCOLS)}"
            f"{did_you_mean(name, PROTOCOLS)}"
        )
    return PROTOCOLS[name]
