"""The published files of the ports, and the folders that are made of them."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jasco.backends.optional_imports import import_optional
from jasco.data.audio import read_audio
from jasco.data.dataset import DataSet
from jasco.data.folders import whole_folder
from jasco.errors import IncompleteError, InputError, one_line
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
"""The parts of each port, by the provider's name in a spec: the file or folder by its name."""


def convert(system: str, sources: Sequence[str], folder: Path | None, *, trusted: bool) -> None:
    """Convert published files into a port's folder.

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
    parts = _parts_of(system)
    listed = "the parts are " + ", ".join(f"{part} ({text})" for part, text in parts.items())
    paths: dict[str, Path] = {}
    for source in sources:
        part, equals, path = source.partition("=")
        if part not in parts or not equals or not path:
            raise InputError(f"--from {one_line(source)}: write PART=PATH; {listed}")
        if part in paths:
            raise InputError(f"--from {part}=... is given twice")
        paths[part] = Path(path).expanduser()
    if missing := [part for part in parts if part not in paths]:
        raise InputError(f"--from {missing[0]}=PATH is missing; {listed}")
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
    """Yield lines on what a converted folder holds, and its answer to a fixed question.

    Every weight is counted and compared in shape; then a question about the first clip of ``data``
    is answered, greedily and in float32, so that the same files give the same lines everywhere.

    Raises
    ------
    InputError
        The folder holds no converted model, or not all of it.
    """
    weights = import_optional("jasco.models.ports.state_dict", str(folder), "native")
    system = weights.kind_of(folder)
    _parts_of(system)
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
    hashed = f"{answer.text}|{answer.finish_reason}|{answer.usage}"
    yield f"hash: {hashlib.sha256(hashed.encode('utf-8', 'replace')).hexdigest()[:16]}"


def _parts_of(system: str) -> Mapping[str, str]:
    if system not in PORTS:
        raise InputError(f"{one_line(system)}: no such port; there are: {', '.join(PORTS)}")
    return PORTS[system]


def _module(system: str, name: str) -> Any:
    return import_optional(
        f"jasco.models.ports.{system.replace('-', '_')}.{name}", system, "native"
    )
