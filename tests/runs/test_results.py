"""The results of a model by all or some of its judges."""

import pytest

from jasco.errors import InputError
from jasco.metrics.reliance import Attribution
from jasco.runs.results import JudgedItems, judge_named
from made_results import MODEL, OTHER, judged, results

LABELS = ("openai/a", "openai/b,temperature=1", "openai/b,temperature=2")


def test_a_judge_is_named_by_its_label_or_where_it_is_unambiguous_without_options() -> None:
    assert judge_named("openai/a", LABELS, "m") == "openai/a"
    assert judge_named("openai/b", LABELS[:2], "m") == "openai/b,temperature=1"
    assert judge_named("openai/b,temperature=2", LABELS, "m") == "openai/b,temperature=2"


@pytest.mark.parametrize(
    ("name", "message"),
    [("openai/b", "more than one"), ("openai/aa", "no such judge.*openai/a"), ("\x1b", "no such")],
)
def test_other_names_are_refused(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        judge_named(name, LABELS, "m")
    assert "\x1b" not in str(error.value)


def test_the_figures_are_those_of_the_judges_named() -> None:
    attribution = {"openai/JUDGE": Attribution(), "openai/JUDGE1": Attribution()}
    two_judges = results(MODEL, judged(2), judged(0), attribution=attribution)
    assert two_judges.figures
    assert two_judges.figures.panel.best_mean.value == 1
    [first, second] = two_judges.judges
    one_judge = two_judges.judged_by([second, second])
    assert list(one_judge.judges) == [second]
    assert list(one_judge.attribution) == [second]
    assert one_judge.figures
    assert one_judge.figures.panel.best_mean.value == 0
    assert two_judges.judged_by([]) is two_judges
    items = JudgedItems((), {}, {first: {}, second: {}}, judge_failures={first: {}})
    assert list(items.judged_by([second, first]).judges) == [second, first]
    assert items.judged_by([second]).judge_failures == {}


def test_a_proxy_and_a_judge_have_no_panel() -> None:
    judges = results(OTHER, judged(2), judged(1))
    [first, second] = judges.judges
    mixed = results(
        OTHER,
        judged(2),
        judged(1),
        judges={first: judges.judges[first], second: type(judges.judges[second])(proxy=True)},
    )
    assert mixed.mixed
    assert mixed.figures
    assert mixed.figures.panel.best_mean.value is None
    assert mixed.figures.judges[second].best_mean.value == 1
