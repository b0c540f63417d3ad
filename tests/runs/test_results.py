"""The results of a model by all or some of its judges."""

from dataclasses import replace

import pytest

from jasco.errors import InputError
from jasco.metrics.reliance import Attribution
from jasco.metrics.scoring import ClipScores
from jasco.protocol.verdicts import Orientation, Verdict
from jasco.runs.results import JudgedItems, JudgeFacts, Results, clips_by_score, judge_named
from made_results import JUDGE, MODEL, OTHER, judged, results

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


def mixed_results() -> Results:
    """Return the results of a judge that gives 2 and a proxy that gives 1."""
    kinds = {JUDGE: JudgeFacts(), f"{JUDGE}1": JudgeFacts(proxy=True)}
    return results(OTHER, judged(2), judged(1), judges=kinds)


def test_a_proxy_and_a_judge_have_no_panel() -> None:
    mixed = mixed_results()
    [_, second] = mixed.judges
    assert mixed.mixed
    assert mixed.figures
    assert mixed.figures.panel.best_mean.value is None
    assert mixed.figures.judges[second].best_mean.value == 1


def test_proxies_are_averaged_only_with_proxies() -> None:
    mixed = mixed_results()
    assert list(mixed.averaged) == [JUDGE]
    assert mixed.clip_scores == dict.fromkeys("01", ClipScores((2.0,) * 8, 2.0, 2.0))
    proxies = results(MODEL, judged(2), judged(1), facts={"proxy": True})
    assert list(proxies.averaged) == list(proxies.judges)
    assert proxies.clip_scores["0"].mean == 1.5


def test_clips_are_ordered_by_their_mean_over_models_with_a_score() -> None:
    easy_first = judged(0)
    easy_first.enter(0, 1, Verdict(2, Orientation.BOTH))
    partly = judged(2, missing=8)  # nothing on the second clip
    assert clips_by_score([results(MODEL, easy_first)]) == {"1": 0.0, "0": 0.25}
    assert clips_by_score([results(MODEL, easy_first), results(OTHER, partly)]) == {"0": 1.125}
    reversed_clips = replace(
        results(OTHER, easy_first), clips=tuple(reversed(results(MODEL).clips))
    )
    both = clips_by_score([results(MODEL, judged(0)), reversed_clips])
    assert both == {"0": 0.0, "1": 0.125}
    assert list(both) == ["0", "1"]
    assert clips_by_score([results(MODEL)]) == {}


def test_participants_order_the_clips_only_among_themselves() -> None:
    identity = {"provider": "human"}
    participant = results(OTHER, judged(0, missing=8), identity=identity)
    assert participant.single_prompt
    assert clips_by_score([participant, results(MODEL, judged(1))]) == {"0": 1.0, "1": 1.0}
    assert clips_by_score([participant]) == {"0": 0.0}


def test_models_whose_clips_are_unknown_do_not_order_clips() -> None:
    assert clips_by_score([results(MODEL, judged(1), clips=())]) == {}
