"""Hashes of the source of a provider's answers: a checkpoint, a program, a function's code.

A run stores the hash of the source of its first answer, and refuses a different source.
"""

import functools
import hashlib
import inspect
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from types import CodeType
from typing import Any

_WHOLE = 64 << 20
"""Bytes up to which the content of a file is hashed; of larger ones, size and modification time."""


def folder_fingerprint(folder: Path) -> str:
    """Return a hash of a checkpoint's folder; empty if there is no folder.

    The hash covers every file that is not hidden, by its path within the folder. Files up to 64 MiB
    (index, configuration, tokenizer) are hashed by content, so that a copy of the folder has the
    same hash; larger ones by size and modification time, because reading some 100 GB before each
    command would take minutes.
    """
    if not folder.is_dir():
        return ""
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    names = [name for name in sorted(files) if not any(p.startswith(".") for p in Path(name).parts)]
    return _hashed((name, _content(files[name])) for name in names)


def file_fingerprint(paths: Iterable[Path]) -> str:
    """Return a hash of files' content (large ones: size and modification time); empty if none."""
    files = [path for path in paths if path.is_file()]
    return _hashed((path.name, _content(path)) for path in files) if files else ""


def code_fingerprint(function: Callable[..., Any]) -> str:
    """Return a hash of a function's source or, if there is none, its code; empty for a built-in.

    The hash does not cover functions that it calls, or data that it holds.
    """
    routine: Any = inspect.unwrap(function)
    while isinstance(routine, functools.partial):
        routine = routine.func
    if not inspect.isroutine(routine):
        routine = type(routine).__call__
    code = getattr(routine, "__code__", None)
    # Texts that are executed share this name; since Python 3.13, it is also that of the program
    # given with -c, whose source would be found for all of them.
    if code is None or code.co_filename != "<string>":
        with suppress(OSError, TypeError):
            return _hashed([("source", inspect.getsource(routine).encode())])
    return _hashed([("code", repr(_constants(code)).encode())]) if code else ""


def _constants(code: CodeType) -> tuple[object, ...]:
    constants = (
        _constants(value) if isinstance(value, CodeType) else repr(value)
        for value in code.co_consts
    )
    return (code.co_code, code.co_names, *constants)


def _content(path: Path) -> bytes:
    stat = path.stat()
    if stat.st_size > _WHOLE:
        return f"{stat.st_size} {stat.st_mtime_ns}".encode()
    return path.read_bytes()


def _hashed(parts: Iterable[tuple[str, bytes]]) -> str:
    total = hashlib.sha256()
    for name, content in parts:
        for piece in (name.encode("utf-8", "surrogateescape"), content):
            total.update(len(piece).to_bytes(8, "little") + piece)
    return total.hexdigest()
