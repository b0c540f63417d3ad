"""The published files of the ports, and the folders that are made of them."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jasco.backends.extras import import_optional
from jasco.data.audio import read_audio
from jasco.data.dataset import DataSet
from jasco.data.folders import whole_folder
from jasco.errors import IncompleteError, InputError, one_line
from jasco.protocol.clips import items_of


@dataclass(frozen=True)
class Port:
    """A system of which there is a port.

    Attributes
    ----------
    package : str
        Where it is.
    parts : mapping of str to str
        What it is made of, by name: which file or folder that is.
    """

    package: str
    parts: Mapping[str, str]


_VICUNA = "folder of the language model"
PORTS: Mapping[str, Port] = {
    "salmonn": Port(
        "jasco.models.ports.salmonn",
        {
            "base": f"{_VICUNA}, lmsys/vicuna-7b-v1.5",
            "whisper": "folder of openai/whisper-large-v2",
            "beats": "BEATs_iter3_plus_AS2M_finetuned_on_AS2M_cpt2.pt",
            "salmonn": "salmonn_7b_v0.pth",
        },
    ),
    "ltu-as": Port(
        "jasco.models.ports.ltu_as",
        {
            "base": f"{_VICUNA}, vicuna_ltuas",
            "trained": "ltuas_long_noqa_a6.bin",
            "whisper": "large-v1.pt, as OpenAI published it",
        },
    ),
    "wavllm": Port(
        "jasco.models.ports.wavllm",
        {"checkpoint": "final.pt", "tokenizer": "tokenizer.model"},
    ),
}
"""By the name that stands before the slash in a spec."""


def convert(system: str, sources: Sequence[str], folder: Path | None, *, trusted: bool) -> None:
    """Make a folder of published files.

    Parameters
    ----------
    system : str
        One of :data:`PORTS`.
    sources : sequence of str
        ``PART=PATH`` each.
    folder : Path or None
        Where it goes; must not hold anything yet.
    trusted : bool
        Whether the files may run code of their own while they are read.

    Raises
    ------
    InputError
        A part is missing, unknown or not what it should be.
    """
    port = _port(system)
    paths: dict[str, Path] = {}
    for source in sources:
        part, equals, path = source.partition("=")
        if part not in port.parts or not equals or not path:
            raise InputError(f"--from {one_line(source)}: write PART=PATH; {_parts(port)}")
        if part in paths:
            raise InputError(f"--from {part}=... is given twice")
        paths[part] = Path(path).expanduser()
    if lacking := [part for part in port.parts if part not in paths]:
        raise InputError(f"--from {lacking[0]}=PATH is missing; {_parts(port)}")
    if folder is None:
        raise InputError("--out DIR is missing: a new folder")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: is there already; give --out a new folder")
    convert_files = _module(system, "conversion").convert_files
    try:
        with whole_folder(folder) as draft:
            convert_files(**paths, folder=draft, trusted=trusted)
    except OSError as error:
        raise IncompleteError(f"{folder}: cannot be written ({error.strerror or error})") from None


def check(folder: Path, data: DataSet) -> Iterator[str]:
    """Say what a converted folder holds, and what it answers to a fixed question.

    Every weight is counted and compared in shape; then the first clip of ``data`` is asked about,
    greedily and in float32, so that two people who converted the same files see the same lines.

    Raises
    ------
    InputError
        The folder holds no converted model, or not all of it.
    """
    weights = import_optional("jasco.models.ports.state_dict", str(folder), "native")
    system = weights.kind_of(folder)
    _port(system)
    torch = import_optional("torch", system, "native")
    shapes = weights.shapes_in(folder)
    numbers = sum(int(torch.tensor(shape).prod()) for shape in shapes.values())
    yield f"{folder}: {system}, {len(shapes)} weights, {numbers:,} numbers"
    with weights.config_checked(folder):
        loaded = _module(system, "inference").load(folder, "cpu", torch.float32)
    yield "every weight is there, with its shape"
    clip = data.clips[0]
    path = data.audio_path(clip)
    assert path is not None
    instruction = items_of(clip)[0].instruction
    (answer,) = loaded.answer_all([(read_audio(path), instruction)], "greedy")
    yield f"asked about clip {clip.id} of {data.name}: {instruction}"
    yield f"answers: {one_line(answer.text, 500)}"
    told = f"{answer.text}|{answer.finish_reason}|{answer.usage}"
    yield f"hash: {hashlib.sha256(told.encode('utf-8', 'replace')).hexdigest()[:16]}"


def _port(system: str) -> Port:
    if system not in PORTS:
        raise InputError(f"{one_line(system)}: no such port; there are: {', '.join(PORTS)}")
    return PORTS[system]


def _parts(port: Port) -> str:
    return "the parts are " + ", ".join(f"{part} ({what})" for part, what in port.parts.items())


def _module(system: str, name: str) -> Any:
    return import_optional(f"{PORTS[system].package}.{name}", system, "native")
