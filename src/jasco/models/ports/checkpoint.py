"""Conversion of published checkpoints into a port's folder, and the check of such a folder."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jasco.backends.optional_imports import import_optional
from jasco.data.audio import read_audio
from jasco.data.dataset import DataSet
from jasco.data.folders import whole_folder
from jasco.errors import IncompleteError, InputError, one_line
from jasco.models.batches import Question
from jasco.protocol.clips import items_of

PORTS: Mapping[str, Mapping[str, str]] = {
    "salmonn": {
        "base": "folder of the language model, lmsys/vicuna-7b-v1.5",
        "whisper": "folder of openai/whisper-large-v2",
        "beats": "BEATs_iter3_plus_AS2M_finetuned_on_AS2M_cpt2.pt",
        "salmonn": "salmonn_7b_v0.pth",
    },
    "ltu-as": {
        "base": "folder of the language model, vicuna_ltuas",
        "trained": "ltuas_long_noqa_a6.bin",
        "whisper": "large-v1.pt, as OpenAI published it",
    },
    "wavllm": {"checkpoint": "final.pt", "tokenizer": "tokenizer.model"},
}
"""The parts of each port, by the provider's name in a spec: the file or folder of each part."""


def convert(port: str, sources: Sequence[str], folder: Path | None, *, trusted: bool) -> None:
    """Convert a published checkpoint into a port's folder.

    Parameters
    ----------
    port : str
        One of :data:`PORTS`.
    sources : sequence of str
        One ``PART=PATH`` for each part.
    folder : Path or None
        The folder to write; it must be new or empty.
    trusted : bool
        Whether the files may execute code while they are unpickled.

    Raises
    ------
    InputError
        A part is missing, unknown or invalid.
    """
    parts = _parts_of(port)
    listed = "the parts are " + ", ".join(f"{part} ({text})" for part, text in parts.items())
    paths: dict[str, Path] = {}
    for source in sources:
        part, equals, path = source.partition("=")
        if part not in parts or not equals or not path:
            raise InputError(f"--from {one_line(source)}: write PART=PATH; {listed}")
        if part in paths:
            raise InputError(f"--from {part}=PATH is given twice; give it once")
        paths[part] = Path(path).expanduser()
    if missing := [part for part in parts if part not in paths]:
        raise InputError(f"--from {missing[0]}=PATH is missing; {listed}")
    if folder is None:
        raise InputError("--out DIR is missing; give a new folder")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: already exists; use a new folder for --out")
    convert_files = _module(port, "conversion").convert_files
    try:
        with whole_folder(folder) as draft:
            convert_files(**paths, folder=draft, trusted=trusted)
    except OSError as error:
        raise IncompleteError(f"{folder}: cannot be written ({error.strerror or error})") from None


def check(folder: Path, data: DataSet) -> Iterator[str]:
    """Yield lines that describe a converted folder, and the model's answer to a fixed question.

    Every weight is counted and its shape compared. Then the model answers a question about the
    first clip of ``data``, greedily and in float32, so that the same files give the same lines on
    every machine.

    Raises
    ------
    InputError
        The folder holds no converted model, or an incomplete one.
    """
    weights = import_optional("jasco.models.ports.state_dict", str(folder), "native")
    port = weights.kind_of(folder)
    _parts_of(port)
    torch = import_optional("torch", port, "native")
    shapes = weights.shapes_in(folder)
    parameters = sum(int(torch.tensor(shape).prod()) for shape in shapes.values())
    yield f"{folder}: {port}, {len(shapes)} weights, {parameters:,} parameters"
    with weights.config_checked(folder):
        inference = _module(port, "inference").load(folder, "cpu", torch.float32)
    yield "every weight is present, with the expected shape"
    clip = data.clips[0]
    path = data.audio_path(clip)
    assert path is not None
    instruction = items_of(clip)[0].instruction
    question = Question(read_audio(path), instruction)
    (answer,) = inference.answer_all([question], "greedy")
    yield f"question about clip {clip.id} of {data.name}: {instruction}"
    yield f"answer: {one_line(answer.text, 500)}"
    hashed = f"{answer.text}|{answer.finish_reason}|{answer.usage}"
    yield f"hash: {hashlib.sha256(hashed.encode('utf-8', 'replace')).hexdigest()[:16]}"


def _parts_of(port: str) -> Mapping[str, str]:
    if port not in PORTS:
        raise InputError(f"{one_line(port)}: unknown port; expected one of {', '.join(PORTS)}")
    return PORTS[port]


def _module(port: str, name: str) -> Any:
    return import_optional(f"jasco.models.ports.{port.replace('-', '_')}.{name}", port, "native")
