"""Files with instructions, one per line."""

from pathlib import Path

import pytest

from jasco.data.instructions_file import read_instructions
from jasco.errors import InputError


@pytest.mark.parametrize(
    "content", ["Where?\n\n  Où ça? \n", "\ufeffWhere?\r\nOù ça?", "Where?\nOù ça?\n"]
)
def test_blank_lines_byte_order_marks_and_line_ends_are_ignored(
    tmp_path: Path, content: str
) -> None:
    path = tmp_path / "instructions.txt"
    path.write_bytes(content.encode())
    assert read_instructions(path) == ("Where?", "Où ça?")


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "0 instructions"), (b"a\nb\na\n", "duplicate"), ("Où?".encode("latin-1"), "not UTF-8")],
)
def test_a_wrong_file_is_an_error_with_its_path(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "instructions.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"instructions\.txt: .*{message}"):
        read_instructions(path)


def test_a_missing_file_is_an_error_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.txt: cannot be read"):
        read_instructions(tmp_path / "none.txt")
