"""CSV in and out, with every complaint in one line."""

import csv
import io
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from jasco.errors import IncompleteError, InputError, count, did_you_mean_path, near, one_line

# A model may ramble; a cell beyond this is an accident or an attack.
_LONGEST_CELL = 50_000_000
_LARGEST = 256 << 20  # bytes; the responses of a thousand models are smaller
_MOST_CELLS = 10_000_000
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}


@dataclass(frozen=True)
class Table:
    """A CSV file in memory: its columns in order, and a dictionary a row."""

    columns: tuple[str, ...]
    rows: list[dict[str, str]]


def read_table(path: Path, required: Sequence[str] = (), remedy: str = "") -> Table:
    """Read a CSV file with a header, every cell as the text that stands there.

    Parameters
    ----------
    path : pathlib.Path
        Where it is.
    required : sequence of str
        Columns that it must have.
    remedy : str
        What a user can do where columns are missing, for the message.

    Raises
    ------
    InputError
        No such file, not UTF-8, other separators than commas, no header, a column missing or
        named twice, a row of another length than the header, or too large: more than 256 MiB or 10
        million cells.
    """
    if path.is_char_device() or path.is_block_device():
        raise InputError(f"{path}: a device, which may never end; name a file")
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
        if what := _other_format(content, path):
            raise InputError(f"{path}: {what}")
        if len(content) > _LARGEST:
            raise InputError(f"{path}: larger than {_LARGEST >> 20} MiB; split it into several")
        text = content.decode("utf-8-sig")  # spreadsheets write a byte order mark
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise InputError(f"{path}, line {line}: not UTF-8; save the file as CSV UTF-8") from None
    except FileNotFoundError as error:
        raise InputError(f"{path}: {error.strerror}{did_you_mean_path(path)}") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    if not text.strip():
        raise InputError(f"{path}: the file is empty; it must begin with a line of column names")
    csv.field_size_limit(_LONGEST_CELL)
    if other := _other_separator(text, required):
        raise InputError(
            f"{path}: its columns are separated by {other}, not by commas; save it again with "
            "commas (in Excel that is the list separator of the system's region)"
        )
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = tuple(next(reader, ()))
        rows = []
        for cells in reader:
            if cells:
                rows.append(_row(columns, cells, path, reader.line_num))
            if len(rows) * len(columns) > _MOST_CELLS:
                raise InputError(
                    f"{path}: more than {_MOST_CELLS:,} cells; split it into several files"
                )
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: not a CSV file ({error})") from None
    missing = [column for column in required if column not in columns]
    if missing:
        raise InputError(f"{path}: {_lacking(missing, columns, required)}{remedy}")
    twice = [column for column in columns if columns.count(column) > 1]
    if twice:
        raise InputError(f"{path}: two columns are named {twice[0]!r}")
    return Table(columns, rows)


_FORMATS = (
    (b"PK\x03\x04", "an Excel workbook or another archive, not a CSV file; save it as CSV UTF-8"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook, not a CSV file; save it as CSV UTF-8"),
    (b"\xff\xfe", "UTF-16, not UTF-8; save it as CSV UTF-8 (in Excel not as Unicode text)"),
    (b"\xfe\xff", "UTF-16, not UTF-8; save it as CSV UTF-8 (in Excel not as Unicode text)"),
)


def _other_format(content: bytes, path: Path) -> str:
    """Name what a file is, where it is known to be no CSV; nothing where it may be one."""
    if content.startswith(b"SQLite format 3\0"):
        return f"a database, not a CSV file; a run is given by its folder, here {path.parent}"
    return next((what for magic, what in _FORMATS if content.startswith(magic)), "")


def _lacking(missing: list[str], columns: Sequence[str], required: Sequence[str]) -> str:
    """Say which columns are missing, which there are, and which of those may be meant."""
    others = [column for column in columns if column not in required]
    named = ", ".join(map(repr, missing))
    what = f"column {named} is" if len(missing) == 1 else f"columns {named} are"
    meant = [f"{found!r} to {column!r}" for column in missing for found in near(column, others)[:1]]
    rename = f"; if it is misspelt, rename {', '.join(meant)}" if meant else ""
    return f"{what} missing; it has {one_line(', '.join(columns), 400)}{rename}"


def _other_separator(text: str, required: Sequence[str]) -> str | None:
    """Name what separates the columns, where that is not the comma."""
    header = re.split(r"[\r\n]", text.lstrip("\r\n"), maxsplit=1)[0]
    if hint := re.fullmatch("sep=(.)", header):  # Excel's own line, above the header
        return _SEPARATORS.get(hint[1])

    def found(separator: str) -> int:
        columns = {column.strip().strip('"') for column in header.split(separator)}
        return len(columns & set(required)) if required else len(columns)

    best = max((",", *_SEPARATORS), key=found)  # the comma, unless another one finds more
    return _SEPARATORS.get(best)


def _row(columns: Sequence[str], cells: list[str], path: Path, line: int) -> dict[str, str]:
    if len(cells) != len(columns):
        raise InputError(
            f"{path}, line {line}: {count(len(cells), 'cell')} under "
            f"{count(len(columns), 'column')}; give each line as many cells, and put quotation "
            "marks around a cell that holds a comma"
        )
    return dict(zip(columns, cells, strict=True))


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write a CSV file whole or not at all (``IncompleteError`` where it cannot be written)."""
    with whole_file(path) as file:
        write_rows(file, columns, rows)


@contextmanager
def whole_file(path: Path) -> Iterator[TextIO]:
    """Open a file to be written whole or not at all (``IncompleteError`` where it cannot be).

    Raises
    ------
    InputError
        The path has no name, such as that of the working folder.
    """
    if not path.name:
        raise InputError(f"{str(path)!r}: not the name of a file to write; name one")
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("w", encoding="utf-8", newline="") as file:
            yield file
        draft.replace(path)
    except OSError as error:
        raise IncompleteError(f"{path}: cannot be written ({error.strerror})") from None
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def write_rows(file: TextIO, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write what stands in a CSV file; ``file`` must leave line ends alone (``newline=""``)."""
    plain = csv.DictWriter(file, columns, lineterminator="\n")
    quoted = csv.DictWriter(file, columns, lineterminator="\n", quoting=csv.QUOTE_ALL)
    plain.writeheader()
    for row in rows:
        # By itself, Python before 3.13 leaves a bare carriage return unquoted.
        writer = quoted if any("\r" in str(cell) for cell in row.values()) else plain
        writer.writerow(row)


def escape_formula(cell: object) -> object:
    """Return a cell for a table that spreadsheets open, so that none takes a text for a formula.

    A text gets an apostrophe before it where it begins with a tab or a line break, or where its
    first character after white space, quotes and invisible characters is ``=``, ``+``, ``-`` or
    ``@``, in full width too. Numbers are left as they are.
    """
    if not isinstance(cell, str) or not cell:
        return cell
    first = next((each for each in cell if not _is_passed_over(each)), "")
    is_formula = unicodedata.normalize("NFKC", first)[:1] in ("=", "+", "-", "@")
    return f"'{cell}" if is_formula or cell[0] in "\t\r\n" else cell


def _is_passed_over(character: str) -> bool:
    return unicodedata.category(character)[0] in "ZC" or character in "\"'`\u2018\u2019\u201c\u201d"
