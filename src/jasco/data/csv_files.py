"""CSV files: read with one-line errors, written atomically."""

import csv
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

from jasco.errors import IncompleteError, InputError, count, did_you_mean_path, near, one_line

_LONGEST_CELL = 50_000_000  # characters; longer than any response of a model
_LARGEST = 256 << 20  # bytes; larger than the responses of a thousand models
_MOST_CELLS = 10_000_000
_BEGINNING = 1 << 20  # bytes in which the header is expected
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}


@dataclass(frozen=True)
class CsvTable:
    """A CSV file in memory: its columns in order, and each row by column."""

    columns: tuple[str, ...]
    rows: list[dict[str, str]]


def read_table(path: Path, required: Sequence[str] = (), remedy: str = "") -> CsvTable:
    """Read a CSV file with a header; every cell is the text in the file.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    required : sequence of str
        Required columns.
    remedy : str
        What the user can do if columns are missing, for the message.

    Raises
    ------
    InputError
        As :func:`open_table`.
    """
    with open_table(path, required, remedy) as (columns, rows):
        return CsvTable(columns, list(rows))


@contextmanager
def open_table(
    path: Path, required: Sequence[str] = (), remedy: str = "", *, any_size: bool = False
) -> Iterator[tuple[tuple[str, ...], Iterator[dict[str, str]]]]:
    """Open a CSV file with a header, to read it row by row.

    Parameters
    ----------
    path, required, remedy
        As in :func:`read_table`.
    any_size : bool
        Whether to accept a file of any size, because its rows are not kept in memory.

    Yields
    ------
    columns : tuple of str
        In order.
    rows : iterator of dict
        The cells of each row, by column.

    Raises
    ------
    InputError
        The file is missing, not UTF-8, not separated by commas, has no header, lacks a column, has
        a duplicate column or a row whose length differs from the header's, or is too large: more
        than 256 MiB or 10 million cells.
    """
    _check_format(path, required, any_size=any_size)
    csv.field_size_limit(_LONGEST_CELL)
    with path.open(encoding="utf-8-sig", newline="") as file:  # with the mark of spreadsheets
        reader = csv.reader(file, strict=True)
        with _reading_errors(path, reader):
            columns = tuple(next(reader, ()))
        if missing := [column for column in required if column not in columns]:
            others = [column for column in columns if column not in required]
            raise InputError(f"{path}: {_format_missing(missing, columns, others)}{remedy}")
        if twice := [column for column in columns if columns.count(column) > 1]:
            raise InputError(f"{path}: duplicate column {twice[0]!r}; rename or remove one")
        yield columns, _rows(path, reader, columns, any_size=any_size)


def _rows(
    path: Path, reader: Any, columns: Sequence[str], *, any_size: bool
) -> Iterator[dict[str, str]]:
    with _reading_errors(path, reader):
        for number, cells in enumerate(filter(None, reader), start=1):
            if len(cells) != len(columns):
                raise InputError(
                    f"{path}, line {reader.line_num}: {count(len(cells), 'cell')} for "
                    f"{count(len(columns), 'column')}; each line needs one cell per column, and "
                    "cells that contain commas must be quoted"
                )
            if number * len(columns) > _MOST_CELLS and not any_size:
                raise InputError(
                    f"{path}: more than {_MOST_CELLS:,} cells; split it into several files"
                )
            yield dict(zip(columns, cells, strict=True))


@contextmanager
def _reading_errors(path: Path, reader: Any) -> Iterator[None]:
    try:
        yield
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: not a CSV file ({error})") from None
    except UnicodeDecodeError:
        line = _undecodable_line(path)
        raise InputError(f"{path}, line {line}: not UTF-8; save the file as CSV UTF-8") from None


def _undecodable_line(path: Path) -> int:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return 1


_OTHER_FORMATS = {
    b"PK\x03\x04": "an Excel workbook or another archive, not a CSV file; save it as CSV UTF-8",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook, not a CSV file; save it as CSV UTF-8",
    b"\xff\xfe": "UTF-16, not UTF-8; save it as CSV UTF-8 (in Excel not as Unicode text)",
    b"\xfe\xff": "UTF-16, not UTF-8; save it as CSV UTF-8 (in Excel not as Unicode text)",
    b"SQLite format 3\0": "a database, not a CSV file; for a run, give its folder: {folder}",
}
"""Descriptions of files that are not CSV files, by their first bytes."""


def _check_format(path: Path, required: Sequence[str], *, any_size: bool) -> None:
    """Raise ``InputError`` for a file that cannot be read, or does not begin like a CSV file."""
    if path.is_char_device() or path.is_block_device():
        raise InputError(f"{path}: a device, not a regular file; give a file")
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            beginning = file.read(_BEGINNING)
    except FileNotFoundError as error:
        raise InputError(f"{path}: {error.strerror}{did_you_mean_path(path)}") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    for magic, description in _OTHER_FORMATS.items():
        if beginning.startswith(magic):
            raise InputError(f"{path}: {description.format(folder=path.parent)}")
    if size > _LARGEST and not any_size:
        raise InputError(f"{path}: larger than {_LARGEST >> 20} MiB; split it into several")
    text = beginning.decode("utf-8-sig", "replace")
    if not text.strip():
        raise InputError(f"{path}: the file is empty; its first line must contain the column names")
    if separator := _other_separator(text, required):
        raise InputError(
            f"{path}: columns are separated by {separator}, not by commas; save it with commas "
            "(Excel uses the list separator of the system's regional settings)"
        )


def _format_missing(missing: list[str], columns: Sequence[str], others: list[str]) -> str:
    """Format the missing columns, the existing ones, and those that may be misspelt."""
    names = ", ".join(map(repr, missing))
    subject = f"column {names} is" if len(missing) == 1 else f"columns {names} are"
    pairs = [f"{name!r} to {column!r}" for column in missing for name in near(column, others)[:1]]
    rename = f"; if misspelt, rename {', '.join(pairs)}" if pairs else ""
    return f"{subject} missing; found: {one_line(', '.join(columns), 400)}{rename}"


def _other_separator(text: str, required: Sequence[str]) -> str | None:
    """Return the name of the character that separates the columns, unless it is the comma."""
    header = re.split(r"[\r\n]", text.lstrip("\r\n"), maxsplit=1)[0]
    if hint := re.fullmatch("sep=(.)", header):  # written by Excel above the header
        return _SEPARATORS.get(hint[1])

    def columns_found(separator: str) -> int:
        columns = {column.strip().strip('"') for column in header.split(separator)}
        return len(columns & set(required)) if required else len(columns)

    best = max(
        (",", *_SEPARATORS), key=columns_found
    )  # the comma, unless another one finds more columns
    return _SEPARATORS.get(best)


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write a CSV file atomically, with :func:`whole_file` and :func:`write_rows`."""
    with whole_file(path) as file:
        write_rows(file, columns, rows)


@contextmanager
def whole_file(path: Path) -> Iterator[TextIO]:
    """Open a text file that is written atomically: completely or not at all.

    Raises
    ------
    InputError
        The path has no file name, such as the working folder.
    IncompleteError
        The file cannot be written.
    """
    with _draft_of(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        yield file


def write_whole(path: Path, content: bytes) -> None:
    """Write bytes to a file atomically; errors as :func:`whole_file`."""
    with _draft_of(path) as draft:
        draft.write_bytes(content)


@contextmanager
def _draft_of(path: Path) -> Iterator[Path]:
    """Yield the path of a draft, which replaces a file if the block succeeds."""
    if not path.name:
        raise InputError(f"{str(path)!r}: not a file name; give the path of a file to write")
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield draft
        draft.replace(path)
    except OSError as error:
        raise IncompleteError(f"{path}: cannot be written ({error.strerror})") from None
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def write_rows(
    file: TextIO,
    columns: Sequence[str],
    rows: Iterable[Mapping[str, object]],
    *,
    line_end: str = "\n",
    for_spreadsheets: bool = False,
) -> None:
    """Write a header and rows as CSV.

    Parameters
    ----------
    file : text file
        Opened with ``newline=""``, so that line endings are written unchanged.
    columns : sequence of str
        The header.
    rows : iterable of mapping
        Cells by column; missing ones are empty.
    line_end : str
        Line ending: by default LF; CR and LF in RFC 4180.
    for_spreadsheets : bool
        Whether to escape headers and cells with :func:`escape_formula`; not for data files.
    """
    plain = csv.DictWriter(file, columns, lineterminator=line_end)
    quoted = csv.DictWriter(file, columns, lineterminator=line_end, quoting=csv.QUOTE_ALL)
    for row in chain([dict(zip(columns, columns, strict=True))], rows):
        if for_spreadsheets:
            row = {name: escape_formula(cell) for name, cell in row.items()}
        # Python before 3.13 does not quote a bare carriage return.
        writer = quoted if any("\r" in str(cell) for cell in row.values()) else plain
        writer.writerow(row)


def escape_formula(cell: object) -> object:
    """Return a cell that spreadsheets do not interpret as a formula.

    A text is prefixed with an apostrophe if it begins with a tab or a line break, or if its first
    character after white space, quotes and invisible characters is ``=``, ``+``, ``-`` or ``@``,
    including full-width forms. Numbers are returned unchanged.
    """
    if not isinstance(cell, str) or not cell:
        return cell
    first = next((character for character in cell if not _is_ignorable(character)), "")
    is_formula = unicodedata.normalize("NFKC", first)[:1] in ("=", "+", "-", "@")
    return f"'{cell}" if is_formula or cell[0] in "\t\r\n" else cell


def _is_ignorable(character: str) -> bool:
    return unicodedata.category(character)[0] in "ZC" or character in "\"'`\u2018\u2019\u201c\u201d"
