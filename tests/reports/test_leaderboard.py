"""Ranks with ties, and which results share a table."""

from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from markdown_it import MarkdownIt

from jasco.metrics.verdict_matrix import VerdictMatrix
from jasco.reports.leaderboard import Source, leaderboard_markdown, rank_models
from jasco.runs.results import Answers, Results
from made_results import JUDGE, MODEL, judged, results

CLIPS = 12


def model(name: str, *matrices: VerdictMatrix, **changes: Any) -> Source:
    matrices = matrices or (judged(clips=CLIPS),)
    return Source(results(name, *matrices, **changes), f"{name}.zip", "a" * 64)


@cache  # the figures of a result are computed once
def rated(name: str, rating: int, **changes: Any) -> Source:
    return model(name, judged(rating, clips=CLIPS), **changes)


def with_results(source: Source, **changes: Any) -> Source:
    return replace(source, results=replace(source.results, **changes))


def ranks(*sources: Source) -> list[dict[str, int]]:
    """Return the ranks by model, table by table, in the order shown."""
    return [
        {ranked.name: ranked.rank for ranked in table.models}
        for table in rank_models(sources).tables
    ]


def test_a_clearly_better_model_ranks_higher() -> None:
    assert ranks(rated("c", 0), rated("a", 2), rated("b", 1)) == [{"a": 1, "b": 2, "c": 3}]


def test_models_that_cannot_be_distinguished_share_a_rank() -> None:
    assert ranks(rated("a", 2), rated("b", 2), rated("c", 0)) == [{"a": 1, "b": 1, "c": 3}]


def test_few_clips_are_no_evidence() -> None:
    few = [model(name, judged(rating, clips=3)) for name, rating in (("a", 0), ("b", 2))]
    assert ranks(*few) == [{"b": 1, "a": 1}]


def test_one_model_is_first() -> None:
    assert ranks(rated("a", 1)) == [{"a": 1}]


def test_a_table_states_its_judges_and_whether_a_model_is_better() -> None:
    [equal] = rank_models([rated("a", 2), rated("b", 2)]).tables
    assert JUDGE in equal.about
    assert "No model is clearly better" in equal.about
    [distinct] = rank_models([rated("a", 2), rated("b", 0)]).tables
    assert "No model" not in distinct.about


def test_a_run_and_its_bundle_are_one_model() -> None:
    bundle = rated("a", 2)
    run = replace(bundle, name="runs/a", sha256="")
    board = rank_models([bundle, rated("b", 1), run])
    assert [ranked.source.name for ranked in board.tables[0].models] == ["a.zip", "b.zip"]
    assert board.left_out == (("runs/a", "it holds the same verdicts as a.zip"),)


OTHERS = {
    "data": lambda one: {"data": replace(one.data, annotations_sha256="c" * 64)},
    "audio": lambda one: {"data": replace(one.data, audio_sha256=None)},
    "protocol": lambda one: {"protocol": "v1"},
    "instructions": lambda one: {"instructions": tuple("abcdefgh")},
    "samples": lambda one: {"samples": 2},
    "condition": lambda one: {"condition": "sound"},
    "judges": lambda one: {
        "judges": {JUDGE: replace(one.judges[JUDGE], identity={"provider": "p", "name": "n"})}
    },
    "missing": lambda one: {"answers": Answers(8 * CLIPS, 8 * CLIPS - 1)},
}  # fmt: skip


@pytest.mark.parametrize("what", OTHERS)
def test_results_that_cannot_be_compared_are_never_mixed(what: str) -> None:
    first, second, other = rated("a", 1), rated("b", 1), rated("c", 2)
    other = with_results(other, **OTHERS[what](other.results))
    board = rank_models([other, first, second])
    tables = [[ranked.name for ranked in table.models] for table in board.tables]
    assert tables == [["a", "b"], ["c"]]  # the largest first
    assert board.tables[0].why == ""
    assert what in board.tables[1].why


def test_proxies_have_their_own_table() -> None:
    proxy = model("p", facts={"proxy": True})
    board = rank_models([proxy, rated("a", 1)])
    assert [table.models[0].name for table in board.tables] == ["a", "p"]
    assert "judges" in board.tables[1].why
    assert any("PROXY" in line for line in board.tables[1].cautions)


def test_participants_have_their_own_table() -> None:
    human = with_results(rated("ann", 2), identity={"provider": "human", "name": "ann"})
    board = rank_models([human, rated("a", 1)])
    assert [table.models[0].name for table in board.tables] == ["a", "ann"]
    assert "one instruction" in board.tables[1].why


def test_what_has_no_figure_is_left_out_with_the_reason() -> None:
    unjudged = Source(results("u"), "u.zip")
    mixed = model("m", judged(clips=CLIPS), judged(clips=CLIPS))
    labels = list(mixed.results.judges)
    judges = {
        **mixed.results.judges,
        labels[0]: replace(mixed.results.judges[labels[0]], proxy=True),
    }
    board = rank_models(
        [unjudged, with_results(mixed, judges=judges), rated("a", 1)], [("bad.zip", "not a bundle")]
    )
    assert [table.models[0].name for table in board.tables] == ["a"]
    assert [name for name, _ in board.left_out] == ["bad.zip", "u.zip", "m.zip"]


def test_models_with_the_same_name_stay_distinct() -> None:
    [table] = ranks(rated(MODEL, 2), rated(MODEL, 0))
    assert table == {f"{MODEL} (1)": 1, f"{MODEL} (2)": 2}


def test_verdicts_that_could_not_be_checked_are_a_caution() -> None:
    source = replace(rated("a", 1), not_checked=("3 verdicts of j",))
    assert "a: not checked: 3 verdicts of j" in rank_models([source]).tables[0].cautions


HOSTILE = "<script>alert(1)</script> | [x](http://evil) `code` @you\n# heading"


def hostile_results() -> Results:
    return replace(rated("a", 1).results, name=HOSTILE, model=HOSTILE)


def test_markdown_shows_hostile_names_as_text() -> None:
    hostile = Source(hostile_results(), HOSTILE, "b" * 64)
    board = rank_models([hostile, rated("b", 2)], [(HOSTILE, HOSTILE)])
    text = leaderboard_markdown(board)
    page = MarkdownIt("gfm-like", {"linkify": False}).render(text)
    assert "<script" not in page
    assert "<a " not in page
    assert page.count("<h1") == 1
    assert page.count("<table") == 2  # the ranking and the differences
    rows = page.partition("<tbody>")[2].partition("</tbody>")[0]
    assert rows.count("<tr>") == 2
    assert "b" * 64 in page
