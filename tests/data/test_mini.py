"""The data set that comes with the package."""

from collections import Counter
from pathlib import Path

import pytest

from jasco.data.audio import read_audio
from jasco.data.csv_files import read_table
from jasco.data.dataset import DataSet
from jasco.data.sources import find_data
from jasco.protocol.verdicts import Orientation


@pytest.fixture(scope="module")
def mini() -> DataSet:
    return find_data("mini", print)


def test_it_has_clips_enough_and_is_small(mini: DataSet) -> None:
    assert mini.name == "mini"
    assert len(mini.clips) >= 16
    assert mini.folder is not None
    assert sum(path.stat().st_size for path in mini.folder.rglob("*")) < 4_000_000


def test_every_clip_is_16_khz_mono_pcm16_of_a_few_seconds(mini: DataSet) -> None:
    for clip in mini.clips:
        path = mini.audio_path(clip)
        assert path is not None
        audio = read_audio(path)
        assert audio.conversions == ()
        assert 2 < audio.seconds < 10
        assert 0.1 < abs(audio.floats).max() < 1


def test_every_clip_has_all_annotations_and_none_is_the_published_ones(
    mini: DataSet, request: pytest.FixtureRequest
) -> None:
    assert all(all(clip.cells) for clip in mini.clips)
    for cells in zip(*(clip.cells[2:6] for clip in mini.clips), strict=True):
        assert len(set(cells)) == len(mini.clips)
    published = find_data(str(request.getfixturevalue("published")), print)
    published_cells = {cell for clip in published.clips for cell in (clip.speech, clip.reference)}
    assert not published_cells & {
        cell for clip in mini.clips for cell in (clip.speech, clip.reference)
    }


def test_the_references_hold_a_keyword_and_the_other_answers_none(mini: DataSet) -> None:
    for clip in mini.clips:
        words = [word.strip().lower() for word in clip.keywords.split(",")]
        assert any(word in clip.reference.lower() for word in words), clip.id
        for answer in (clip.audio_only, clip.speech_only):
            assert not any(word in answer.lower() for word in words), clip.id


def test_a_real_systems_answers_are_labelled_too(mini: DataSet) -> None:
    assert mini.folder is not None
    shas = {clip.id: clip.sha256[:12] for clip in mini.clips}
    rows = read_table(Path(mini.folder, "gold-cascade.csv")).rows
    assert all(row["clip_sha"] == shas[row["id"]] for row in rows)
    assert len({(row["id"], row["allm_output"]) for row in rows}) == len(rows) >= 50


def test_its_labels_belong_to_its_clips(mini: DataSet) -> None:
    assert mini.folder is not None
    shas = {clip.id: clip.sha256[:12] for clip in mini.clips}
    rows = read_table(Path(mini.folder, "gold.csv")).rows
    assert len(rows) >= 96
    assert all(row["clip_sha"] == shas[row["id"]] for row in rows)
    assert {row["rating"] for row in rows} == {"0", "1", "2"}
    assert {row["prompt_index"] for row in rows} == set("12345678")
    assert set(Counter(row["orientation"] for row in rows)) == set(Orientation)
    assert sum(row["adversarial"] == "1" for row in rows) >= 10
    assert len({(row["id"], row["allm_output"]) for row in rows}) == len(rows)
