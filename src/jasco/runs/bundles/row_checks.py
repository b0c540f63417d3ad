"""Checks of a bundle: its verdicts are read again, and each row must belong to the run."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from jasco.data.dataset import ALTERED, PUBLISHED, DataSet, name_by_hash
from jasco.errors import one_line
from jasco.protocol.clips import Clip, annotations_sha256
from jasco.protocol.judging import read_attempts
from jasco.protocol.verdict_parser import read_verdict
from jasco.protocol.verdicts import PROXY_MARK, Verdict
from jasco.runs.bundles.content import (
    CLIPS,
    RESPONSES,
    RUN,
    VERDICTS,
    BundledRun,
    Json,
    attempts_of,
    item_key,
    verdict_of,
)
from jasco.runs.participants import is_single_prompt

_READ = ("offline", "openai", "vllm")
"""The providers of judges whose verdicts are always those that the parser reads in their texts."""

_ROW = "row"


@dataclass(frozen=True)
class Difference:
    """A difference between what a bundle states and what follows from its content.

    Attributes
    ----------
    member : str
        The member of the bundle.
    what : str
        The row or the figure.
    stored, recomputed : object
        What the bundle states, and what follows from its content; None if there is nothing.
    clip, judge : str or None
        The clip and the judge of a row; None for a figure.
    instruction, sample : int or None
        The instruction and the sample (from 0) of a row.
    """

    member: str
    what: str
    stored: object
    recomputed: object
    clip: str | None = None
    instruction: int | None = None
    sample: int | None = None
    judge: str | None = None

    def __str__(self) -> str:
        """Return the difference as one line."""
        row = [
            f"{name} {one_line(value, 100)}"
            for name in ("clip", "instruction", "sample", "judge")
            if (value := getattr(self, name)) is not None and (name != "sample" or value)
        ]
        place = ", ".join([self.member, *row])
        if self.what.startswith(_ROW):  # that does not belong to the run
            return f"{place}: {one_line(self.what, 200)}: {_shown(self.recomputed)}"
        stored, recomputed = (_shown(each) for each in (self.stored, self.recomputed))
        return f"{place}: {one_line(self.what, 200)}: stored {stored}, recomputed {recomputed}"


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return one_line(text, 100) or '""'


@dataclass(frozen=True)
class ReadVerdicts:
    """The rows of a bundle, checked one by one.

    Attributes
    ----------
    run : BundledRun
        The content with the verdicts that the protocol's parser reads in the judges' texts, and
        only with rows that belong to the run, each once.
    differences : list of Difference
        What was changed.
    given : dict of str to int
        By judge: how many of its verdicts are not those that the parser reads in its texts, because
        it states them in another way. They cannot be checked.
    """

    run: BundledRun
    differences: list[Difference]
    given: dict[str, int]


def read_again(run: BundledRun) -> ReadVerdicts:
    """Read all verdicts again from the judges' texts, and check the rows."""
    differences = [*_data_differences(run), *_proxy_differences(run)]
    responses = list(_own_rows(run, RESPONSES, run.responses, differences))
    answered = {item_key(row) for row in responses if row.get("failure_kind") is None}
    given: dict[str, int] = {}
    verdicts = []
    for row in _own_rows(run, VERDICTS, run.verdicts, differences):
        if item_key(row) not in answered:
            differences.append(_of_row(VERDICTS, row, _ROW, "given", "no answer to judge"))
            continue
        verdicts.append(row)
        if row.get("failure_kind") is not None:
            continue
        stored = verdict_of(row)
        identity = run.judges[row["judge"]]["identity"]
        read = _read(row, identity)
        if read == stored:
            continue
        if identity["provider"] not in _READ and not _contradicts(stored, read, identity):
            given[row["judge"]] = given.get(row["judge"], 0) + 1
            continue
        differences.append(_of_row(VERDICTS, row, "verdict", _in_words(stored), _in_words(read)))
        read = read or Verdict(None, None)
        orientation = read.orientation and str(read.orientation)
        verdicts[-1] = {**row, "rating": read.rating, "orientation": orientation}
    return ReadVerdicts(replace(run, responses=responses, verdicts=verdicts), differences, given)


def _read(row: Json, identity: Json) -> Verdict | None:
    """Read the verdict in a judge's texts; None if they are not what the protocol requests."""
    attempts = attempts_of(row)
    read = read_attempts(attempts, "json" if identity.get("output") == "json" else "text")
    if read is None and len(attempts) == 1 and identity["provider"] not in _READ:
        return read_verdict(attempts[0].text)  # such a judge is not asked for a repair
    return read


def _contradicts(stored: Verdict, read: Verdict | None, identity: Json) -> bool:
    """Return whether a verdict in a judged CSV file is not what its text says.

    Its cells only replace what cannot be read in the text. What the texts of other judges mean,
    such as those of plug-ins, is unknown.
    """
    if identity["provider"] != "csv" or read is None:
        return False
    parts = (read.rating, stored.rating), (read.orientation, stored.orientation)
    return any(in_text not in (None, in_cell) for in_text, in_cell in parts)


def _data_differences(run: BundledRun) -> Iterator[Difference]:
    data, hashes = run.about["data"], run.clip_hashes
    stored = data["annotations_sha256"]
    name = name_by_hash(stored, data["name"])
    # Whether the audio was altered is checked with the figures.
    if data["name"] not in (name, ALTERED if name == PUBLISHED else name):
        yield Difference(RUN, "data.name", data["name"], name)
    if len(hashes) == data["clips"] and annotations_sha256(hashes) != stored:
        yield Difference(RUN, "data.annotations_sha256", stored, annotations_sha256(hashes))
    if len(hashes) > data["clips"]:
        yield Difference(RUN, "data.clips", data["clips"], len(hashes))
    for clip in run.clips:
        if texts := clip.get("annotations"):
            sha256 = Clip(clip["id"], **texts).sha256
            if sha256 != clip["annotations_sha256"]:
                yield Difference(
                    CLIPS, "annotations_sha256", clip["annotations_sha256"], sha256, clip["id"]
                )


def differences_to_data(run: BundledRun, data: DataSet) -> Iterator[Difference]:
    """Yield the differences between the clips of a bundle and those of a data set."""
    known = {clip.id: clip.sha256 for clip in data.clips}
    if data.annotations_sha256 != (stored := run.about["data"]["annotations_sha256"]):
        yield Difference(RUN, "data.annotations_sha256", stored, data.annotations_sha256)
    for id_, sha256 in run.clip_hashes:
        if known.get(id_) != sha256:
            yield Difference(CLIPS, "annotations_sha256", sha256, known.get(id_), id_)


def _proxy_differences(run: BundledRun) -> Iterator[Difference]:
    """Yield the judges that are proxies, by their provider or their texts, but not marked so."""
    marked = {
        row["judge"]
        for row in run.verdicts
        for attempt in row.get("attempts") or ()
        if (attempt.get("text") or "").startswith(PROXY_MARK)
    }
    for label, judge in run.judges.items():
        is_proxy = judge["identity"]["provider"] == "offline" or label in marked
        if is_proxy and not judge["proxy"]:
            yield Difference(RUN, "proxy", False, True, judge=label)


def _own_rows(
    run: BundledRun, member: str, rows: Iterable[Json], differences: list[Difference]
) -> Iterator[Json]:
    """Yield the rows that belong to the run, each once; add the others to the differences."""
    ids, judges = {clip["id"] for clip in run.clips}, run.judges
    instructions, samples = len(run.about["instructions"]), run.about["samples"]
    single_prompt = is_single_prompt(run.about["model"]["identity"])
    seen, clips = set[tuple[Any, ...]](), set[str]()
    for row in rows:
        key = (*item_key(row), row.get("judge"), row.get("repeat"))
        problem = ""
        if row["clip"] not in ids or row["instruction"] > instructions or row["sample"] >= samples:
            problem = "no such item"
        elif member == VERDICTS and row["judge"] not in judges:
            problem = "no such judge"
        elif member == VERDICTS and not run.about.get("protocol"):
            problem = "no protocol"
        elif key in seen:
            problem = "already given by another row"
        elif member == RESPONSES and single_prompt and row["clip"] in clips:
            problem = "a participant answers a clip once"
        elif (row.get("failure_kind") is None) == _is_empty(member, row):
            problem = "neither a result nor a failure, or both"
        if problem:
            differences.append(_of_row(member, row, _ROW, "given", problem))
            continue
        seen.add(key)
        clips.add(row["clip"])
        yield row


def _is_empty(member: str, row: Json) -> bool:
    if member == RESPONSES:
        return row.get("text") is None
    return not any(row.get(name) is not None for name in ("rating", "orientation", "attempts"))


def _of_row(member: str, row: Json, what: str, stored: object, recomputed: object) -> Difference:
    clip, instruction, sample = item_key(row)
    judge = row.get("judge")
    if row.get("repeat"):
        what = f"{what} {row['repeat'] + 1}"
    return Difference(member, what, stored, recomputed, clip, instruction, sample, judge)


def _in_words(verdict: Verdict | None) -> str:
    if verdict is None:
        return "replies that the protocol does not request"
    rating, orientation = verdict.rating, verdict.orientation
    if rating is None and orientation is None:
        return "unreadable"
    rating_text = "no rating" if rating is None else str(rating)
    return f"{rating_text}, {orientation or 'no orientation'}"
