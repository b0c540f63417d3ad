"""Copies of data sets in the layout ``audiofolder``."""

import json
from pathlib import Path

import pytest

from jasco.data.audio_folder import write_audio_folder
from jasco.data.dataset import read_data_set
from jasco.errors import InputError
from synthetic import make_data


def test_each_audio_file_is_copied_with_its_annotations_next_to_it(tmp_path: Path) -> None:
    data = read_data_set(make_data(tmp_path / "own", clips=5))
    write_audio_folder(data, tmp_path / "copy")
    lines = (tmp_path / "copy" / "test" / "metadata.jsonl").read_text("ascii").splitlines()
    rows = [json.loads(line) for line in lines]
    assert [tuple(row.values())[1:] for row in rows] == [clip.cells for clip in data.clips]
    for clip, row in zip(data.clips, rows, strict=True):
        path = data.audio_path(clip)
        assert path
        assert (tmp_path / "copy" / "test" / row["file_name"]).read_bytes() == path.read_bytes()


def test_the_card_states_the_licence_only_if_it_is_known(tmp_path: Path) -> None:
    data = read_data_set(make_data(tmp_path / 'x": [link](javascript:1)\u202e', clips=1))
    write_audio_folder(data, tmp_path / "copy")
    card = (tmp_path / "copy" / "README.md").read_text("utf-8")
    assert "license:" not in card
    assert "Not known" in card
    [name] = [line for line in card.splitlines() if line.startswith("pretty_name: ")]
    assert json.loads(name.partition(": ")[2]).startswith('x": [link]')
    assert card.count("javascript") == 1
    assert "\u202e" not in card


def test_a_missing_file_leaves_no_folder(tmp_path: Path) -> None:
    data = read_data_set(make_data(tmp_path / "own", clips=2))
    (tmp_path / "own" / "dataset" / "v0" / "1.wav").unlink()
    with pytest.raises(InputError, match=r"1\.wav"):
        write_audio_folder(data, tmp_path / "copy")
    assert [path.name for path in tmp_path.iterdir()] == ["own"]
