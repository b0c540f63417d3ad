"""Folders that are there whole or not at all, whatever becomes of the process that writes them."""

import os
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Give a draft to write into; it becomes the folder where the block ends without an error.

    The draft lies beside the folder and says which process of which machine writes it, so that the
    next call removes what a killed one has left.

    Parameters
    ----------
    folder : pathlib.Path
        Where it is to be; not there yet, or empty.

    Raises
    ------
    OSError
        It cannot be written.
    """
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    _remove_left_behind(folder)
    draft = folder.with_name(f".{folder.name}.draft-{os.getpid()}-{_host()}")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    try:
        yield draft
        draft.replace(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _remove_left_behind(folder: Path) -> None:
    name = re.compile(rf"\.{re.escape(folder.name)}\.draft-([0-9]+)-{re.escape(_host())}")
    for path in folder.parent.iterdir():
        found = name.fullmatch(path.name)
        if found and not _is_running(int(found[1])):
            with suppress(OSError):
                shutil.rmtree(path)


def _host() -> str:
    return re.sub(r"[^\w.-]", "_", socket.gethostname())


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True
