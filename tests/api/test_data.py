"""The functions about data sets."""

import pytest

from jasco import InputError, make_stems
from jasco.data.dataset import MINI


def test_make_stems_checks_existing_stems() -> None:
    report = make_stems(MINI, check=True)
    assert report.exact
    assert "exact" in str(report)
    assert "exact" in repr(report)
    with pytest.raises(InputError, match="check must be True or False"):
        make_stems(MINI, check=1)  # type: ignore[arg-type]
