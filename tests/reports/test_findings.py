"""The findings in words: what a reader asks first, from computed figures only."""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jasco.metrics.bootstrap import Estimate
from jasco.metrics.reliance import Attribution
from jasco.metrics.verdict_matrix import ORIENTATIONS, VerdictMatrix
from jasco.protocol.clips import Clip, ClipHash
from jasco.protocol.verdicts import Orientation, Verdict
from jasco.reports.comparison import summarise_comparison, summarise_report
from jasco.reports.findings import Finding, FindingKind, findings
from jasco.reports.report import Report, summarise
from jasco.runs.results import Answers, Data, JudgeFacts, Results
from made_reliance import reliance_report
from made_results import JUDGE, judged, results


def scored(*best: int, orientation: Orientation = Orientation.AUDIO) -> VerdictMatrix:
    """Return a matrix with the best score of each clip; other answers have an orientation."""
    matrix = judged(0, orientation, clips=len(best))
    for clip, rating in enumerate(best):
        if rating:
            matrix.enter(clip, 1, Verdict(rating, Orientation.BOTH))
    return matrix


def shares(audio: int, both: int, speech: int) -> VerdictMatrix:
    """Return 40 clips with as many answers of each orientation in every 16."""
    names = [Orientation.AUDIO] * audio + [Orientation.BOTH] * both + [Orientation.SPEECH] * speech
    order = random.Random(1).sample(range(320), 320)
    matrix = VerdictMatrix.none_yet(40)
    for place, index in enumerate(order):
        matrix.enter(index // 8, index % 8 + 1, Verdict(1, names[place % 16]))
    return matrix


def found(report: Report, kind: FindingKind, **options: Any) -> list[Finding]:
    return [finding for finding in findings(report, **options) if finding.kind is kind]


def text_of(report: Report, kind: FindingKind, **options: Any) -> str:
    return " ".join(finding.text for finding in found(report, kind, **options))


def one(matrix: VerdictMatrix, *others: VerdictMatrix, **changes: Any) -> Report:
    return summarise_report([results("a", matrix, *others, **changes)])


def pair_of(first: Sequence[int], second: Sequence[int]) -> Report:
    return summarise_report([results("a", scored(*first)), results("b", scored(*second))])


GOOD, BAD = [2] * 20 + [1] * 20, [0] * 30 + [1] * 10


# --- the best model ---


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


def test_options_of_judges_are_left_out_unless_they_distinguish_them() -> None:
    facts = {"openai/x,output=json": JudgeFacts(), "openai/y,output=json": JudgeFacts()}
    matrices = dict.fromkeys(facts, scored(*GOOD))
    report = one(scored(*GOOD), judges=facts, matrices=matrices)
    assert "rated by openai/x and openai/y (their mean)" in text_of(report, FindingKind.BEST)
    assert "," not in text_of(report, FindingKind.DOUBT).partition("openai/y")[0]


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


def mixed(name: str, first: VerdictMatrix, proxy: VerdictMatrix) -> Results:
    judges = {"openai/J": JudgeFacts(), "offline": JudgeFacts(proxy=True)}
    return results(name, first, judges=judges, matrices={"openai/J": first, "offline": proxy})


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


@pytest.mark.parametrize("proxy", [True, False])
def test_the_judge_of_a_csv_file_is_not_named(proxy: bool) -> None:
    judge = {"a": JudgeFacts(proxy=proxy)}
    report = one(scored(*GOOD), judges=judge, matrices={"a": scored(*GOOD)})
    assert ("rated by a proxy" in text_of(report, FindingKind.BEST)) == proxy
    assert ("rated by" in text_of(report, FindingKind.BEST)) == proxy
    assert text_of(report, FindingKind.JUDGES).startswith("Only one judge")


# --- differences ---


def test_a_clear_difference() -> None:
    [difference] = found(pair_of(GOOD, BAD), FindingKind.DIFFERENCE)
    assert difference.text.startswith("a is clearly better than b: the difference is 1.25 [")
    assert "(p < 0.001)" in difference.text
    assert not difference.doubtful


def test_the_better_model_comes_first() -> None:
    assert "b is clearly better than a: the difference is 1.25 [" in text_of(
        pair_of(BAD, GOOD), FindingKind.DIFFERENCE
    )


def test_a_difference_that_may_be_due_to_chance() -> None:
    [difference] = found(pair_of([2, 0] * 20, [0, 2] * 19 + [0, 0]), FindingKind.DIFFERENCE)
    assert difference.text.startswith("a and b cannot be distinguished: the difference is 0.05 [")
    assert "its interval includes 0" in difference.text
    assert "On 40 clips, a true difference below 0.89 " in difference.text
    assert difference.doubtful


def test_a_difference_that_is_not_significant_after_correction_is_weak() -> None:
    report = pair_of(GOOD, BAD)
    [pair] = report.pairs or ()
    [difference] = found(
        replace(report, pairs=[replace(pair, p_holm=0.07)]), FindingKind.DIFFERENCE
    )
    assert "a may be better than b, but the evidence is weak: " in difference.text
    assert "(p = 0.070)" in difference.text
    assert difference.doubtful


def test_all_other_models_are_compared_with_the_best_in_short() -> None:
    models = [GOOD, GOOD[::-1], BAD, [0] * 40]
    named = [results(name, scored(*best)) for name, best in zip("abcd", models, strict=True)]
    first, others = found(summarise_report(named), FindingKind.DIFFERENCE)
    assert "a and b cannot be distinguished: the difference is 0.00 [" in first.text
    assert "corrected for 6 comparisons" in first.text
    assert others.text.startswith(
        "Compared with the other models, a is clearly better than c (1.25 ["
    )
    assert " and d (1.50 [" in others.text
    assert not others.doubtful


@pytest.mark.parametrize(
    ("clips", "expected"),
    [(4, "4 clips are too few for an interval"), (7, "too few for a test")],
)
def test_few_clips_do_not_show_a_difference(clips: int, expected: str) -> None:
    [difference] = found(pair_of([2] * clips, [0] * clips), FindingKind.DIFFERENCE)
    assert expected in difference.text
    assert difference.doubtful


def test_missing_verdicts_are_stated() -> None:
    incomplete = results("b", judged(0, missing=100, clips=40))
    [difference] = found(
        summarise_report([results("a", scored(*GOOD)), incomplete]), FindingKind.DIFFERENCE
    )
    assert "compared on 220 of 320 items (28 of 40 clips)" in difference.text
    assert difference.doubtful


def test_the_runner_up_may_be_ahead_on_the_common_items() -> None:
    # The second model was judged on the hard clips only.
    hard = scored(*[0] * 20, *[1] * 20).of_items(np.arange(40)[:, None] >= 20)
    report = summarise_report([results("a", scored(*[2] * 22, *[0] * 18)), results("b", hard)])
    assert text_of(report, FindingKind.BEST).startswith("a scores highest")
    assert "On the answers that both have, b is clearly better than a" in text_of(
        report, FindingKind.DIFFERENCE
    )


def test_scores_that_are_not_compared_refer_to_the_comparison() -> None:
    models = [results("a", scored(*GOOD)), results("b", scored(*BAD))]
    [difference] = found(summarise(models), FindingKind.DIFFERENCE)
    assert "jasco compare" in difference.text
    assert not found(summarise(models[:1]), FindingKind.DIFFERENCE)


def test_the_reason_why_models_are_not_compared_is_given() -> None:
    other = results("b", scored(*BAD), facts={"identity": {"name": "other"}})
    text = text_of(summarise_report([results("a", scored(*GOOD)), other]), FindingKind.DIFFERENCE)
    assert "a and b are not compared: they differ in judges" in text


# --- cues ---


@pytest.mark.parametrize(
    ("matrix", "expected", "doubtful"),
    [
        (shares(2, 4, 10), "a answers mostly from the speech alone: 62.5% [", False),
        (shares(7, 4, 5), "a answers most often from the sound alone: 43.8% [", False),
        (shares(6, 5, 5), "a: no cue clearly dominates", True),
        (judged(0, Orientation.NEITHER, clips=40), "a: no answer names an action", False),
    ],
)
def test_the_dominating_cue_is_named(matrix: VerdictMatrix, expected: str, doubtful: bool) -> None:
    [cues] = found(one(matrix), FindingKind.CUES)
    assert cues.text.startswith(expected)
    assert cues.doubtful == doubtful


def test_labels_of_a_judge_that_names_missing_cues_are_doubtful() -> None:
    often = Attribution(Estimate(0.1), Estimate(0.38, 0.25, 0.5), 210, 200, 384, 368)
    [cues] = found(one(shares(2, 4, 10), attribution={JUDGE: often}), FindingKind.CUES)
    assert f"{JUDGE} labels 38.0% of the answers given without the speech" in cues.text
    assert "10.0%" not in cues.text
    assert cues.doubtful


def test_measured_reliance_replaces_the_opinion_of_the_judges() -> None:
    measured = reliance_report()
    [cues] = found(one(shares(2, 4, 10)), FindingKind.CUES, reliance={"a": measured})
    assert cues.text.startswith("The answers of a depend on both cues: without the sound")
    assert "0.15 [0.08, 0.22]" in cues.text
    unmeasured = reliance_report("original")
    [cues] = found(one(shares(2, 4, 10)), FindingKind.CUES, reliance={"a": unmeasured})
    assert "the answers that rest on a cue" in cues.text


# --- clips ---


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


# --- judges ---


def random_ratings(seed: int = 1, low: int = 0) -> VerdictMatrix:
    ratings = np.random.default_rng(seed).integers(low, 3, (40, 8)).astype(np.float32)
    return with_ratings(ratings)


def with_ratings(ratings: Any) -> VerdictMatrix:
    both = np.full(ratings.shape, ORIENTATIONS.index(Orientation.BOTH), np.int8)
    return VerdictMatrix(np.asarray(ratings, np.float32), both, np.zeros(ratings.shape, bool))


def test_a_single_judge_has_no_agreement() -> None:
    [judges] = found(one(scored(*GOOD)), FindingKind.JUDGES)
    assert judges.text.startswith(f"Only one judge, {JUDGE}:")
    assert judges.doubtful


@pytest.mark.parametrize(
    ("other", "level", "doubtful"), [(1, "reliable", False), (2, "unreliable", True)]
)
def test_agreement_is_classified(other: int, level: str, doubtful: bool) -> None:
    [judges, *_] = found(one(random_ratings(), random_ratings(other)), FindingKind.JUDGES)
    assert f", {level}; orientations unknown, because all labels are equal" in judges.text
    assert "0.8 or more is reliable" in judges.text
    assert judges.doubtful == doubtful


def test_of_two_judges_only_the_stricter_one_is_named() -> None:
    strict = with_ratings(random_ratings(low=1).ratings - 1)
    text = text_of(one(random_ratings(low=1), strict), FindingKind.JUDGES)
    assert f"{JUDGE}1 is stricter than {JUDGE}: it scores 1.00 [" in text
    assert "odd" not in text


def test_of_three_judges_the_odd_and_the_strict_one_are_named() -> None:
    same = random_ratings(low=1)
    odd = with_ratings(random_ratings(7).ratings * 0.5 // 1)
    text = text_of(one(same, same, odd), FindingKind.JUDGES)
    assert f"{JUDGE}2 is the odd judge out" in text
    assert f"{JUDGE}2 is the strictest judge" in text


def test_judges_that_differ_by_chance_are_not_named() -> None:
    text = text_of(one(random_ratings(1), random_ratings(2), random_ratings(3)), FindingKind.JUDGES)
    assert "odd" not in text


# --- doubts ---


def test_doubts_name_missing_data_proxies_and_few_clips() -> None:
    models = [
        results(name, judged(missing=4, clips=20), facts={"proxy": True}, answers=Answers(160, 150))
        for name in "ab"
    ]
    doubts = found(summarise_report(models), FindingKind.DOUBT)
    assert all(finding.doubtful for finding in doubts)
    text = " ".join(finding.text for finding in doubts)
    assert "a and b: PROXY figures." in text
    assert "a and b: INCOMPLETE: coverage 97.5%." in text


def test_wide_intervals_are_a_doubt() -> None:
    assert "10 clips give intervals" in text_of(one(scored(*[0, 2] * 5)), FindingKind.DOUBT)
    assert "3 clips are too few" in text_of(one(scored(0, 1, 2)), FindingKind.DOUBT)
    assert "imprecise" not in text_of(one(scored(*GOOD)), FindingKind.DOUBT)


def test_judges_without_an_exam_are_a_doubt() -> None:
    assert f"{JUDGE}: not examined" in text_of(one(scored(*GOOD)), FindingKind.DOUBT)


# --- any report ---

CELLS = st.lists(st.sampled_from([-1, 0, 1, 2]), min_size=8, max_size=48)


@given(st.lists(CELLS, min_size=1, max_size=2), st.integers(1, 2))
@settings(max_examples=10, deadline=None)
def test_every_report_has_findings(models: list[list[int]], judges: int) -> None:
    clips = max(map(len, models)) // 8
    rows = []
    for number, cells in enumerate(models):
        matrix = VerdictMatrix.none_yet(clips)
        for index, rating in enumerate(cells[: 8 * clips]):
            if rating >= 0:
                verdict = Verdict(rating, ORIENTATIONS[(index + rating) % 4])
                matrix.enter(index // 8, index % 8 + 1, verdict)
        rows.append(results(f"m{number}", *[matrix] * judges))
    report = summarise_report(rows)
    said = findings(report)
    assert said[0].kind is FindingKind.BEST
    assert [finding.kind for finding in said] == sorted(
        (finding.kind for finding in said), key=list(FindingKind).index
    )
    for finding in said:
        for word in ("None", "nan", "–", "  "):
            assert word not in finding.text
