"""The content of a bundle: what a run is about and its rows, and their fields.

Documented for users in ``docs/bundles.md``.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jasco.backends.specs import identity_key
from jasco.data.json_records import (
    Check,
    is_flag,
    is_number,
    is_scalar,
    is_sha256,
    is_text,
    list_of,
    mapping_of,
    one_of,
    optional,
    read_lines,
    read_object,
    record_of,
    whole,
    write_json,
    write_lines,
)
from jasco.errors import InputError
from jasco.protocol.clips import Clip, ClipHash
from jasco.protocol.conditions import condition_of
from jasco.protocol.instructions import checked_instructions
from jasco.protocol.protocols import PROTOCOLS
from jasco.protocol.verdicts import Attempt, Orientation, Verdict

Json = dict[str, Any]

RUN, CLIPS, RESPONSES, VERDICTS = "run.json", "clips.jsonl", "responses.jsonl", "verdicts.jsonl"
ANNOTATION_FIELDS = ("sound", "speech", "audio_only", "speech_only", "reference", "keywords")
PREFLIGHT_FIELDS = (
    "state", "overridden", "reason", "probes", "answered", "alike_on_same_audio",
    "alike_on_different_audio", "chance",
)  # fmt: skip
CHECK_FIELDS = ("state", "rating", "orientation")
_LONGEST_LABEL = 10_000
_MOST_SAMPLES, _MOST_REPEATS = 1000, 100
_MOST_JUDGES = 20  # the agreement of each pair is computed: with 100 judges, for minutes
_MOST_VERDICTS = 5_000_000  # that are expected: even if missing, each needs 100 bytes of memory

# --- the fields of the members ---

_PROVIDER: dict[str, Check] = {
    "label": lambda value: is_text(value) and 0 < len(value) <= _LONGEST_LABEL,
    "identity": lambda value: (
        isinstance(value, dict) and is_text(value.get("provider")) and is_text(value.get("name"))
    ),
    "adaptations": optional(lambda value: isinstance(value, dict)),
    "source": optional(is_text),
}
_CHECK: dict[str, Check] = dict.fromkeys(CHECK_FIELDS, is_scalar) | {"state": is_text}
_RUN_FIELDS: dict[str, Check] = {
    "model": record_of({**_PROVIDER, "name": optional(is_text)}),
    "judges": list_of(
        record_of(
            {
                **_PROVIDER,
                "proxy": is_flag,
                "check": optional(record_of(_CHECK)),
            }
        )
    ),
    "data": record_of({"name": is_text, "annotations_sha256": is_sha256, "clips": whole(1)}),
    "protocol": optional(one_of(*PROTOCOLS)),
    "instructions": list_of(is_text),
    "samples": whole(1, _MOST_SAMPLES),
    "condition": is_text,
    "tags": mapping_of(lambda value: is_text(value) or is_number(value)),
    "preflight": optional(
        record_of(
            dict.fromkeys(PREFLIGHT_FIELDS, is_scalar)
            | {
                "state": one_of("passed", "refused", "inconclusive", "skipped"),
                "reason": optional(is_text),
            }
        )
    ),
    "runtime": list_of(mapping_of(is_text)),
    "max_audio_seconds": optional(is_number),
    "audio": optional(mapping_of(record_of({"clipped": whole(0), "warnings": list_of(is_text)}))),
    "created_with": optional(is_text),
    "masked_texts": whole(0),
}
_CLIP_FIELDS: dict[str, Check] = {
    "id": is_text,
    "annotations_sha256": is_sha256,
    "annotations": optional(record_of(dict.fromkeys(ANNOTATION_FIELDS, is_text))),
    "audio_sha256": optional(is_text),
    "seconds": optional(is_number),
    "conversions": optional(is_text),
}
_USAGE = optional(mapping_of(whole(0)))
_WRITTEN: dict[str, Check] = {
    "text": optional(is_text),
    "reasoning": optional(is_text),
    "finish_reason": optional(is_text),
    "usage": _USAGE,
    "served": optional(is_text),
}
_FAILED: dict[str, Check] = {
    "failure_kind": optional(is_text),
    "failure_message": optional(is_text),
    "final": optional(is_flag),
}
_ITEM: dict[str, Check] = {"clip": is_text, "instruction": whole(1), "sample": whole(0)}
_RESPONSE_FIELDS: dict[str, Check] = {**_ITEM, **_WRITTEN, **_FAILED}
_VERDICT_FIELDS: dict[str, Check] = {
    **_ITEM,
    **_FAILED,
    "judge": is_text,
    "repeat": whole(0, _MOST_REPEATS),
    "rating": optional(whole(0, 2)),
    "orientation": optional(one_of(*Orientation)),
    "attempts": optional(list_of(record_of({**_WRITTEN, "asked": one_of("verdict", "repair")}))),
}


@dataclass(frozen=True)
class BundledRun:
    """The content of a bundle, without its figures.

    Attributes
    ----------
    about : dict
        The model, the judges, the data and the settings: ``run.json``.
    clips, responses, verdicts : list of dict
        The rows of the other members.
    """

    about: Json
    clips: list[Json]
    responses: list[Json] = field(default_factory=list)
    verdicts: list[Json] = field(default_factory=list)

    def to_members(self) -> dict[str, bytes]:
        """Return the members, by name."""
        return {
            RUN: write_json(self.about) + b"\n",
            CLIPS: write_lines(self.clips),
            RESPONSES: write_lines(self.responses),
            VERDICTS: write_lines(self.verdicts),
        }

    @classmethod
    def from_members(cls, members: Mapping[str, bytes], source: Path) -> "BundledRun":
        """Read the members of a bundle (``InputError`` if a field is invalid)."""
        run = cls(
            read_object(members[RUN], f"{source}: {RUN}", _RUN_FIELDS),
            *(
                list(read_lines(members[name], f"{source}: {name}", checks))
                for name, checks in (
                    (CLIPS, _CLIP_FIELDS),
                    (RESPONSES, _RESPONSE_FIELDS),
                    (VERDICTS, _VERDICT_FIELDS),
                )
            ),
        )
        run.check(source)
        return run

    @property
    def judges(self) -> dict[str, Json]:
        """The judges by label."""
        return {judge["label"]: judge for judge in self.about["judges"]}

    @property
    def clip_hashes(self) -> list[ClipHash]:
        """The clips with the hashes of their annotations."""
        return [ClipHash(clip["id"], clip["annotations_sha256"]) for clip in self.clips]

    def check(self, source: Path) -> None:
        """Raise ``InputError`` for content that is no run, whatever its figures."""
        about, where = self.about, f"{source}: {RUN}"
        checked_instructions(about["instructions"], where)
        with _placed(where):
            condition_of(about["condition"])
        if len(self.judges) < len(about["judges"]):
            raise InputError(f"{where}: two judges have the same label")
        identities = {identity_key(judge["identity"]) for judge in about["judges"]}
        if len(identities) < len(about["judges"]):
            raise InputError(f"{where}: two judges have the same identity")
        with _placed(f"{source}: {CLIPS}"):
            for clip in self.clips:
                Clip(clip["id"], "", "", "", "", "", "")  # checks the id
        ids = {clip["id"] for clip in self.clips}
        if not self.clips or len(ids) < len(self.clips):
            raise InputError(f"{source}: {CLIPS}: no clip, or a clip is given twice")
        repeats = 1 + max((row["repeat"] for row in self.verdicts), default=0)
        cells = len(ids) * len(about["instructions"]) * about["samples"] * repeats
        if len(identities) > _MOST_JUDGES:
            raise InputError(f"{where}: more judges than a bundle can have ({_MOST_JUDGES})")
        if cells * max(1, len(identities)) > _MOST_VERDICTS:
            raise InputError(
                f"{source}: more verdicts are expected than a bundle can have ({_MOST_VERDICTS:,})"
            )


@contextmanager
def _placed(where: str) -> Iterator[None]:
    """Add the place to an ``InputError`` of the block."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


# --- rows ---


def item_key(row: Json) -> tuple[str, int, int]:
    """Return the clip, the instruction and the sample of a row."""
    return row["clip"], row["instruction"], row["sample"]


def verdict_of(row: Json) -> Verdict:
    """Return the verdict that a row states."""
    orientation = row.get("orientation")
    return Verdict(row.get("rating"), orientation and Orientation(orientation))


def attempts_of(row: Json) -> tuple[Attempt, ...]:
    """Return the judge's replies in a row."""
    return tuple(
        Attempt(
            attempt["asked"],
            attempt.get("text") or "",
            attempt.get("finish_reason"),
            attempt.get("usage") or {},
            attempt.get("served"),
            attempt.get("reasoning") or "",
        )
        for attempt in row.get("attempts") or ()
    )
