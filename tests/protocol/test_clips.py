"""Clips, items and their hashes."""

import hashlib
import itertools
import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jasco.errors import InputError
from jasco.protocol.clips import Clip, annotations_sha256, combined_sha256, id_order, items_of
from jasco.protocol.instructions import INSTRUCTIONS

CELLS = ("7", "rain, thunder", 'a "é犬"', "a\nb", "", "they run", "run")


def test_a_clips_hash_is_that_of_its_cells_as_compact_json() -> None:
    text = '["7","rain, thunder","a \\"é犬\\"","a\\nb","","they run","run"]'
    assert Clip(*CELLS).sha256 == hashlib.sha256(text.encode()).hexdigest()


def test_a_known_clip_has_the_known_hash() -> None:
    clip = Clip("1", "a", "b", "c", "d", "e", "f")
    # printf '["1","a","b","c","d","e","f"]' | sha256sum
    assert clip.sha256 == "3d85508d26766682a73ce6f5a867ab72785d76ad1b7a3e46d15bc3145666126f"


def test_every_cell_counts_and_so_does_its_place() -> None:
    hashes = {Clip(*(*CELLS[:n], "other", *CELLS[n + 1 :])).sha256 for n in range(len(CELLS))}
    assert len({Clip(*CELLS).sha256, *hashes}) == 8
    assert Clip("1", "a", "b", "", "", "", "").sha256 != Clip("1", "b", "a", "", "", "", "").sha256


@given(st.lists(st.text(), min_size=6, max_size=6))
def test_no_annotation_breaks_the_hash(cells: list[str]) -> None:
    expected = json.dumps(["7", *cells], ensure_ascii=False, separators=(",", ":"))
    assert Clip("7", *cells).sha256 == hashlib.sha256(expected.encode()).hexdigest()


def test_ids_stand_in_order_of_number_where_all_are_numbers() -> None:
    assert id_order(["10", "9", "1", "80"]) == ["1", "9", "10", "80"]
    assert id_order(["10", "9", "a"]) == ["10", "9", "a"]
    assert id_order(["b", "B", "a-1", "a_1"]) == ["B", "a-1", "a_1", "b"]
    assert id_order(["1", "01", "2"]) == ["01", "1", "2"]
    assert id_order(["²", "10", "9"]) == ["10", "9", "²"]
    assert id_order(["٣", "10", "9"]) == ["10", "9", "٣"]
    assert id_order([]) == []


@given(st.lists(st.text("019a²", min_size=1, max_size=3), unique=True))
def test_the_order_of_ids_does_not_depend_on_where_they_stood(ids: list[str]) -> None:
    expected = id_order(ids)
    assert sorted(expected) == sorted(ids)
    assert id_order(random.Random(0).sample(ids, len(ids))) == expected


def test_a_hash_of_hashes_joins_them_by_newlines_in_order_of_id() -> None:
    assert combined_sha256({"10": "bb", "9": "aa"}) == hashlib.sha256(b"aa\nbb").hexdigest()


def test_a_data_sets_hash_does_not_depend_on_the_order_of_its_rows() -> None:
    clips = [Clip(id_, *CELLS[1:]) for id_ in ("9", "10", "2")]
    expected = hashlib.sha256(
        "\n".join(clip.sha256 for clip in (clips[2], clips[0], clips[1])).encode()
    ).hexdigest()
    for order in itertools.permutations(clips):
        assert annotations_sha256(order) == expected
    assert annotations_sha256(clips[:2]) != expected


@pytest.mark.parametrize("id_", ["1", "a", "clip 7", "a.b", "a-b_c", "été", "犬", "-", "7-"])
def test_an_id_that_names_a_file_is_taken(id_: str) -> None:
    assert Clip(id_, *CELLS[1:]).id == id_


@pytest.mark.parametrize(
    "id_",
    ["", ".", "..", "../x", "a/b", "/etc/passwd", "a\\b", "a\nb", "a\n", " a", "a ", ".a", "a.",
     "a\0", "C:a", "a\u2028", "~", "*", "\ud800"],
)  # fmt: skip
def test_an_id_that_leaves_the_folder_or_names_no_file_is_refused(id_: str) -> None:
    with pytest.raises(InputError, match="cannot name a file") as error:
        Clip(id_, *CELLS[1:])
    assert "\n" not in str(error.value)


@given(st.text(max_size=5))
def test_an_id_that_is_taken_stays_in_its_folder(id_: str) -> None:
    try:
        Clip(id_, *CELLS[1:])
    except InputError:
        return
    assert not set(id_) & set("/\\\0\n:")
    assert id_ == id_.strip(". \t")
    assert id_


def test_the_items_of_a_clip_are_its_eight_instructions_in_order() -> None:
    items = items_of(Clip(*CELLS))
    assert [item.number for item in items] == list(range(1, 9))
    assert [item.instruction for item in items] == list(INSTRUCTIONS)
    assert len(set(INSTRUCTIONS)) == 8
