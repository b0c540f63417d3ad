"""The functions about data sets."""

from pathlib import Path
from typing import Any

import pytest

import jasco
from folder_contents import folder_contents
from jasco import InputError, make_stems
from jasco.data.dataset import MINI


def test_make_stems_checks_existing_stems() -> None:
    report = make_stems(MINI, check=True)
    assert report.exact
    assert "exact" in str(report)
    assert "exact" in repr(report)
    with pytest.raises(InputError, match="check must be True or False"):
        make_stems(MINI, check=1)  # type: ignore[arg-type]


@pytest.mark.parametrize("form", ["croissant", "audiofolder"])
def test_an_export_overwrites_nothing(tmp_path: Path, form: Any) -> None:
    output = tmp_path / "output"
    jasco.export_dataset("mini", output, format=form)
    before = folder_contents(tmp_path)
    with pytest.raises(InputError, match=r"already exists.*output="):
        jasco.export_dataset("mini", output, format=form)
    assert folder_contents(tmp_path) == before
    with pytest.raises(InputError, match="format"):
        jasco.export_dataset("mini", tmp_path / "new", format="zip")  # type: ignore[arg-type]
