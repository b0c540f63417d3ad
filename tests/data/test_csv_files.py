"""Reading and writing CSV files."""

import csv
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from jasco.data.csv_files import escape_formula, read_table, write_table
from jasco.errors import InputError

AWKWARD = st.sampled_from(['"', ",", "\n", "\r", "\r\n", " ", "=1+1", "\ufeff", "\0", "'", ";"])
CELLS = st.one_of(st.text(), st.lists(AWKWARD, max_size=4).map("".join))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(CELLS, CELLS), max_size=4))
@example(rows=[("a\rb", "c")])
@example(rows=[("", "")])
def test_what_is_written_is_read_again(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    path = tmp_path / "table.csv"
    expected = [{"one": one, "two, too": two} for one, two in rows]
    write_table(path, ["one", "two, too"], expected)
    table = read_table(path)
    assert table.columns == ("one", "two, too")
    assert table.rows == expected
    with path.open(encoding="utf-8", newline="") as file:  # the standard library reads the same
        assert list(csv.DictReader(file)) == expected


def test_cells_are_written_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    write_table(path, ["a", "b"], [{"a": "=1+1", "b": " x"}, {"a": 3, "b": True}])
    assert path.read_bytes() == b"a,b\n=1+1, x\n3,True\n"


def test_cells_are_read_as_text(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(b"a,b\r\nNaN,007\r\n\r\nNone, 1.0 \r\n")
    assert read_table(path).rows == [{"a": "NaN", "b": "007"}, {"a": "None", "b": " 1.0 "}]


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(b'\xef\xbb\xbf"a",b\n1,2\n')
    assert read_table(path, required=["a"]).rows == [{"a": "1", "b": "2"}]


def test_a_cell_may_be_long(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    write_table(path, ["a"], [{"a": "x" * 1_000_000}])
    assert len(read_table(path).rows[0]["a"]) == 1_000_000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,b\n1\n", "line 2: 1 cell for 2 columns"),
        (b"a,b\n1,2\n1,2,3\n", "line 3: 3 cells for 2 columns"),
        (b'a,b\n"1\n\n2,3\n', "line 4: not a CSV file"),
        (b'a,b\n1,"2"3\n', "line 2: not a CSV file"),
        (b"a,b\n1,2\n\n\xe9,2\n", "line 4: not UTF-8; save the file as CSV UTF-8"),
        (b"\xff\xfea\0", "UTF-16, not UTF-8; save it as CSV UTF-8"),
        (b"PK\x03\x04\0\0", "Excel workbook .* not a CSV file; save it as CSV UTF-8"),
        (b"\xd0\xcf\x11\xe0\0", "Excel workbook, not a CSV file"),
        (b"SQLite format 3\0\0", "a database, not a CSV file"),
        (b"aa,b\n", "column 'a' is missing; found: aa, b"),
        (b"c,d\n", "column 'a' is missing; found: c, d$"),
        (b"b,c\n", "column 'a' is missing; found: b, c"),
        (b"", "the file is empty"),
        (b"\n \n", "the file is empty"),
        (b"a,a\n", "duplicate column 'a'"),
    ],
)
def test_an_error_names_its_place(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        read_table(path, required=["a"])
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("separator", "name"), [(";", "semicolons"), ("\t", "tabs"), ("|", "vertical bars")]
)
@pytest.mark.parametrize("bom", ["", "\ufeff"])
@pytest.mark.parametrize(
    "lines",
    [
        ["a_b_c", "1_2_3"],
        ['"a"_"b"_"c"', '"1, or so"_"2"_"3"'],
        ["a_b_c", "one, two_3_4"],
        ["", "b_a", "1_2"],
        ["b_x", "1_2"],  # another column is missing too
        ["sep=_", "a_b_c"],
    ],
)
def test_a_separator_that_is_no_comma_is_named(
    tmp_path: Path, separator: str, name: str, bom: str, lines: list[str]
) -> None:
    path = tmp_path / "table.csv"
    text = bom + "\r\n".join(lines).replace("_", separator) + "\r\n"
    path.write_bytes(text.encode())
    with pytest.raises(InputError) as error:
        read_table(path, required=["a", "b"])
    assert str(error.value).startswith(f"{path}: ")
    assert f"separated by {name}" in str(error.value)
    assert "commas" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("header", ['a,b,"c;d"', 'a,b,"x;a;b"', "a,b;c,b"])
def test_semicolons_within_commas_are_text(tmp_path: Path, header: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(f"{header}\n1;2,2;3,a\tb\n")
    assert list(read_table(path, required=["a", "b"]).rows[0].values()) == ["1;2", "2;3", "a\tb"]


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(InputError, match=str(path)):
            read_table(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(b"a,b\n" + content)
    try:
        table = read_table(path)
    except InputError as error:
        assert str(path) in str(error)
    else:
        assert all(row.keys() == {"a", "b"} for row in table.rows)


def test_a_write_that_fails_leaves_the_old_file_and_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    write_table(path, ["a"], [{"a": 1}])
    before = path.read_bytes()

    def rows() -> object:
        yield {"a": 2}
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_table(path, ["a"], rows())  # type: ignore[arg-type]
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(ValueError, match="other"):
        write_table(path, ["a"], [{"other": 2}])
    assert path.read_bytes() == before


def test_the_folder_of_a_new_file_is_made(tmp_path: Path) -> None:
    write_table(tmp_path / "new" / "table.csv", ["a"], [])
    assert (tmp_path / "new" / "table.csv").read_bytes() == b"a\n"


@pytest.mark.parametrize(
    "start", ["", " ", "\u00a0", "\ufeff", "\u200b", '"', "'", ' "', "\u3000", "“"]
)
@pytest.mark.parametrize("sign", "=+-@＝＋－＠﹦")
def test_no_text_is_taken_for_a_formula(start: str, sign: str) -> None:
    cell = f"{start}{sign}1+1"
    assert escape_formula(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["\tx", "\rx", "\nx"])
def test_no_text_begins_with_a_tab_or_a_line_break(cell: str) -> None:
    assert escape_formula(cell) == f"'{cell}"


@pytest.mark.parametrize(
    "cell", [-1, -0.5, 3, None, "", " ", "a=b", "a - b", "'quoted'", "犬", "1-2"]
)
def test_numbers_and_other_texts_stay(cell: object) -> None:
    assert escape_formula(cell) is cell


def test_a_table_beyond_a_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a,b\n" + "1,2\n" * 50)
    monkeypatch.setattr("jasco.data.csv_files._MOST_CELLS", 100)
    assert len(read_table(path).rows) == 50
    monkeypatch.setattr("jasco.data.csv_files._MOST_CELLS", 99)
    with pytest.raises(InputError, match=r"table\.csv: more than 99 cells"):
        read_table(path)
    os.truncate(path, 10 << 30)
    with pytest.raises(InputError, match=r"table\.csv: larger than 256 MiB"):
        read_table(path)
