"""The hardest clips by name."""

from dataclasses import replace

import pytest

from jasco.protocol.clips import Clip, ClipHash
from jasco.reports.comparison import summarise_report
from jasco.reports.findings import FindingKind
from made_findings import found, one, pair_of, scored, text_of
from made_results import results


def test_clips_without_any_credit_are_counted() -> None:
    [clips] = found(pair_of([0, 0, 0, 2, 1], [0, 0, 0, 0, 1]), FindingKind.CLIPS)
    assert clips.text.startswith('All models score 0 on 3 of 5 clips: 0 (rain; "Run!"), 1 (')
    assert clips.clips == ("0", "1", "2")


def test_the_hardest_clips_are_named() -> None:
    [clips] = found(one(scored(2, 2, 1, 2)), FindingKind.CLIPS)
    assert clips.text.startswith("The hardest clips are 2 (")
    assert clips.clips[0] == "2"


@pytest.mark.parametrize("best", [[1, 1, 1], [0], [2]])
def test_equally_hard_clips_are_not_named(best: list[int]) -> None:
    assert not found(one(scored(*best)), FindingKind.CLIPS)


def test_clips_are_matched_by_their_ids() -> None:
    first = results("a", scored(0, 0, 2))
    second = results("b", scored(2, 0, 0))
    second = replace(second, clips=second.clips[::-1])
    [clips] = found(summarise_report([first, second]), FindingKind.CLIPS)
    assert clips.clips == ("0", "1")


def test_the_texts_of_a_clip_are_short_and_in_one_line() -> None:
    cell = "x\n\x1b" + "y" * 500
    clips = tuple(Clip(str(n), cell, cell, "a", "b", "c", "d") for n in range(3))
    text = text_of(one(scored(2, 1, 1), clips=clips), FindingKind.CLIPS)
    assert text.isprintable()
    assert len(text) < 500


def test_clips_whose_texts_are_not_in_the_results_can_be_described() -> None:
    clips = tuple(Clip(str(n), "rain", "Run!", "a", "b", "c", "d") for n in range(2))
    report = one(scored(2, 0), clips=tuple(ClipHash(clip.id, clip.sha256) for clip in clips))
    assert text_of(report, FindingKind.CLIPS) == "The hardest clip is 1."
    assert (
        text_of(report, FindingKind.CLIPS, clips=clips) == 'The hardest clip is 1 (rain; "Run!").'
    )
