"""Weights of small models: from a folder, the cache, the model hub or a package on PyPI.

Every file is known by its SHA-256, so it does not matter for a number where it came from.
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
        The licence its publisher gives, as an SPDX identifier.
    origin : str
        Who published it, in a few words.
    members : mapping of str to str
        SHA-256 of each file by its path in the wheel. A ``.zip`` on the way is looked into.
    size : int
        Bytes of all files.
    wheel : str
        ``NAME==VERSION`` of a package that carries it.
    hub_repo, hub_revision : str
        The publisher's own repository, which holds the files at its top, and the commit in it;
        empty where that is not established.
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
"""All that this package may download, from the table ``weights.toml``."""
WHISPER, YAMNET, SMOLLM2 = WEIGHTS


def find_weight(weight: Weight, local: Path | None = None) -> Path:
    """Find the folder with a weight's files; download those that are missing or damaged.

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
    if _wrong_files(weight, folder):
        _fetch(weight, folder)
    return folder


def _in_local_folder(weight: Weight, local: Path) -> Path | None:
    if not local.is_dir():
        raise InputError(f"weights={local}: there is no such folder")
    for folder in (local / weight.name, local):
        if any((folder / name).exists() for name in weight.files):
            if wrong := _wrong_files(weight, folder):
                raise InputError(
                    f"{folder}: {', '.join(wrong)} missing or not the expected content (SHA-256); "
                    f"take the files of {weight.wheel}, or leave out weights="
                )
            return folder
    return None


def _wrong_files(weight: Weight, folder: Path) -> list[str]:
    """List the files that are missing, unreadable or have another hash."""
    wrong = list(weight.files)
    for name, sha256 in weight.files.items():
        with suppress(OSError):
            if file_sha256(folder / name) == sha256:
                wrong.remove(name)
    return wrong


def _fetch(weight: Weight, folder: Path) -> None:
    """Try the sources in turn; a file appears in the folder when all of it is there and right."""
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
            f"{folder}: cannot keep the weights of {weight.name} there "
            f"({error.strerror or error}); make room, or name another folder with JASCO_CACHE"
        ) from error
    raise InputError(
        f"the weights of {weight.name} could not be downloaded from {', nor from '.join(reasons)}; "
        f"go online, or put {', '.join(weight.files)} from the wheel "
        f"{weight.wheel} into {folder} (or a folder named by weights=DIR)"
    )


def _from_hub(weight: Weight, folder: Path, title: str) -> None:
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    source = f"{endpoint}/{weight.hub_repo}/resolve/{weight.hub_revision}/"
    # Without a retry, since there is another source.
    download(source, weight.files, folder, title=title, size=weight.size, retries=0)


def _from_wheel(weight: Weight, folder: Path, title: str) -> None:
    """Copy the files out of a wheel: its code is never run, its requirements stay away."""
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
            raise DownloadError(f"{weight.wheel} holds no {member}") from None
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise DownloadError(f"{weight.wheel} is damaged: {error}") from None
        if wrong := _wrong_files(weight, draft):
            raise DownloadError(f"{', '.join(wrong)} with a wrong SHA-256")
        for name in weight.files:
            (draft / name).replace(folder / name)


def _run_installer(wheel: str, package: Path) -> None:
    """Run pip to download a wheel into a folder, or uv to unpack it there."""
    if importlib.util.find_spec("pip"):
        command = [sys.executable, "-m", "pip", "download", "--dest", str(package), "--no-input"]
    elif uv := shutil.which("uv"):
        command = [uv, "pip", "install", "--python", sys.executable, "--target", str(package)]
    else:
        raise DownloadError("neither pip nor uv is here")
    run = subprocess.run(  # noqa: S603 (nothing in it comes from outside)
        [*command, "--no-deps", "--only-binary", ":all:", wheel],
        # TMPDIR: pip downloads there first, and what it leaves when killed stays in one place.
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
    """Open a file of a package: of the wheel in its folder, or else of the folder itself."""
    with ExitStack() as stack:
        place: Path | zipfile.Path = package
        for wheel in package.glob("*.whl"):
            place = zipfile.Path(stack.enter_context(zipfile.ZipFile(wheel)))
        archive, is_in_zip, inner = member.partition(".zip/")
        if is_in_zip:
            content = stack.enter_context((place / f"{archive}.zip").open("rb"))
            place, member = zipfile.Path(stack.enter_context(zipfile.ZipFile(content))), inner
        yield stack.enter_context((place / member).open("rb"))
