"""Hashes of what a provider works with: a checkpoint's folder, a program, a function's code.

A run keeps the hash of what made its first answer, and refuses another one.
"""

import functools
import hashlib
import inspect
from collections.abc import Callable, Iterable
from pathlib import Path
from types import CodeType
from typing import Any

_WHOLE = 64 << 20
"""Bytes up to which a file's content is hashed; of a larger one, size and modification time."""


def folder_fingerprint(folder: Path) -> str:
    """Hash a checkpoint's folder; empty where there is none.

    Every file that is not hidden counts by its path within the folder. Up to 64 MiB its content
    counts (index, configuration, tokenizer: a copy of the folder stays the same folder), above its
    size and modification time: to read some 100 GB before each command would take minutes.
    """
    if not folder.is_dir():
        return ""
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    names = [name for name in sorted(files) if not any(p.startswith(".") for p in Path(name).parts)]
    return _hashed((name, _content(files[name])) for name in names)


def file_fingerprint(paths: Iterable[Path]) -> str:
    """Hash files by their content (the largest by size and modification time); empty for none."""
    files = [path for path in paths if path.is_file()]
    return _hashed((path.name, _content(path)) for path in files) if files else ""


def code_fingerprint(function: Callable[..., Any]) -> str:
    """Hash a function's source or, where there is none, its code; empty for a built-in.

    Functions that it calls, and data that it holds, do not count.
    """
    routine: Any = inspect.unwrap(function)
    while isinstance(routine, functools.partial):
        routine = routine.func
    if not inspect.isroutine(routine):
        routine = type(routine).__call__
    try:
        return _hashed([("source", inspect.getsource(routine).encode())])
    except (OSError, TypeError):
        code = getattr(routine, "__code__", None)
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
