"""The best model by name, with what its figure means."""

from dataclasses import replace

import pytest

from jasco.metrics.verdict_matrix import VerdictMatrix
from jasco.protocol.verdicts import Orientation, Verdict
from jasco.reports.comparison import summarise_comparison, summarise_report
from jasco.reports.findings import FindingKind, findings
from jasco.runs.results import Answers, Data, Results
from made_findings import BAD, GOOD, found, mixed, one, pair_of, scored, text_of
from made_results import JUDGE, judged, results


def test_the_figure_of_a_single_model_is_explained() -> None:
    [best] = found(one(scored(*GOOD)), FindingKind.BEST)
    assert best.text.startswith(
        "a: on 40 clips, the best of its 8 answers to a clip scores 1.50 [1.35, 1.65] of 2"
    )
    assert f"rated by {JUDGE}" in best.text
    assert not best.doubtful


def test_the_best_model_is_named_with_the_next() -> None:
    report = pair_of(BAD, GOOD)
    [best] = found(report, FindingKind.BEST)
    assert best.text.startswith("b scores highest:")
    assert "Next: a 0.25 [" in best.text


def test_equal_models_are_named_together() -> None:
    text = text_of(pair_of(GOOD, GOOD), FindingKind.BEST)
    assert text.startswith("a and b score equally:")
    assert "their 8 answers" in text


def test_figures_of_a_proxy_are_doubtful() -> None:
    [best] = found(one(scored(*GOOD), facts={"proxy": True}), FindingKind.BEST)
    assert f"{JUDGE} (proxy)" in best.text
    assert best.doubtful


@pytest.mark.parametrize("matrices", [(), (judged(missing=16),)])
def test_without_a_figure_that_is_the_finding(matrices: tuple[VerdictMatrix, ...]) -> None:
    report = summarise_report([results("a", *matrices)])
    [best] = found(report, FindingKind.BEST)
    assert best.text.endswith("so there are no figures.")
    assert best.doubtful
    assert {finding.kind for finding in findings(report)} <= {
        FindingKind.BEST, FindingKind.JUDGES, FindingKind.DOUBT,
    }  # fmt: skip


def test_a_proxy_and_a_judge_are_never_averaged() -> None:
    report = summarise_report(
        [mixed("a", scored(*GOOD), scored(*BAD)), mixed("b", scored(*BAD), scored(*GOOD))]
    )
    by_judge, by_proxy = found(report, FindingKind.BEST)
    assert by_judge.text.startswith("a scores highest")
    assert "rated by openai/J." in by_judge.text
    assert by_proxy.text.startswith("b scores highest")
    assert (by_judge.doubtful, by_proxy.doubtful) == (False, True)
    assert not found(report, FindingKind.DIFFERENCE)
    assert not found(report, FindingKind.JUDGES)


def test_models_with_other_judges_are_not_ranked() -> None:
    other = results("b", scored(*GOOD), facts={"identity": {"name": "other"}})
    report = summarise_report([results("a", scored(*BAD)), other])
    [best] = found(report, FindingKind.BEST)
    assert "do not show which one is best" in best.text
    assert best.doubtful


def test_models_on_other_clips_are_not_ranked() -> None:
    two, more = results("a", judged()), results("b", judged(clips=3))
    more = replace(more, data=replace(more.data, annotations_sha256="c" * 64))
    report = summarise_comparison([two, more], allow_mismatch=True)
    assert "do not show which one is best" in text_of(report, FindingKind.BEST)
    assert not found(report, FindingKind.CLIPS)


def participant(clips: int = 40) -> Results:
    matrix = VerdictMatrix.none_yet(clips, single_prompt=True)
    for clip in range(clips):
        matrix.enter(clip, clip % 8 + 1, Verdict(2, Orientation.BOTH))
    return results(
        "human/Anna",
        matrix,
        identity={"provider": "human", "name": "Anna"},
        data=Data("two", "a" * 64, "b" * 64, clips, clips),
        answers=Answers(clips, clips),
    )


def test_a_participant_is_compared_with_the_mean_of_a_model() -> None:
    report = summarise_report([participant(), results("a", scored(*GOOD))])
    model, human = found(report, FindingKind.BEST)
    assert model.text.startswith("a: on 40 clips")
    assert human.text.startswith("human/Anna (human participant): the mean score is 2.00 [")
    assert "with the mean of a model (a 0.19" in human.text
    assert text_of(report, FindingKind.DIFFERENCE).startswith(
        "human/Anna is clearly better than a: the difference of the means is 1.81 ["
    )


def test_a_participant_alone_has_no_best_mean() -> None:
    text = text_of(summarise_report([participant()]), FindingKind.BEST)
    assert "best of" not in text
    assert "compared" not in text
