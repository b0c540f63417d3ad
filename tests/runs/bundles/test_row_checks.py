"""Rows of a bundle that were changed, removed, added or duplicated."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jasco.data.dataset import MINI_SHA256
from jasco.errors import InputError
from jasco.runs.bundles.content import BundledRun
from jasco.runs.bundles.export import bundled
from jasco.runs.bundles.row_checks import differences_to_data, read_again
from made_bundles import small_data, small_run
from runs import verdict


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> BundledRun:
    """Return the content of a small bundle."""
    folder = tmp_path_factory.mktemp("rows")
    return bundled(small_run(folder / "run", small_data(folder / "data")))


def changed(
    run: BundledRun, table: str, change: Callable[[list[dict[str, Any]]], Any]
) -> BundledRun:
    rows = [dict(row) for row in getattr(run, table)]
    change(rows)
    return replace(run, **{table: rows})


def found(run: BundledRun) -> list[str]:
    return list(map(str, read_again(run).differences))


def test_an_unchanged_bundle_has_no_difference(content: BundledRun) -> None:
    again = read_again(content)
    assert (again.run, again.differences, again.given) == (content, [], {})


def test_more_verdicts_than_fit_into_memory_are_refused(content: BundledRun) -> None:
    clips = [{**content.clips[0], "id": str(number)} for number in range(400)]
    many = replace(content, about={**content.about, "samples": 1000}, clips=clips)
    with pytest.raises(InputError, match=r"b\.zip: more verdicts"):  # 400 x 8 x 1000 x 2 judges
        many.check(Path("b.zip"))


def test_more_judges_than_can_be_compared_are_refused(content: BundledRun) -> None:
    judge = content.about["judges"][0]
    identities = ({**judge["identity"], "name": f"{number}"} for number in range(21))
    judges = [{**judge, "label": each["name"], "identity": each} for each in identities]
    many = replace(content, about={**content.about, "judges": judges}, verdicts=[])
    with pytest.raises(InputError, match=r"b\.zip: run\.json: more judges"):
        many.check(Path("b.zip"))


def test_a_verdict_that_the_text_does_not_state_is_found(content: BundledRun) -> None:
    forged = changed(content, "verdicts", lambda rows: rows[0].update(rating=0))
    clip = content.clips[0]["id"]
    [line] = found(forged)
    place, _, verdicts = line.partition(": ")
    assert place == f"verdicts.jsonl, clip {clip}, instruction 1, judge openai/j"
    assert verdicts == "verdict: stored 0, Both, recomputed 2, Both"
    assert read_again(forged).run == content  # figures follow from the texts


def test_an_unreadable_verdict_cannot_be_made_readable(content: BundledRun) -> None:
    place = next(n for n, row in enumerate(content.verdicts) if "rating" not in row)
    forged = changed(
        content, "verdicts", lambda rows: rows[place].update(rating=2, orientation="Both")
    )
    assert found(forged)


def test_a_changed_text_of_a_judge_is_found(content: BundledRun) -> None:
    text = {"asked": "verdict", "text": verdict(0, "Neither")}
    [line] = found(changed(content, "verdicts", lambda rows: rows[0].update(attempts=[text])))
    assert "recomputed 0, Neither" in line


def test_texts_that_are_removed_or_added_are_found(content: BundledRun) -> None:
    [attempt] = content.verdicts[0]["attempts"]
    for attempts in ([], [attempt, attempt], [{**attempt, "finish_reason": "length"}]):
        [line] = found(
            changed(content, "verdicts", lambda rows, a=attempts: rows[0].update(attempts=a))
        )
        assert "judge openai/j: verdict: " in line


@pytest.mark.parametrize("table", ["responses", "verdicts"])
def test_rows_that_are_duplicated_or_added_are_found(content: BundledRun, table: str) -> None:
    for update, problem in (
        ({}, "already given"),
        ({"clip": "99"}, "no such item"),
        ({"instruction": 9}, "no such item"),
        ({"sample": 1}, "no such item"),
    ):
        run = changed(content, table, lambda rows, u=update: rows.append({**rows[0], **u}))
        [line] = found(run)
        assert problem in line


def test_a_verdict_needs_a_judge_and_an_answer(content: BundledRun) -> None:
    [line] = found(changed(content, "verdicts", lambda rows: rows[0].update(judge="other")))
    assert "no such judge" in line
    lines = found(changed(content, "responses", lambda rows: rows.pop(0)))
    assert len(lines) == 2  # of two judges
    assert all("no answer to judge" in line for line in lines)


def test_a_row_is_either_a_result_or_a_failure(content: BundledRun) -> None:
    for table, update in (
        ("responses", {"failure_kind": "timeout"}),
        ("verdicts", {"failure_kind": "timeout"}),
    ):
        run = changed(content, table, lambda rows, u=update: rows[0].update(u))
        assert any("neither a result nor a failure" in line for line in found(run))


def test_verdicts_that_a_judge_does_not_write_in_its_texts_are_counted(content: BundledRun) -> None:
    about = {
        **content.about,
        "judges": [
            {**judge, "identity": {"provider": "mine", "name": judge["label"]}}
            for judge in content.about["judges"]
        ],
    }
    run = changed(replace(content, about=about), "verdicts", lambda rows: rows[0].update(rating=1))
    run.verdicts[0]["attempts"] = [{"asked": "verdict", "text": "0.93"}]
    again = read_again(run)
    assert (again.differences, again.given) == ([], {"openai/j": 1})
    assert again.run.verdicts[0]["rating"] == 1


def test_a_judged_file_replaces_only_what_its_texts_do_not_state(content: BundledRun) -> None:
    about = {
        **content.about,
        "judges": [
            {**judge, "identity": {"provider": "csv", "name": judge["label"]}}
            for judge in content.about["judges"]
        ],
    }
    place = next(n for n, row in enumerate(content.verdicts) if "rating" not in row)
    for rating, orientation, contradicts in ((2, "Both", False), (2, "Neither", True)):
        update = {"rating": rating, "orientation": orientation}
        run = changed(
            replace(content, about=about), "verdicts", lambda rows, u=update: rows[place].update(u)
        )
        assert bool(found(run)) == contradicts
        assert bool(read_again(run).given) != contradicts


def test_a_proxy_cannot_be_presented_as_another_judge(content: BundledRun) -> None:
    text = {"asked": "verdict", "text": f"Proxy verdict: x\n{verdict(1, 'Both')}"}
    run = changed(
        content,
        "verdicts",
        lambda rows: rows[0].update(attempts=[text], rating=1, orientation="Both"),
    )
    [line] = found(run)
    assert "proxy: stored false, recomputed true" in line


def test_the_data_set_cannot_be_renamed(content: BundledRun) -> None:
    for data, problem in (
        ({"name": "watd"}, "data.name: stored watd"),
        ({"annotations_sha256": "0" * 64}, "data.annotations_sha256"),
        ({"annotations_sha256": MINI_SHA256}, "recomputed mini"),
        ({"clips": 2}, "data.clips"),
    ):
        about = {**content.about, "data": {**content.about["data"], **data}}
        assert any(problem in line for line in found(replace(content, about=about))), problem


def test_clips_are_compared_with_a_data_set(content: BundledRun, tmp_path: Path) -> None:
    data = small_data(tmp_path)
    assert list(differences_to_data(content, data)) == []
    clip = replace(data.clips[0], reference="another")
    other = replace(data, clips=(clip, *data.clips[1:]))
    lines = list(map(str, differences_to_data(content, other)))
    assert len(lines) == 2
    assert f"clip {clip.id}" in lines[1]


def test_the_name_mini_is_known_by_its_annotations(content: BundledRun) -> None:
    clips = [{**clip, "annotations": dict.fromkeys(
        ("sound", "speech", "audio_only", "speech_only", "reference", "keywords"), "x")}
        for clip in content.clips]  # fmt: skip
    lines = found(replace(content, clips=clips))
    assert sum("clips.jsonl" in line for line in lines) == len(clips)
