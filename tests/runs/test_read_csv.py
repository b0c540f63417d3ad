"""The results of judged CSV files."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from command import Jasco
from jasco.data.csv_files import write_table
from jasco.data.responses_csv import read_responses_csv
from jasco.errors import InputError
from jasco.protocol.clips import Clip, annotations_sha256
from jasco.protocol.verdicts import PROXY_MARK
from jasco.runs.read_csv import results_of_files
from jasco.runs.read_run import results_of_run
from judged_files import CLIPS, READABLE

Write = Callable[..., Path]


def write_table_of(rows: Sequence[Mapping[str, object]], path: Path) -> Path:
    write_table(path, list(rows[0]), rows)
    return path


def test_several_files_are_several_judges_of_one_model(write_judged: Write) -> None:
    paths = [
        write_judged("a.csv"),
        write_judged("b.csv", "Rating: 1\nOrientation: Both"),
        write_judged("c.csv", "?"),
    ]
    results = results_of_files(paths)
    assert results.model == "a+b+c"
    means = {name: score.best_mean.value for name, score in results.figures.judges.items()}
    assert means == {"a": 2, "b": 1, "c": None}
    assert results.data.annotations_sha256 == annotations_sha256(CLIPS)
    assert (results.data.clips, results.data.items) == (2, 16)
    assert not results.complete


def test_equal_stems_are_distinguished_by_their_paths(write_judged: Write) -> None:
    paths = [
        write_judged("one/judged.csv"),
        write_judged("two/judged.csv"),
        write_judged("other.csv"),
    ]
    assert list(results_of_files(paths).judges) == [str(paths[0]), str(paths[1]), "other"]


def test_the_same_file_twice_is_refused(write_judged: Write) -> None:
    path = write_judged("a.csv")
    with pytest.raises(InputError, match="twice"):
        results_of_files([path, path])


def test_files_must_be_about_the_same_answers_and_clips(write_judged: Write) -> None:
    with pytest.raises(InputError, match=r"b\.csv: clip 9, instruction 1"):
        results_of_files([write_judged("a.csv"), write_judged("b.csv", allm_output="other")])
    other = Clip("10", "wind", "run", "a", "b", "they flee", "flee")
    with pytest.raises(InputError, match="clip 10: its annotations differ"):
        results_of_files([write_judged("a.csv"), write_judged("c.csv", clips=(CLIPS[0], other))])


def test_expected_are_the_eight_items_of_every_clip_that_is_named(
    write_judged: Write, tmp_path: Path
) -> None:
    file = read_responses_csv(write_judged("a.csv"))
    write_table(tmp_path / "few.csv", file.table.columns, file.table.rows[3:10])
    results = results_of_files([tmp_path / "few.csv"])
    score = results.figures.judges["few"]
    assert (results.answers.expected, results.answers.answered) == (16, 7)
    assert score.coverage == 7 / 16
    assert score.best_mean.value == 2
    assert not results.complete
    both = results_of_files([tmp_path / "few.csv", write_judged("b.csv")])
    assert both.figures.judges["few"].coverage == 7 / 16
    assert both.figures.judges["b"].complete


# --- proxies ---


def test_verdicts_of_a_proxy_are_marked_in_a_column_of_their_own(
    jasco: Jasco, write_judged: Write, tmp_path: Path
) -> None:
    responses = write_judged("responses.csv")
    for judge, proxy in (("offline", True), (f"csv/{responses}", False)):
        judged = tmp_path / f"judged by proxy {proxy}.csv"
        assert jasco("judge", responses, "--judge", judge, "-o", judged).status == 0
        rows = read_responses_csv(judged).table.rows
        assert {row.get("proxy") for row in rows} == {"1" if proxy else None}
        copy = write_table_of(rows, tmp_path / "alone.csv")  # without its run
        for compat in (False, True):
            [facts] = results_of_files([copy], compat=compat).judges.values()
            assert facts.proxy is proxy
        responses = copy  # judged again, by another judge


def test_earlier_files_mark_a_proxy_in_its_texts(write_judged: Write) -> None:
    for compat in (False, True):
        path = write_judged("judged.csv", f"{PROXY_MARK}: by a classifier.\n{READABLE}")
        [facts] = results_of_files([path], compat=compat).judges.values()
        assert facts.proxy


def test_a_run_judged_from_a_proxys_file_is_judged_by_a_proxy(
    jasco: Jasco, write_judged: Write, tmp_path: Path
) -> None:
    judged = write_judged("judged.csv", proxy=1)
    result = jasco("judge", judged, "--judge", f"csv/{judged}", "-o", tmp_path / "again.csv")
    assert result.status == 0, result
    [facts] = results_of_run(tmp_path / "again.run").judges.values()
    assert facts.proxy
