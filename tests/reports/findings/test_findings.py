"""The findings in words: what a reader asks first, from computed figures only."""

from hypothesis import given, settings
from hypothesis import strategies as st

from jasco.metrics.verdict_matrix import ORIENTATIONS, VerdictMatrix
from jasco.protocol.verdicts import Verdict
from jasco.reports.comparison import summarise_report
from jasco.reports.findings import FindingKind, findings
from made_results import results

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
