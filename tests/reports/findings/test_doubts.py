"""The reasons not to trust the figures."""

from jasco.reports.comparison import summarise_report
from jasco.reports.findings import FindingKind
from jasco.runs.results import Answers
from made_findings import GOOD, found, one, scored, text_of
from made_results import JUDGE, judged, results


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
