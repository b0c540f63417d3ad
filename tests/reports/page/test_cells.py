"""Cells: a score is seen as what it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("jinja2", reason="needs the extra viewer")

from jasco.protocol.verdicts import Orientation
from jasco.reports.page.cells import CUES, Cell, cell_of, score_class


@given(st.floats(0, 2))
def test_only_no_score_is_seen_as_none(score: float) -> None:
    quarters = int(score_class(score)[1:])
    assert (quarters == 0) == (score == 0)
    assert quarters in range(9)
    assert abs(quarters / 4 - score) <= 0.125 or quarters == 1


def test_a_cell_has_its_score_or_why_there_is_none() -> None:
    assert cell_of(1.25) == Cell("s5", "", "1.25")
    assert cell_of(0.1) == Cell("s1", "", "0.10")
    assert cell_of(0.0, "speech") == Cell("s0 speech", "s", "0, speech")
    assert cell_of(0.0, differ=True) == Cell("s0 differ", "", "0, judges differ")
    assert cell_of(1.5, differ=True) == Cell("s6 differ", "", "1.50, judges differ")
    assert cell_of(None) == Cell("missing", "", "no verdict")
    assert cell_of(None, missing="failed") == Cell("missing failed", "×", "failed")


def test_every_orientation_has_a_cue() -> None:
    assert list(CUES) == list(Orientation)
