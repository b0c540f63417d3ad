"""The file of a bundle: a zip of a few named members, written reproducibly and read with care."""

import hashlib
import io
import stat
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from jasco.data.csv_files import write_whole
from jasco.data.json_records import (
    is_sha256,
    is_text,
    mapping_of,
    read_json,
    read_object,
    whole,
    write_json,
)
from jasco.errors import InputError, one_line

MEMBERS = ("run.json", "clips.jsonl", "responses.jsonl", "verdicts.jsonl", "scores.json")
"""The members that a bundle consists of, next to its manifest."""
FORMAT, VERSION = "jasco-bundle", 1
_MANIFEST = "manifest.json"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can hold
_MOST_BYTES = 128 * 1024**2  # of all members together, decompressed
_MOST_DIRECTORY = 64 * 1024  # bytes of the zip's list of members, of which there are six
_MOST_RATIO = 500  # of decompressed to compressed bytes; texts that repeat reach about 100
_SMALL = 1024**2  # bytes; a smaller member may have any ratio
_TOO_LARGE = f"more than {_MOST_BYTES // 1024**2} MiB"
_NOT = "not a bundle of jasco"


def write_bundle_file(path: Path, members: Mapping[str, bytes]) -> str:
    """Write a bundle, atomically; the same members give the same bytes.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    members : mapping of str to bytes
        The content of each of :data:`MEMBERS`.

    Returns
    -------
    str
        The SHA-256 of the file.

    Raises
    ------
    InputError
        The members are larger than a bundle can be.
    """
    if sum(map(len, members.values())) > _MOST_BYTES:
        raise InputError(f"{path}: not written: {_TOO_LARGE}; bundle a run with fewer clips")
    hashes = {name: hashlib.sha256(members[name]).hexdigest() for name in MEMBERS}
    manifest = {"format": FORMAT, "version": VERSION, "sha256": hashes}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name in (_MANIFEST, *MEMBERS):
            content = members[name] if name in MEMBERS else write_json(manifest) + b"\n"
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system, entry.external_attr = 3, (stat.S_IFREG | 0o644) << 16
            file.writestr(entry, content, zipfile.ZIP_DEFLATED, 9)
    written = buffer.getvalue()
    write_whole(path, written)
    return hashlib.sha256(written).hexdigest()


def read_bundle_file(path: Path) -> tuple[str, dict[str, bytes], dict[str, tuple[str, str]]]:
    """Read a bundle from anywhere; nothing is extracted to disk.

    Returns
    -------
    sha256 : str
        The SHA-256 of the file.
    members : dict of str to bytes
        The content of each of :data:`MEMBERS`.
    changed : dict of str to (str, str)
        The members that do not have the hash in the manifest: this hash, and their own.

    Raises
    ------
    InputError
        It is not a bundle, or larger than a bundle can be.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; give a bundle (see: jasco bundle --help)")
    try:
        with path.open("rb") as file:
            if path.stat().st_size > _MOST_BYTES:
                raise InputError(f"{path}: {_NOT}: {_TOO_LARGE}")
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            _check_directory(file, path)
            with zipfile.ZipFile(file) as archive:
                contents = _read_members(archive, path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
    except (
        # What zipfile raises for a file that is damaged, or none of its own.
        zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError,
    ) as error:  # fmt: skip
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: {_NOT}: {one_line(error, 100)}") from None
    manifest = _manifest(contents.pop(_MANIFEST), f"{path}: {_MANIFEST}")
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    stored = {name: manifest["sha256"].get(name, "") for name in MEMBERS}
    changed = {
        name: (stored[name], hashes[name]) for name in MEMBERS if stored[name] != hashes[name]
    }
    return digest, contents, changed


def _check_directory(file: BinaryIO, path: Path) -> None:
    """Raise ``InputError`` for a long list of members, before zipfile reads it into memory.

    A bundle has no comment, so that the end record is the last 22 bytes, and is not in the ZIP64
    format, whose locator would precede it.
    """
    file.seek(0, 2)
    file.seek(max(0, file.tell() - 42))
    tail = file.read()
    size = int.from_bytes(tail[-10:-6], "little")
    if tail[-22:-18] != b"PK\5\6" or tail[-2:] != b"\0\0":
        raise InputError(f"{path}: {_NOT}: it does not end like a zip file")
    if size > _MOST_DIRECTORY or tail[:4] == b"PK\6\7":
        raise InputError(f"{path}: {_NOT}: its list of members is too long")


def _read_members(archive: zipfile.ZipFile, path: Path) -> dict[str, bytes]:
    entries = archive.infolist()
    expected = {_MANIFEST, *MEMBERS}
    for entry in entries:
        if entry.orig_filename not in expected:
            name = one_line(entry.orig_filename, 60)
            raise InputError(f"{path}: {_NOT}: it contains {name!r}")
    names = [entry.filename for entry in entries]
    if missing := sorted(expected - {*names}):
        raise InputError(f"{path}: {_NOT}: {missing[0]} is missing")
    if len(names) > len(expected):
        raise InputError(f"{path}: {_NOT}: a member is given twice")
    if sum(entry.file_size for entry in entries) > _MOST_BYTES:
        raise InputError(f"{path}: {_NOT}: {_TOO_LARGE}, decompressed")
    for entry in entries:
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if entry.flag_bits & 1 or kind not in (0, stat.S_IFREG):
            raise InputError(f"{path}: {_NOT}: {entry.filename} is encrypted or not a file")
        if entry.file_size > max(_SMALL, _MOST_RATIO * entry.compress_size):
            raise InputError(f"{path}: {_NOT}: {entry.filename} is compressed too much")
    # zipfile reads no more than the size that was checked above.
    return {entry.filename: archive.read(entry) for entry in entries}


def _manifest(content: bytes, where: str) -> dict[str, Any]:
    manifest = read_json(content, where)
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise InputError(f"{where}: {_NOT}: its format is not {FORMAT!r}")
    if manifest.get("version") != VERSION:  # before its fields, which a version may add
        version = one_line(manifest.get("version"), 20)
        raise InputError(
            f"{where}: a bundle of version {version}, but this jasco reads version {VERSION}; use "
            "the version of jasco that wrote it"
        )
    checks = {"format": is_text, "version": whole(1), "sha256": mapping_of(is_sha256)}
    return read_object(content, where, checks)
