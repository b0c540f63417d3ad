"""From verdicts to figures, against hand-computed examples and the slow way."""

import itertools
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jasco.benchmark.scoring import Marks, Score, score_judge, score_panel
from jasco.benchmark.verdicts import Orientation, Verdict

AUDIO, SPEECH, BOTH, NEITHER = Orientation
Sheet = list[dict[int, Verdict]]
"""A judge's verdicts: for each clip, by the instruction's number."""


def marks_of(sheet: Sheet) -> Marks:
    marks = Marks.none_yet(len(sheet))
    for clip, verdicts in enumerate(sheet):
        for number, verdict in verdicts.items():
            marks.enter(clip, number, verdict)
    return marks


def score(sheet: Sheet) -> Score:
    return score_judge(marks_of(sheet))


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
    assert score(sheet).best_mean == pytest.approx((1 + 2 + 0) / 3)
    assert score(sheet).mean == pytest.approx((1 / 8 + 2 / 8 + 0) / 3)
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
    assert (figures.audio, figures.both, figures.speech) == (2 / 4, 1 / 4, 1 / 4)
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
    assert figures.best_mean == 2
    assert figures.mean == 2
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
    assert score(sheet).best_mean == (1 + 1 + 0) / 3
    assert score(sheet).bounds == (2 / 4, 7 / 4)


def test_nothing_readable_has_no_figures_and_the_widest_bounds() -> None:
    for sheet in ([{}, {}], [whole(Verdict(None, None)), {}]):
        figures = score(sheet)
        assert figures.best_mean is None
        assert figures.mean is None
        assert (figures.audio, figures.both, figures.speech) == (None, None, None)
        assert figures.neither_rate is None
        assert figures.bounds == (0, 2)
        assert figures.coverage == 0


def test_only_neither_has_no_dependence() -> None:
    figures = score([whole(Verdict(2, NEITHER))])
    assert (figures.audio, figures.both, figures.speech) == (None, None, None)
    assert figures.neither_rate == 1
    assert figures.best_mean == 0


def test_a_panel_averages_after_the_best_is_taken() -> None:
    one = [whole(Verdict(2, BOTH), Verdict(0, BOTH))]
    other = [whole(Verdict(0, BOTH), Verdict(2, BOTH), Verdict(0, BOTH))]
    panel = score_panel([score(one), score(other)])
    assert panel.best_mean == 2  # the best of the averages would be 1


def test_a_panel_is_the_mean_of_its_judges_and_complete_if_they_all_are() -> None:
    one = score([whole(Verdict(2, BOTH), Verdict(1, AUDIO))])
    other = score([{1: Verdict(1, BOTH), 2: Verdict(0, NEITHER), 3: Verdict(None, None)}])
    panel = score_panel([one, other])
    assert panel.best_mean == (2 + 1) / 2
    assert panel.mean == (2 / 8 + 1 / 2) / 2
    assert (panel.audio, panel.both, panel.speech) == ((7 / 8 + 0) / 2, (1 / 8 + 1) / 2, 0)
    assert panel.neither_rate == (0 + 1 / 2) / 2
    assert panel.unreadable_rate == (0 + 1 / 8) / 2
    assert panel.coverage == (1 + 2 / 8) / 2
    assert panel.bounds == ((2 + 1) / 2, (2 + 2) / 2)
    assert not panel.complete
    assert score_panel([one, one]).complete


def test_a_panel_has_no_figure_that_one_of_its_judges_lacks() -> None:
    panel = score_panel([score([whole(Verdict(2, BOTH))]), score([{}])])
    assert panel.best_mean is None
    assert panel.both is None
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
    assert figures.best_mean == (pytest.approx(fmean(map(max, seen))) if seen else None)
    assert figures.mean == (pytest.approx(fmean(map(fmean, seen))) if seen else None)
    every = [verdict.orientation for clip in readable for verdict in clip]
    oriented = [orientation for orientation in every if orientation != NEITHER]
    for name, orientation in (("audio", AUDIO), ("both", BOTH), ("speech", SPEECH)):
        share = oriented.count(orientation) / len(oriented) if oriented else None
        assert getattr(figures, name) == share
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
        return score(filled).best_mean

    low, high = score(sheet).bounds
    fillings = itertools.product((0, 1, 2), Orientation)
    reached = [completed(Verdict(rating, orientation)) for rating, orientation in fillings]
    assert min(reached) == pytest.approx(low)  # type: ignore[type-var]
    assert max(reached) == pytest.approx(high)  # type: ignore[type-var]


@given(st.lists(SHEETS, min_size=1, max_size=3))
def test_a_panel_is_within_its_judges(sheets: list[Sheet]) -> None:
    scores = [score(sheet) for sheet in sheets]
    panel = score_panel(scores)
    means = [each.best_mean for each in scores]
    if None in means:
        assert panel.best_mean is None
    else:
        assert panel.best_mean == pytest.approx(fmean(means))  # type: ignore[type-var]
    assert panel.coverage == pytest.approx(fmean(each.coverage for each in scores))
