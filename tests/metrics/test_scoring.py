"""From verdicts to figures, against hand-computed examples and the slow way."""

import itertools
import random
import re
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jasco.metrics.bootstrap import Estimate
from jasco.metrics.scoring import (
    ClipScores,
    PanelScore,
    Score,
    clip_scores,
    score_panel,
    self_agreement,
)
from jasco.metrics.verdict_matrix import VerdictMatrix
from jasco.protocol.instructions import INSTRUCTIONS, SOUND_FIRST
from jasco.protocol.verdicts import Orientation, Verdict

AUDIO, SPEECH, BOTH, NEITHER = Orientation
Sheet = list[dict[int, Verdict]]
"""A judge's verdicts: for each clip, by the instruction's number."""


def marks_of(sheet: Sheet, *, single_prompt: bool = False) -> VerdictMatrix:
    marks = VerdictMatrix.none_yet(len(sheet), single_prompt=single_prompt)
    for clip, verdicts in enumerate(sheet):
        for number, verdict in verdicts.items():
            marks.enter(clip, number, verdict)
    return marks


def score(sheet: Sheet) -> Score:
    return panel_of(sheet).judges["0"]


def panel_of(*sheets: Sheet) -> PanelScore:
    return score_panel({str(n): marks_of(sheet) for n, sheet in enumerate(sheets)}, resamples=20)


def whole(*verdicts: Verdict) -> dict[int, Verdict]:
    """Give a clip's verdicts; the last one stands for the rest of the eight."""
    padded = [*verdicts, *[verdicts[-1]] * (8 - len(verdicts))]
    return dict(enumerate(padded, start=1))


def test_the_best_gated_score_of_each_clip_is_averaged() -> None:
    sheet = [
        whole(Verdict(2, AUDIO), Verdict(1, BOTH), Verdict(0, BOTH)),  # best 1: the 2 is not Both
        whole(Verdict(0, BOTH), Verdict(2, BOTH), Verdict(2, SPEECH)),  # best 2
        whole(Verdict(2, NEITHER)),  # best 0
    ]
    assert score(sheet).best_mean.value == pytest.approx((1 + 2 + 0) / 3)
    assert score(sheet).mean.value == pytest.approx((1 / 8 + 2 / 8 + 0) / 3)
    assert score(sheet).bounds == (1, 1)
    assert score(sheet).complete


def test_dependence_is_a_share_of_what_is_neither_neither_nor_unreadable() -> None:
    sheet = [
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
    figures = score(sheet)
    assert (figures.audio.value, figures.both.value, figures.speech.value) == (2 / 4, 1 / 4, 1 / 4)
    assert figures.neither_rate == 1 / 5  # of the readable
    assert figures.unreadable_rate == 2 / 8  # of the expected
    assert figures.coverage == 5 / 8
    assert not figures.complete


def test_missing_is_never_zero() -> None:
    whole_clip = whole(Verdict(2, BOTH))
    holes: Sheet = [
        {3: Verdict(2, BOTH)},
        {number: Verdict(None, BOTH) for number in range(1, 9)},
        {},
        whole_clip,
    ]
    figures = score(holes)
    assert figures.best_mean.value == 2
    assert figures.mean.value == 2
    assert figures.bounds == ((2 + 0 + 0 + 2) / 4, 2)
    assert figures.coverage == 9 / 32
    assert not figures.complete


def test_bounds_put_what_is_missing_at_its_worst_and_best() -> None:
    sheet = [
        {1: Verdict(1, BOTH)},  # 1 to 2
        whole(Verdict(1, BOTH)),  # 1 whatever comes
        {},  # 0 to 2
        {1: Verdict(2, AUDIO)},  # 0 to 2
    ]
    assert score(sheet).best_mean.value == (1 + 1 + 0) / 3
    assert score(sheet).bounds == (2 / 4, 7 / 4)


def test_nothing_readable_has_no_figures_and_the_widest_bounds() -> None:
    for sheet in ([{}, {}], [whole(Verdict(None, None)), {}]):
        figures = score(sheet)
        assert figures.best_mean.value is None
        assert figures.mean.value is None
        assert (figures.audio.value, figures.both.value, figures.speech.value) == (None, None, None)
        assert figures.neither_rate is None
        assert figures.bounds == (0, 2)
        assert figures.coverage == 0


def test_only_neither_has_no_dependence() -> None:
    figures = score([whole(Verdict(2, NEITHER))])
    assert (figures.audio.value, figures.both.value, figures.speech.value) == (None, None, None)
    assert figures.neither_rate == 1
    assert figures.best_mean.value == 0


def test_a_panel_averages_after_the_best_is_taken() -> None:
    one = [whole(Verdict(2, BOTH), Verdict(0, BOTH))]
    other = [whole(Verdict(0, BOTH), Verdict(2, BOTH), Verdict(0, BOTH))]
    panel = panel_of(one, other).panel
    assert panel.best_mean.value == 2  # the best of the averages would be 1


def test_a_panel_is_the_mean_of_its_judges_and_complete_if_they_all_are() -> None:
    one: Sheet = [whole(Verdict(2, BOTH), Verdict(1, AUDIO))]
    other: Sheet = [{1: Verdict(1, BOTH), 2: Verdict(0, NEITHER), 3: Verdict(None, None)}]
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
    panel = panel_of([whole(Verdict(2, BOTH))], [{}]).panel
    assert panel.best_mean.value is None
    assert panel.both.value is None
    assert panel.bounds == (1, 2)


VERDICTS = st.builds(
    Verdict,
    st.sampled_from([0, 1, 2, 2, None]),
    st.sampled_from([BOTH, BOTH, BOTH, *Orientation, None]),
)
SHEETS = st.lists(st.dictionaries(st.integers(1, 8), VERDICTS), min_size=1, max_size=4)


def gated(verdict: Verdict) -> int:
    assert verdict.rating is not None
    return verdict.rating if verdict.orientation == BOTH else 0


@given(SHEETS)
def test_any_sheet_scores_as_the_slow_way_says(sheet: Sheet) -> None:
    figures = score(sheet)
    readable = [
        [verdict for verdict in clip.values() if None not in (verdict.rating, verdict.orientation)]
        for clip in sheet
    ]
    seen = [[gated(verdict) for verdict in clip] for clip in readable if clip]
    assert figures.best_mean.value == (pytest.approx(fmean(map(max, seen))) if seen else None)
    assert figures.mean.value == (pytest.approx(fmean(map(fmean, seen))) if seen else None)
    every = [verdict.orientation for clip in readable for verdict in clip]
    oriented = [orientation for orientation in every if orientation != NEITHER]
    for name, orientation in (("audio", AUDIO), ("both", BOTH), ("speech", SPEECH)):
        share = oriented.count(orientation) / len(oriented) if oriented else None
        assert getattr(figures, name).value == share
    assert figures.neither_rate == (every.count(NEITHER) / len(every) if every else None)
    expected = 8 * len(sheet)
    given_verdicts = sum(len(clip) for clip in sheet)
    assert figures.unreadable_rate == (given_verdicts - len(every)) / expected
    assert figures.coverage == len(every) / expected
    assert figures.complete == (len(every) == expected)


@given(SHEETS)
def test_the_bounds_are_what_completions_can_reach(sheet: Sheet) -> None:
    def completed(filling: Verdict) -> float | None:
        filled = [
            {
                number: clip[number] if number in clip and clip[number].readable else filling
                for number in range(1, 9)
            }
            for clip in sheet
        ]
        return score(filled).best_mean.value

    bounds = score(sheet).bounds
    assert bounds
    low, high = bounds
    fillings = itertools.product((0, 1, 2), Orientation)
    reached = [completed(Verdict(rating, orientation)) for rating, orientation in fillings]
    assert min(reached) == pytest.approx(low)  # type: ignore[type-var]
    assert max(reached) == pytest.approx(high)  # type: ignore[type-var]


@given(st.lists(SHEETS, min_size=1, max_size=3))
def test_a_panel_is_within_its_judges(sheets: list[Sheet]) -> None:
    longest = max(map(len, sheets))
    scored = panel_of(*(sheet + [{}] * (longest - len(sheet)) for sheet in sheets))
    scores, panel = list(scored.judges.values()), scored.panel
    means = [each.best_mean.value for each in scores]
    if None in means:
        assert panel.best_mean.value is None
    else:
        assert panel.best_mean.value == pytest.approx(fmean(means))  # type: ignore[type-var]
    assert panel.coverage == pytest.approx(fmean(each.coverage for each in scores))


# --- prompts: best of k, by instruction, sound first ---


def random_sheet(seed: int, clips: int = 12) -> Sheet:
    draw = random.Random(seed)
    return [
        {n: Verdict(draw.randrange(3), draw.choice(list(Orientation))) for n in range(1, 9)}
        for _ in range(clips)
    ]


@pytest.mark.parametrize("seed", range(3))
def test_best_of_k_is_the_mean_over_all_choices_of_k_prompts(seed: int) -> None:
    sheet = random_sheet(seed)
    figures = score(sheet)
    for k, found in enumerate(figures.best_at, start=1):
        by_clip = [
            fmean(max(map(gated, chosen)) for chosen in itertools.combinations(clip.values(), k))
            for clip in sheet
        ]
        assert found.value == pytest.approx(fmean(by_clip))
    assert figures.best_at[0].value == pytest.approx(figures.mean.value)
    assert figures.best_at[7].value == pytest.approx(figures.best_mean.value)


def test_noise_alone_lifts_the_best_of_eight() -> None:
    draw = random.Random(4)
    sheet = [
        {n: Verdict(draw.choices((0, 1, 2), (0.7, 0.2, 0.1))[0], BOTH) for n in range(1, 9)}
        for _ in range(4000)
    ]
    ends = score(sheet).best_at
    assert ends[0].value == pytest.approx(0.40, abs=0.02)
    assert ends[7].value == pytest.approx(1.51, abs=0.02)


def test_best_of_k_needs_every_verdict() -> None:
    sheet = random_sheet(5)
    sheet[3][2] = Verdict(None, BOTH)
    assert score(sheet).best_at == ()


def test_each_instruction_has_its_mean_and_orders_are_paired_over_clips() -> None:
    sheet = random_sheet(6)
    sheet[0] = {1: Verdict(2, BOTH), 2: Verdict(1, BOTH)}
    sheet[1] = {1: Verdict(2, BOTH)}  # nothing to pair
    figures = score(sheet)
    for number in range(1, 9):
        given_ = [gated(clip[number]) for clip in sheet if number in clip]
        assert figures.by_instruction[number - 1].value == pytest.approx(fmean(given_))
    apart = [
        fmean(gated(clip[n]) for n in (1, 4, 6, 7) if n in clip)
        - fmean(gated(clip[n]) for n in (2, 3, 5, 8) if n in clip)
        for clip in sheet
        if len(clip) > 1
    ]
    assert figures.sound_first.value == pytest.approx(fmean(apart))


def test_an_instruction_names_the_sound_first_where_it_says_so() -> None:
    for number, text in enumerate(INSTRUCTIONS, start=1):
        sound, speech = re.search("sound", text), re.search("spoken|speaker say", text)
        assert sound
        assert speech
        assert (number in SOUND_FIRST) == (sound.start() < speech.start()), text


def test_intervals_are_those_of_figures_of_resampled_sheets() -> None:
    names = ("best_mean", "mean", "audio", "both", "speech")
    sheet = random_sheet(7, clips=41)  # of fewer they are not mere percentiles
    sheet[4] = {}
    marks = marks_of(sheet)
    found = score_panel({"judge": marks}).panel
    draw = np.random.default_rng(8)
    again = []
    for _ in range(1500):
        chosen = marks.of_clips(draw.integers(41, size=41))
        panel = score_panel({"judge": chosen}, resamples=1).panel
        again.append([getattr(panel, name).value for name in names])
    ends = np.quantile(again, [0.025, 0.975], axis=0).T
    for name, (low, high) in zip(names, ends, strict=True):
        assert getattr(found, name).interval == pytest.approx((low, high), abs=0.05), name


def test_the_mean_has_bounds_as_well() -> None:
    sheet = [{1: Verdict(1, BOTH)}, whole(Verdict(2, AUDIO)), {}]
    assert score(sheet).mean_bounds == pytest.approx(((1 / 8) / 3, ((1 + 7 * 2) / 8 + 2) / 3))
    complete = score([whole(Verdict(1, BOTH))])
    assert complete.mean_bounds == (1, 1)


# --- people: one item a clip ---

ONCE = st.lists(st.dictionaries(st.integers(1, 8), VERDICTS, max_size=1), min_size=1, max_size=12)


def score_once(sheet: Sheet) -> Score:
    return score_panel({"0": marks_of(sheet, single_prompt=True)}, resamples=20).panel


def test_of_people_one_verdict_a_clip_is_expected_and_there_is_no_best_of_several() -> None:
    figures = score_once(
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
    assert {each.value for each in figures.by_instruction} == {None}
    assert figures.sound_first.value is None
    assert (figures.audio.value, figures.both.value, figures.speech.value) == (0, 3 / 4, 1 / 4)


def test_what_people_lack_is_counted_by_clip() -> None:
    figures = score_once(
        [{3: Verdict(2, BOTH)}, {1: Verdict(None, BOTH)}, {}, {2: Verdict(2, NEITHER)}]
    )
    assert not figures.complete
    assert figures.coverage == 2 / 4
    assert figures.unreadable_rate == 1 / 4
    assert figures.neither_rate == 1 / 2
    assert figures.mean.value == 1
    assert figures.mean_bounds == (2 / 4, (2 + 2 + 2) / 4)


@given(ONCE)
def test_people_score_as_the_slow_way_says(sheet: Sheet) -> None:
    figures = score_once(sheet)
    read = [verdict for clip in sheet for verdict in clip.values() if verdict.readable]
    assert figures.mean.value == (pytest.approx(fmean(map(gated, read))) if read else None)
    assert figures.coverage == len(read) / len(sheet)
    assert figures.complete == (len(read) == len(sheet))
    assert figures.unreadable_rate == (sum(map(len, sheet)) - len(read)) / len(sheet)
    missing = len(sheet) - len(read)
    scored = sum(map(gated, read))
    bounds = scored / len(sheet), (scored + 2 * missing) / len(sheet)
    assert figures.mean_bounds == pytest.approx(bounds)
    eight = score(sheet)  # what is no best of several in a model's sheet either
    assert (figures.mean.value, figures.audio) == (eight.mean.value, eight.audio)
    assert figures.neither_rate == eight.neither_rate


@pytest.mark.parametrize("seed", range(3))
def test_the_interval_of_people_is_that_of_a_mean_over_clips(seed: int) -> None:
    draw = np.random.default_rng(seed)
    ratings = draw.integers(0, 3, 60)
    sheet = [{int(draw.integers(1, 9)): Verdict(int(rating), BOTH)} for rating in ratings]
    found = score_panel({"judge": marks_of(sheet, single_prompt=True)}).panel.mean
    error = np.std(ratings) / 60**0.5
    assert found.interval == pytest.approx(
        (ratings.mean() - 1.96 * error, ratings.mean() + 1.96 * error), abs=0.2 * error
    )


def test_a_panel_on_people_is_the_mean_of_its_judges() -> None:
    one, other = [{1: Verdict(2, BOTH)}, {2: Verdict(0, AUDIO)}], [{1: Verdict(0, BOTH)}, {}]
    both = score_panel(
        {str(n): marks_of(sheet, single_prompt=True) for n, sheet in enumerate((one, other))},
        resamples=20,
    )
    assert both.panel.mean.value == (1 + 0) / 2
    assert both.panel.best_mean.value is None
    assert both.panel.bounds is None
    assert both.panel.mean_bounds == ((1 + 0) / 2, (1 + 1) / 2)
    assert both.panel.coverage == (1 + 1 / 2) / 2
    assert both.agreement is not None


# --- what reports show of clips and instructions ---


def test_the_scores_of_a_clip_are_averaged_over_the_judges_who_have_one() -> None:
    one: Sheet = [{1: Verdict(2, BOTH), 2: Verdict(1, BOTH)}, {8: Verdict(2, AUDIO)}, {}]
    other: Sheet = [{1: Verdict(1, BOTH)}, {}, {3: Verdict(None, BOTH)}]
    first, second, third = clip_scores([marks_of(one), marks_of(other)], 3)
    assert first == ClipScores((1.5, 1.0, *[None] * 6), 1.25)
    assert second == ClipScores((*[None] * 7, 0.0), 0.0)
    assert third == ClipScores((None,) * 8, None)


def test_without_a_judge_no_clip_has_a_score() -> None:
    assert clip_scores([], 2) == [ClipScores((None,) * 8, None)] * 2


def test_the_spread_of_the_instructions_is_that_of_their_means() -> None:
    assert (
        score([{1: Verdict(2, BOTH), 2: Verdict(0, BOTH), 3: Verdict(1, BOTH)}]).instruction_spread
        == 2
    )
    assert score([{}]).instruction_spread is None


def test_a_judge_is_compared_with_itself_on_the_clips_judged_twice() -> None:
    once = marks_of([whole(Verdict(2, BOTH), Verdict(0, AUDIO)), whole(Verdict(1, BOTH))])
    again = marks_of([whole(Verdict(2, BOTH), Verdict(0, AUDIO)), {}])
    agreement = self_agreement([once, again])
    assert agreement
    assert agreement.rating_alpha.value == 1
    assert agreement.pairs[0].items == 8
    assert self_agreement([once]) is None
    assert self_agreement([once, marks_of([{}, {}])]) is None
