"""The names of the judges by whom models are ranked."""

import pytest

from jasco.reports.findings import FindingKind
from jasco.runs.results import JudgeFacts
from made_findings import GOOD, one, scored, text_of


def test_options_of_judges_are_left_out_unless_they_distinguish_them() -> None:
    facts = {"openai/x,output=json": JudgeFacts(), "openai/y,output=json": JudgeFacts()}
    matrices = dict.fromkeys(facts, scored(*GOOD))
    report = one(scored(*GOOD), judges=facts, matrices=matrices)
    assert "rated by openai/x and openai/y (their mean)" in text_of(report, FindingKind.BEST)
    assert "," not in text_of(report, FindingKind.DOUBT).partition("openai/y")[0]


@pytest.mark.parametrize("proxy", [True, False])
def test_the_judge_of_a_csv_file_is_not_named(proxy: bool) -> None:
    judge = {"a": JudgeFacts(proxy=proxy)}
    report = one(scored(*GOOD), judges=judge, matrices={"a": scored(*GOOD)})
    assert ("rated by a proxy" in text_of(report, FindingKind.BEST)) == proxy
    assert ("rated by" in text_of(report, FindingKind.BEST)) == proxy
    assert text_of(report, FindingKind.JUDGES).startswith("Only one judge")
