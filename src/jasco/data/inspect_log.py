"""Logs of Inspect: the metadata that identifies an item, and the answers in a log.

Conventions
-----------
A log (``.eval``) is a ZIP archive with one JSON file per sample. A sample is one answer to an item;
its metadata hold the annotations of the clip and their hash, so that the log alone can be judged.
Logs come from elsewhere: sizes and types are checked, and only the fields needed here are used.
"""

import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jasco.errors import InputError, one_line, whole_text
from jasco.protocol.clips import Clip, Item
from jasco.protocol.instructions import INSTRUCTIONS
from jasco.protocol.responses import Failure, Response

SUFFIX = ".eval"
"""The suffix of a log."""
ANNOTATIONS = ("sound", "speech", "audio_only", "speech_only", "reference", "keywords")
_SAMPLES = "samples/"
_HEADERS = ("header.json", "_journal/start.json")
_MOST_BYTES = 256 << 20  # of one file; a sample with its audio has less than one
_PIECE = 4_096  # compressed bytes at once: a larger piece of a ZIP bomb would fill the memory
_CUT_OFF = ("max_tokens", "model_length", "length")
_ATTACHMENT = "attachment://"


def item_metadata(item: Item, position: int) -> dict[str, Any]:
    """Return the metadata of a sample, from which :func:`read_item` reads the item.

    Parameters
    ----------
    item : Item
        The item, with one of the published instructions.
    position : int
        The index of its clip in the data set.
    """
    clip = item.clip
    annotations = {name: getattr(clip, name) for name in ANNOTATIONS}
    return {
        "clip": clip.id,
        "instruction": item.number,
        "position": position,
        "clip_sha256": clip.sha256,
        **annotations,
    }


def read_item(metadata: Mapping[str, Any] | None, where: str) -> Item:
    """Return the item that the metadata of a sample identify.

    Raises
    ------
    InputError
        They are not those of :func:`item_metadata`, or the annotations do not have their hash.
    """
    fields = metadata if isinstance(metadata, Mapping) else {}
    cells = [fields.get(name) for name in ("clip", *ANNOTATIONS)]
    number = fields.get("instruction")
    if type(number) is not int or not all(isinstance(cell, str) for cell in cells):
        raise InputError(
            f"{where}: its metadata do not identify a clip and an instruction; give a log of the "
            "task jasco/jasco"
        )
    if not 1 <= number <= len(INSTRUCTIONS):
        raise InputError(
            f"{where}: instruction {number} is unknown (expected 1 to {len(INSTRUCTIONS)})"
        )
    try:
        clip = Clip(*map(whole_text, cells))  # type: ignore[arg-type]
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    if fields.get("clip_sha256") != clip.sha256:
        raise InputError(
            f"{where}: the annotations of clip {clip.id} do not have the hash in clip_sha256; "
            "give the log as Inspect wrote it"
        )
    return Item(clip, number)


def response_of_output(output: object) -> Response | Failure:
    """Return the response in the output of a model, given as the JSON object of Inspect.

    Returns
    -------
    Response or Failure
        A failure if there is no choice, or an error or a content filter took its place.
    """
    fields = output if isinstance(output, Mapping) else {}
    if error := fields.get("error"):
        return Failure("moderation", one_line(error), final=True)
    choices, text = fields.get("choices"), fields.get("completion")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], Mapping):
        return Failure("no text", "no answer in the output")
    reason = choices[0].get("stop_reason")
    if reason == "content_filter":
        return Failure("content filter", "stopped by a content filter", final=True)
    if not isinstance(text, str):
        return Failure("malformed", "the answer is not a text")
    usage = fields["usage"] if isinstance(fields.get("usage"), Mapping) else {}
    counts = {
        "prompt_tokens": usage.get("input_tokens"),
        "completion_tokens": usage.get("output_tokens"),
    }
    served = fields.get("model")
    return Response(
        whole_text(text),
        "length" if reason in _CUT_OFF else whole_text(str(reason)),
        {name: number for name, number in counts.items() if type(number) is int},
        whole_text(served) if isinstance(served, str) and served else None,
    )


@dataclass(frozen=True)
class InspectLog:
    """The content of a log.

    Attributes
    ----------
    model : str
        The name of the model; empty if the log does not state it.
    answers : mapping of Item to str
        The answers, in the order of the data set and of the instructions; that of a sample without
        an answer is empty.
    empty : int
        Number of samples with an answer that is an empty text, which a CSV file cannot express.
    """

    model: str
    answers: Mapping[Item, str]
    empty: int


def read_log(path: Path) -> InspectLog:
    """Read the answers in a log.

    Raises
    ------
    InputError
        The file is not a log, or it holds samples of other tasks, several answers to an item, or
        different annotations of a clip.

    Notes
    -----
    ``inspect_ai.log`` must have been imported: it adds the compression of logs to ``zipfile``.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            model, answers = _model_of(archive, path), _answers(archive, path)
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or one_line(error)})") from None
    except Exception as error:  # whatever the decompressors raise, as well as zipfile
        raise InputError(f"{path}: not a log of Inspect, or damaged ({one_line(error)})") from None
    given = {item: answer or "" for item, answer in answers.items()}
    return InspectLog(model, given, sum(answer == "" for answer in answers.values()))


def _model_of(archive: zipfile.ZipFile, path: Path) -> str:
    for name in _HEADERS:  # the second one is in logs of evaluations that did not end
        if name in archive.namelist():
            facts = _read_object(archive, archive.getinfo(name), path).get("eval")
            model = facts.get("model") if isinstance(facts, Mapping) else None
            return one_line(model) if isinstance(model, str) else ""
    return ""


def _answers(archive: zipfile.ZipFile, path: Path) -> dict[Item, str | None]:
    """Return the answer to each item; None if there is none."""
    found: dict[tuple[int, str, int], tuple[Item, str | None]] = {}
    clips: dict[str, Clip] = {}
    for member in archive.infolist():
        if not (member.filename.startswith(_SAMPLES) and member.filename.endswith(".json")):
            continue
        sample = _read_object(archive, member, path)
        where = f"{path}, {one_line(member.filename)}"
        item = read_item(sample.get("metadata"), where)
        clip, position = item.clip, sample["metadata"].get("position")
        if clips.setdefault(clip.id, clip) != clip:
            raise InputError(f"{where}: annotations of clip {clip.id} differ from another sample's")
        _check_instruction(item, sample, where)
        key = position if type(position) is int else 0, clip.id, item.number
        if key in found:
            raise InputError(
                f"{path}: several answers to clip {clip.id}, instruction {item.number}; give a log "
                "of one epoch"
            )
        found[key] = item, _answer_of(sample)
    if not found:
        raise InputError(f"{path}: no samples in this log; give the log of an evaluation")
    return dict(found[key] for key in sorted(found))


def _read_object(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path
) -> Mapping[str, Any]:
    where = f"{path}, {one_line(member.filename)}"
    content = bytearray()
    with archive.open(member) as file:
        while piece := file.read(_PIECE):
            content += piece
            if len(content) > _MOST_BYTES:
                raise InputError(f"{where}: larger than {_MOST_BYTES >> 20} MiB; check the log")
    try:
        parsed = json.loads(content)
    except (ValueError, RecursionError):
        raise InputError(f"{where}: not valid JSON; check that the log is complete") from None
    if not isinstance(parsed, dict):
        raise InputError(f"{where}: not an object; check that the log is complete")
    return parsed


def _check_instruction(item: Item, sample: Mapping[str, Any], where: str) -> None:
    """Raise ``InputError`` unless the input of a sample contains the instruction of its item."""
    texts = [_resolved(text, sample) for text in _texts(sample.get("input"))]
    if not any(item.instruction in text for text in texts):
        raise InputError(
            f"{where}: its input does not contain instruction {item.number}, which its metadata "
            "name; give a log of the published instructions"
        )


def _texts(content: object) -> Iterator[str]:
    """Yield the texts in the input of a sample: a text, or messages with parts."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        for part in content:
            yield from _texts(part)
    elif isinstance(content, Mapping):
        yield from _texts(content.get("content", content.get("text")))


def _answer_of(sample: Mapping[str, Any]) -> str | None:
    if sample.get("error"):
        return None
    response = response_of_output(sample.get("output"))
    return None if isinstance(response, Failure) else _resolved(response.text, sample)


def _resolved(text: str, sample: Mapping[str, Any]) -> str:
    """Return a text that may be stored as an attachment of its sample."""
    attachments = sample.get("attachments")
    if not text.startswith(_ATTACHMENT) or not isinstance(attachments, Mapping):
        return text
    found = attachments.get(text.removeprefix(_ATTACHMENT), text)
    return whole_text(found) if isinstance(found, str) else text
