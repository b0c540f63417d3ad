"""The folders in which jasco stores files, and folders that are written atomically."""

import os
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from platformdirs import user_cache_dir, user_data_dir


def cache_folder() -> Path:
    """Return the folder for downloaded files: ``JASCO_CACHE``, or the user's cache folder."""
    return Path(os.environ.get("JASCO_CACHE") or user_cache_dir("jasco")).expanduser()


def data_folder() -> Path:
    """Return the folder for results that are costly: ``JASCO_DATA``, or the user's data folder."""
    return Path(os.environ.get("JASCO_DATA") or user_data_dir("jasco")).expanduser()


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Create a draft folder, which becomes the folder if the block ends without an error.

    The draft is created next to the folder. Its name contains the process and the machine that
    write it, so that the next call can remove drafts of killed processes.

    Parameters
    ----------
    folder : pathlib.Path
        The final path; it must not exist, or be empty.

    Yields
    ------
    pathlib.Path
        The draft.

    Raises
    ------
    OSError
        The folder cannot be written.
    """
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    host = re.sub(r"[^\w.-]", "_", socket.gethostname())
    _remove_drafts_of_killed_processes(folder, host)
    draft = folder.with_name(f".{folder.name}.draft-{os.getpid()}-{host}")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    try:
        yield draft
        draft.replace(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _remove_drafts_of_killed_processes(folder: Path, host: str) -> None:
    name = re.compile(rf"\.{re.escape(folder.name)}\.draft-([0-9]+)-{re.escape(host)}")
    for path in folder.parent.iterdir():
        match = name.fullmatch(path.name)
        if match and not _is_running(int(match[1])):
            shutil.rmtree(path, ignore_errors=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True
