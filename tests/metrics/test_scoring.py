"""From verdicts to figures, against examples computed by hand and naive implementations."""

import itertools
import os
import random
import re
import subprocess
import sys
from dataclasses import replace
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gated_scores import gated_score
from jasco.metrics import bootstrap, verdict_matrix
from jasco.metrics.bootstrap import Estimate
from jasco.metrics.scoring import (
    ClipScores,
    PanelScore,
    Score,
    clip_scores,
    hardest_first,
    item_score,
    mean_by_clip,
    score_panel,
    self_agreement,
)
from jasco.metrics.verdict_matrix import VerdictMatrix
from jasco.protocol.instructions import INSTRUCTIONS, SOUND_FIRST
from jasco.protocol.verdicts import Orientation, Verdict
from matrices import random_matrix

AUDIO, SPEECH, BOTH, NEITHER = Orientation
Table = list[dict[int, Verdict]]
"""A judge's verdicts: for each clip, by the instruction's number."""


def matrix_of(table: Table, *, single_prompt: bool = False) -> VerdictMatrix:
    matrix = VerdictMatrix.none_yet(len(table), single_prompt=single_prompt)
    for clip, verdicts in enumerate(table):
        for number, verdict in verdicts.items():
            matrix.enter(clip, number, verdict)
    return matrix


def score(table: Table) -> Score:
    return panel_of(table).judges["0"]


def panel_of(*tables: Table) -> PanelScore:
    return score_panel({str(n): matrix_of(table) for n, table in enumerate(tables)}, resamples=20)


def full_clip(*verdicts: Verdict) -> dict[int, Verdict]:
    """Return a clip's eight verdicts; the last one is repeated."""
    all_verdicts = [*verdicts, *[verdicts[-1]] * (8 - len(verdicts))]
    return dict(enumerate(all_verdicts, start=1))


def test_the_best_gated_score_of_each_clip_is_averaged() -> None:
    table = [
        full_clip(
            Verdict(2, AUDIO), Verdict(1, BOTH), Verdict(0, BOTH)
        ),  # best 1: the 2 is not Both
        full_clip(Verdict(0, BOTH), Verdict(2, BOTH), Verdict(2, SPEECH)),  # best 2
        full_clip(Verdict(2, NEITHER)),  # best 0
    ]
    assert score(table).best_mean.value == pytest.approx((1 + 2 + 0) / 3)
    assert score(table).mean.value == pytest.approx((1 / 8 + 2 / 8 + 0) / 3)
    assert score(table).bounds == (1, 1)
    assert score(table).complete


def test_dependence_is_a_share_of_what_is_neither_neither_nor_unreadable() -> None:
    table = [
        dict(
            enumerate(
                [
                    Verdict(0, AUDIO),
                    Verdict(1, AUDIO),
                    Verdict(2, BOTH),
                    Verdict(2, SPEECH),
                    Verdict(0, NEITHER),
                    Verdict(None, AUDIO),
                    Verdict(2, None),
                ],
                start=1,
            )
        )
    ]
    figures = score(table)
    assert (figures.audio.value, figures.both.value, figures.speech.value) == (2 / 4, 1 / 4, 1 / 4)
    assert figures.neither_rate == 1 / 5  # of the readable
    assert figures.unreadable_rate == 2 / 8  # of the expected
    assert figures.coverage == 5 / 8
    assert not figures.complete


def test_missing_is_never_zero() -> None:
    complete = full_clip(Verdict(2, BOTH))
    table: Table = [
        {3: Verdict(2, BOTH)},
        {number: Verdict(None, BOTH) for number in range(1, 9)},
        {},
        complete,
    ]
    figures = score(table)
    assert figures.best_mean.value == 2
    assert figures.mean.value == 2
    assert figures.bounds == ((2 + 0 + 0 + 2) / 4, 2)
    assert figures.coverage == 9 / 32
    assert not figures.complete


def test_bounds_put_what_is_missing_at_its_worst_and_best() -> None:
    table = [
        {1: Verdict(1, BOTH)},  # 1 to 2
        full_clip(Verdict(1, BOTH)),  # 1 whatever comes
        {},  # 0 to 2
        {1: Verdict(2, AUDIO)},  # 0 to 2
    ]
    assert score(table).best_mean.value == (1 + 1 + 0) / 3
    assert score(table).bounds == (2 / 4, 7 / 4)


def test_nothing_readable_has_no_figures_and_the_widest_bounds() -> None:
    for table in ([{}, {}], [full_clip(Verdict(None, None)), {}]):
        figures = score(table)
        assert figures.best_mean.value is None
        assert figures.mean.value is None
        assert (figures.audio.value, figures.both.value, figures.speech.value) == (None, None, None)
        assert figures.neither_rate is None
        assert figures.bounds == (0, 2)
        assert figures.coverage == 0


def test_only_neither_has_no_dependence() -> None:
    figures = score([full_clip(Verdict(2, NEITHER))])
    assert (figures.audio.value, figures.both.value, figures.speech.value) == (None, None, None)
    assert figures.neither_rate == 1
    assert figures.best_mean.value == 0


def test_a_panel_averages_after_the_best_is_taken() -> None:
    one = [full_clip(Verdict(2, BOTH), Verdict(0, BOTH))]
    other = [full_clip(Verdict(0, BOTH), Verdict(2, BOTH), Verdict(0, BOTH))]
    panel = panel_of(one, other).panel
    assert panel.best_mean.value == 2  # the best of the averages would be 1


def test_a_panel_is_the_mean_of_its_judges_and_complete_if_they_all_are() -> None:
    one: Table = [full_clip(Verdict(2, BOTH), Verdict(1, AUDIO))]
    other: Table = [{1: Verdict(1, BOTH), 2: Verdict(0, NEITHER), 3: Verdict(None, None)}]
    panel = panel_of(one, other).panel
    assert panel.best_mean.value == (2 + 1) / 2
    assert panel.mean.value == (2 / 8 + 1 / 2) / 2
    assert (panel.audio.value, panel.both.value, panel.speech.value) == (
        (7 / 8 + 0) / 2,
        (1 / 8 + 1) / 2,
        0,
    )
    assert panel.neither_rate == (0 + 1 / 2) / 2
    assert panel.unreadable_rate == (0 + 1 / 8) / 2
    assert panel.coverage == (1 + 2 / 8) / 2
    assert panel.bounds == ((2 + 1) / 2, (2 + 2) / 2)
    assert not panel.complete
    assert panel_of(one, one).panel.complete


def test_a_panel_has_no_figure_that_one_of_its_judges_lacks() -> None:
    panel = panel_of([full_clip(Verdict(2, BOTH))], [{}]).panel
    assert panel.best_mean.value is None
    assert panel.both.value is None
    assert panel.bounds == (1, 2)


VERDICTS = st.builds(
    Verdict,
    st.sampled_from([0, 1, 2, 2, None]),
    st.sampled_from([BOTH, BOTH, BOTH, *Orientation, None]),
)
TABLES = st.lists(st.dictionaries(st.integers(1, 8), VERDICTS), min_size=1, max_size=4)


@given(TABLES)
def test_any_table_scores_as_the_slow_way_computes(table: Table) -> None:
    figures = score(table)
    readable = [
        [verdict for verdict in clip.values() if None not in (verdict.rating, verdict.orientation)]
        for clip in table
    ]
    scores = [[gated_score(verdict) for verdict in clip] for clip in readable if clip]
    assert figures.best_mean.value == (pytest.approx(fmean(map(max, scores))) if scores else None)
    assert figures.mean.value == (pytest.approx(fmean(map(fmean, scores))) if scores else None)
    orientations = [verdict.orientation for clip in readable for verdict in clip]
    oriented = [orientation for orientation in orientations if orientation != NEITHER]
    for name, orientation in (("audio", AUDIO), ("both", BOTH), ("speech", SPEECH)):
        share = oriented.count(orientation) / len(oriented) if oriented else None
        assert getattr(figures, name).value == share
    assert figures.neither_rate == (
        orientations.count(NEITHER) / len(orientations) if orientations else None
    )
    expected = 8 * len(table)
    verdict_count = sum(len(clip) for clip in table)
    assert figures.unreadable_rate == (verdict_count - len(orientations)) / expected
    assert figures.coverage == len(orientations) / expected
    assert figures.complete == (len(orientations) == expected)


@given(TABLES)
def test_the_bounds_are_what_completions_can_reach(table: Table) -> None:
    def completed(replacement: Verdict) -> float | None:
        complete = [
            {
                number: clip[number] if number in clip and clip[number].readable else replacement
                for number in range(1, 9)
            }
            for clip in table
        ]
        return score(complete).best_mean.value

    bounds = score(table).bounds
    assert bounds
    low, high = bounds
    replacements = itertools.product((0, 1, 2), Orientation)
    means = [completed(Verdict(rating, orientation)) for rating, orientation in replacements]
    assert min(means) == pytest.approx(low)  # type: ignore[type-var]
    assert max(means) == pytest.approx(high)  # type: ignore[type-var]


@given(st.lists(TABLES, min_size=1, max_size=3))
def test_a_panel_is_within_its_judges(tables: list[Table]) -> None:
    longest = max(map(len, tables))
    scored = panel_of(*(table + [{}] * (longest - len(table)) for table in tables))
    scores, panel = list(scored.judges.values()), scored.panel
    means = [judge_score.best_mean.value for judge_score in scores]
    if None in means:
        assert panel.best_mean.value is None
    else:
        assert panel.best_mean.value == pytest.approx(fmean(means))  # type: ignore[type-var]
    assert panel.coverage == pytest.approx(fmean(judge_score.coverage for judge_score in scores))


# --- prompts: best of k, by instruction, sound first ---


def random_table(seed: int, clips: int = 12) -> Table:
    rng = random.Random(seed)
    return [
        {n: Verdict(rng.randrange(3), rng.choice(list(Orientation))) for n in range(1, 9)}
        for _ in range(clips)
    ]


@pytest.mark.parametrize("seed", range(3))
def test_best_of_k_is_the_mean_over_all_choices_of_k_prompts(seed: int) -> None:
    table = random_table(seed)
    figures = score(table)
    for k, estimate in enumerate(figures.best_at, start=1):
        by_clip = [
            fmean(
                max(map(gated_score, verdicts))
                for verdicts in itertools.combinations(clip.values(), k)
            )
            for clip in table
        ]
        assert estimate.value == pytest.approx(fmean(by_clip))
    assert figures.best_at[0].value == pytest.approx(figures.mean.value)
    assert figures.best_at[7].value == pytest.approx(figures.best_mean.value)


def test_noise_alone_lifts_the_best_of_eight() -> None:
    rng = random.Random(4)
    table = [
        {n: Verdict(rng.choices((0, 1, 2), (0.7, 0.2, 0.1))[0], BOTH) for n in range(1, 9)}
        for _ in range(4000)
    ]
    ends = score(table).best_at
    assert ends[0].value == pytest.approx(0.40, abs=0.02)
    assert ends[7].value == pytest.approx(1.51, abs=0.02)


def test_best_of_k_needs_every_verdict() -> None:
    table = random_table(5)
    table[3][2] = Verdict(None, BOTH)
    assert score(table).best_at == ()


def test_each_instruction_has_its_mean_and_orders_are_paired_over_clips() -> None:
    table = random_table(6)
    table[0] = {1: Verdict(2, BOTH), 2: Verdict(1, BOTH)}
    table[1] = {1: Verdict(2, BOTH)}  # nothing to pair
    figures = score(table)
    for number in range(1, 9):
        scores = [gated_score(clip[number]) for clip in table if number in clip]
        assert figures.by_instruction[number - 1].value == pytest.approx(fmean(scores))
    differences = [
        fmean(gated_score(clip[n]) for n in (1, 4, 6, 7) if n in clip)
        - fmean(gated_score(clip[n]) for n in (2, 3, 5, 8) if n in clip)
        for clip in table
        if len(clip) > 1
    ]
    assert figures.sound_first.value == pytest.approx(fmean(differences))


def test_an_instruction_names_the_sound_first_where_its_text_does() -> None:
    for number, text in enumerate(INSTRUCTIONS, start=1):
        sound, speech = re.search("sound", text), re.search("spoken|speaker say", text)
        assert sound
        assert speech
        assert (number in SOUND_FIRST) == (sound.start() < speech.start()), text


@pytest.mark.slow
def test_intervals_are_those_of_figures_of_resampled_tables() -> None:
    names = ("best_mean", "mean", "audio", "both", "speech")
    table = random_table(7, clips=41)  # with fewer clips intervals are not percentiles
    table[4] = {}
    matrix = matrix_of(table)
    scored = score_panel({"judge": matrix}).panel
    rng = np.random.default_rng(8)
    resampled = []
    for _ in range(700):
        sample = matrix.of_clips(rng.integers(41, size=41))
        panel = score_panel({"judge": sample}, resamples=1).panel
        resampled.append([getattr(panel, name).value for name in names])
    ends = np.quantile(resampled, [0.025, 0.975], axis=0).T
    for name, (low, high) in zip(names, ends, strict=True):
        assert getattr(scored, name).interval == pytest.approx((low, high), abs=0.05), name


def test_the_mean_has_bounds_as_well() -> None:
    table = [{1: Verdict(1, BOTH)}, full_clip(Verdict(2, AUDIO)), {}]
    assert score(table).mean_bounds == pytest.approx(((1 / 8) / 3, ((1 + 7 * 2) / 8 + 2) / 3))
    complete = score([full_clip(Verdict(1, BOTH))])
    assert complete.mean_bounds == (1, 1)


# --- human participants: one item a clip ---

SINGLE_PROMPT_TABLES = st.lists(
    st.dictionaries(st.integers(1, 8), VERDICTS, max_size=1), min_size=1, max_size=12
)


def score_single_prompt(table: Table) -> Score:
    return score_panel({"0": matrix_of(table, single_prompt=True)}, resamples=20).panel


def test_of_participants_one_verdict_a_clip_is_expected_and_there_is_no_best_of_several() -> None:
    figures = score_single_prompt(
        [
            {3: Verdict(2, BOTH)},
            {1: Verdict(1, BOTH)},
            {8: Verdict(2, SPEECH)},
            {1: Verdict(0, BOTH)},
        ]
    )
    assert figures.complete
    assert figures.coverage == 1
    assert figures.mean.value == 3 / 4
    assert figures.mean_bounds == (3 / 4, 3 / 4)
    assert figures.best_mean == Estimate(None)
    assert figures.bounds is None
    assert figures.best_at == ()
    assert {estimate.value for estimate in figures.by_instruction} == {None}
    assert figures.sound_first.value is None
    assert (figures.audio.value, figures.both.value, figures.speech.value) == (0, 3 / 4, 1 / 4)


def test_what_participants_lack_is_counted_by_clip() -> None:
    figures = score_single_prompt(
        [{3: Verdict(2, BOTH)}, {1: Verdict(None, BOTH)}, {}, {2: Verdict(2, NEITHER)}]
    )
    assert not figures.complete
    assert figures.coverage == 2 / 4
    assert figures.unreadable_rate == 1 / 4
    assert figures.neither_rate == 1 / 2
    assert figures.mean.value == 1
    assert figures.mean_bounds == (2 / 4, (2 + 2 + 2) / 4)


@given(SINGLE_PROMPT_TABLES)
def test_participants_score_as_the_slow_way_computes(table: Table) -> None:
    figures = score_single_prompt(table)
    readable = [verdict for clip in table for verdict in clip.values() if verdict.readable]
    assert figures.mean.value == (
        pytest.approx(fmean(map(gated_score, readable))) if readable else None
    )
    assert figures.coverage == len(readable) / len(table)
    assert figures.complete == (len(readable) == len(table))
    assert figures.unreadable_rate == (sum(map(len, table)) - len(readable)) / len(table)
    missing = len(table) - len(readable)
    scored = sum(map(gated_score, readable))
    bounds = scored / len(table), (scored + 2 * missing) / len(table)
    assert figures.mean_bounds == pytest.approx(bounds)
    model_figures = score(table)  # of a model's table, these figures are the same
    assert (figures.mean.value, figures.audio) == (model_figures.mean.value, model_figures.audio)
    assert figures.neither_rate == model_figures.neither_rate


@pytest.mark.parametrize("seed", range(3))
def test_the_interval_of_participants_is_that_of_a_mean_over_clips(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ratings = rng.integers(0, 3, 60)
    table = [{int(rng.integers(1, 9)): Verdict(int(rating), BOTH)} for rating in ratings]
    estimate = score_panel({"judge": matrix_of(table, single_prompt=True)}).panel.mean
    error = np.std(ratings) / 60**0.5
    assert estimate.interval == pytest.approx(
        (ratings.mean() - 1.96 * error, ratings.mean() + 1.96 * error), abs=0.2 * error
    )


def test_a_panel_on_participants_is_the_mean_of_its_judges() -> None:
    one, other = [{1: Verdict(2, BOTH)}, {2: Verdict(0, AUDIO)}], [{1: Verdict(0, BOTH)}, {}]
    scored = score_panel(
        {str(n): matrix_of(table, single_prompt=True) for n, table in enumerate((one, other))},
        resamples=20,
    )
    assert scored.panel.mean.value == (1 + 0) / 2
    assert scored.panel.best_mean.value is None
    assert scored.panel.bounds is None
    assert scored.panel.mean_bounds == ((1 + 0) / 2, (1 + 1) / 2)
    assert scored.panel.coverage == (1 + 1 / 2) / 2
    assert scored.agreement is not None


# --- figures of clips and instructions ---


def test_the_scores_of_a_clip_are_averaged_over_the_judges_who_have_one() -> None:
    one: Table = [{1: Verdict(2, BOTH), 2: Verdict(1, BOTH)}, {8: Verdict(2, AUDIO)}, {}]
    other: Table = [{1: Verdict(1, BOTH)}, {}, {3: Verdict(None, BOTH)}]
    first, second, third = clip_scores([matrix_of(one), matrix_of(other)], 3, 8)
    assert first == ClipScores((1.5, 1.0, *[None] * 6), 1.25, 1.5)
    assert second == ClipScores((*[None] * 7, 0.0), 0.0, 0.0)
    assert third == ClipScores((None,) * 8, None, None)


def test_without_a_judge_no_clip_has_a_score() -> None:
    assert clip_scores([], 2, 8) == [ClipScores((None,) * 8, None, None)] * 2


def test_the_means_of_clips_are_those_of_their_scores() -> None:
    kept = np.arange(20)[:, None] > np.arange(8)  # nothing on the first clip
    panel = [random_matrix(seed, 20).of_items(kept) for seed in range(3)]
    expected = [np.nan if each.mean is None else each.mean for each in clip_scores(panel, 20, 8)]
    assert np.isnan(expected[0])
    assert mean_by_clip(panel) == pytest.approx(expected, nan_ok=True)


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=4), st.floats(0, 1))
def test_the_best_score_of_a_clip_is_at_least_its_mean(seeds: list[int], missing: float) -> None:
    panel = [
        random_matrix(seed, 5).of_items(np.random.default_rng(seed).random((5, 8)) >= missing)
        for seed in seeds
    ]
    for clip in clip_scores(panel, 5, 8):
        assert clip.best is clip.mean is None or clip.best >= clip.mean - 1e-12  # type: ignore[operator]


def test_a_clip_counts_as_hard_only_if_all_models_are_scored_on_it() -> None:
    weak, strong = np.array([0.0, 0.5, 1.0, 0.5]), np.array([np.nan, 1.5, 1.0, 1.5])
    clips, means = hardest_first([weak, strong, np.full(4, np.nan)])
    assert clips.tolist() == [1, 2, 3]  # equally hard, in their order
    assert means.tolist() == [1.0, 1.0, 1.0]
    clips, means = hardest_first([weak])
    assert clips.tolist() == [0, 1, 3, 2]
    assert means.tolist() == [0.0, 0.5, 0.5, 1.0]
    assert [len(each) for each in hardest_first([np.full(4, np.nan)])] == [0, 0]


def test_the_score_of_an_answer_is_the_mean_of_its_readable_verdicts() -> None:
    verdicts = [Verdict(2, BOTH), Verdict(1, AUDIO), Verdict(None, BOTH), Verdict(2, None)]
    assert item_score(verdicts) == 1
    assert item_score(verdicts[2:]) is None


def test_the_spread_of_the_instructions_is_that_of_their_means() -> None:
    assert (
        score([{1: Verdict(2, BOTH), 2: Verdict(0, BOTH), 3: Verdict(1, BOTH)}]).instruction_spread
        == 2
    )
    assert score([{}]).instruction_spread is None


def test_a_judge_is_compared_with_itself_on_the_clips_judged_twice() -> None:
    first = matrix_of([full_clip(Verdict(2, BOTH), Verdict(0, AUDIO)), full_clip(Verdict(1, BOTH))])
    second = matrix_of([full_clip(Verdict(2, BOTH), Verdict(0, AUDIO)), {}])
    agreement = self_agreement([first, second])
    assert agreement
    assert agreement.rating_alpha.value == 1
    assert agreement.pairs[0].items == 8
    assert self_agreement([first]) is None
    assert self_agreement([first, matrix_of([{}, {}])]) is None


# --- several samples, other instructions ---


def test_a_figure_is_computed_for_each_sample_and_averaged() -> None:
    samples = [random_matrix(seed, clips=12) for seed in (1, 2, 3)]
    scores = [score_panel({"j": sample}, resamples=50) for sample in samples]
    several = score_panel({"j": VerdictMatrix.of_samples(samples)}, resamples=50).panel
    for name in ("best_mean", "mean", "audio", "both", "speech", "sound_first"):
        values = [getattr(score.panel, name).value for score in scores]
        assert getattr(several, name).value == pytest.approx(fmean(values))
    assert several.neither_rate == pytest.approx(fmean(s.panel.neither_rate or 0 for s in scores))
    assert several.bounds == pytest.approx((several.best_mean.value,) * 2)
    assert len(several.best_at) == 8
    assert several.complete


def test_a_panels_figure_is_the_mean_of_its_judges_with_samples_too() -> None:
    panel = {
        name: VerdictMatrix.of_samples([random_matrix(seed, clips=12) for seed in seeds])
        for name, seeds in (("a", (1, 2)), ("b", (3, 4)))
    }
    figures = score_panel(panel, resamples=50)
    values = [score.best_mean.value for score in figures.judges.values()]
    assert figures.panel.best_mean.value == pytest.approx(np.mean(values))
    alone = score_panel({"a": panel["a"]}, resamples=50).panel
    assert figures.judges["a"].mean == alone.mean
    assert figures.agreement


def test_a_single_sample_changes_nothing() -> None:
    matrix = random_matrix(5)
    assert score_panel({"j": VerdictMatrix.of_samples([matrix])}) == score_panel({"j": matrix})


def test_a_sample_without_a_verdict_lowers_the_coverage_alone() -> None:
    matrix, none = random_matrix(5, clips=12), VerdictMatrix.none_yet(12)
    one = score_panel({"j": matrix}, resamples=50).panel
    two = score_panel({"j": VerdictMatrix.of_samples([matrix, none])}, resamples=50).panel
    assert (two.best_mean, two.neither_rate) == (one.best_mean, one.neither_rate)
    assert (two.coverage, two.complete) == (0.5, False)
    assert two.bounds == pytest.approx(
        ((one.best_mean.value or 0) / 2, (one.best_mean.value or 0) / 2 + 1)
    )


@pytest.mark.parametrize("count", [1, 2, 5, 11])
def test_any_number_of_instructions_has_a_curve_that_ends_at_best_mean(count: int) -> None:
    texts = [f"question {number}" for number in range(count)]
    matrix = VerdictMatrix.none_yet(6, instructions=texts)
    for clip, number in itertools.product(range(6), range(1, count + 1)):
        matrix.enter(clip, number, Verdict((clip + number) % 3, BOTH))
    score = score_panel({"j": matrix}, resamples=20).panel
    assert len(score.best_at) == len(score.by_instruction) == count
    assert score.best_at[0].value == pytest.approx(score.mean.value)
    assert score.best_at[-1].value == pytest.approx(score.best_mean.value)
    assert score.sound_first.value is None
    for k, figure in enumerate(score.best_at, start=1):
        best = [
            fmean(max(chosen) for chosen in itertools.combinations(row, k))
            for row in matrix.gated().tolist()
        ]
        assert figure.value == pytest.approx(fmean(best))


def test_eight_other_instructions_have_no_order_of_sound_and_speech() -> None:
    texts = [f"question {number}" for number in range(8)]
    matrix = VerdictMatrix.none_yet(2, instructions=texts)
    for clip, number in itertools.product(range(2), range(1, 9)):
        matrix.enter(clip, number, Verdict(1, BOTH))
    assert score_panel({"j": matrix}, resamples=20).panel.sound_first.value is None


# --- many clips ---


@pytest.mark.parametrize("single_prompt", [False, True])
def test_clips_summed_in_blocks_have_the_same_figures(
    monkeypatch: pytest.MonkeyPatch, *, single_prompt: bool
) -> None:
    panel = {}
    for seed in range(2):
        complete = random_matrix(seed, clips=500)
        chosen = np.random.default_rng(seed).random((500, 8)) < 0.6
        panel[str(seed)] = replace(complete.of_items(chosen), single_prompt=single_prompt)
    whole = score_panel(panel, resamples=2000)
    monkeypatch.setattr(bootstrap, "BLOCKS", 60)
    monkeypatch.setattr(verdict_matrix, "_CHUNK", 70)
    parts = score_panel(panel, resamples=2000)
    for one, other in zip(figures_of(parts), figures_of(whole), strict=True):
        assert one.value == pytest.approx(other.value)
        assert (one.interval is None) == (other.interval is None)
        if one.interval:
            assert one.interval == pytest.approx(other.interval, abs=0.05)
    for name in ("coverage", "complete", "bounds", "mean_bounds", "neither_rate"):
        assert getattr(parts.panel, name) == pytest.approx(getattr(whole.panel, name))
    assert parts.agreement and whole.agreement
    assert (parts.agreement.pairs[0].ratings == whole.agreement.pairs[0].ratings).all()


def figures_of(scores: PanelScore) -> list[Estimate]:
    """Return the estimates of a panel and the agreement of its judges."""
    score, agreement = scores.panel, scores.agreement
    assert agreement
    figures = [score.best_mean, score.mean, score.audio, score.both, score.speech]
    figures += [*score.best_at, *score.by_instruction, score.sound_first]
    alphas = [agreement.rating_alpha, agreement.orientation_alpha]
    return [*figures, *alphas, agreement.pairs[0].rating_kappa]


def test_clips_are_counted_not_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "BLOCKS", 4)  # fewer than an interval requires
    many, other = random_matrix(1, clips=600), random_matrix(2, clips=600)
    figures = figures_of(score_panel({"a": many, "b": other}, resamples=200))
    assert all(figure.interval for figure in figures)
    other.ratings[4:] = np.nan
    scores = score_panel({"a": many, "b": other}, resamples=200)
    assert scores.judges["a"].mean.interval is not None
    assert scores.judges["b"].mean.interval is None
    assert scores.agreement
    assert scores.agreement.rating_alpha.interval is None


_MANY_CLIPS = """
import re
from pathlib import Path
import numpy as np
from jasco.metrics.scoring import score_panel
from jasco.metrics.variance import variance_components
from matrices import random_matrix
panel = {str(seed): random_matrix(seed, clips=200_000) for seed in range(3)}
assert score_panel(panel).agreement
scores = np.array([[matrix.gated() for matrix in panel.values()]])
assert variance_components(scores.transpose(2, 3, 1, 0)).clips == 200_000
print(re.search(r"VmHWM:\\s+([0-9]+)", Path("/proc/self/status").read_text())[1])
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_many_clips_take_little_memory() -> None:
    command = [sys.executable, "-c", _MANY_CLIPS]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) / 1024 < 400
