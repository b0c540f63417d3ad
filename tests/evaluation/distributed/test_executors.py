import sys

import pytest

from jasco.errors import InputError
from jasco.evaluation.distributed.executors import open_executor


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("locla", "did you mean local"),
        ("local,wrokers=2", "unknown key"),
        ("local,workers=0", "workers"),
        ("local,workers=two", "expected an integer"),
        ("local,workers", "missing value"),
    ],
)
def test_invalid_executor(text: str, part: str) -> None:
    with pytest.raises(InputError, match=part):
        open_executor(text)


def test_options_have_defaults() -> None:
    assert open_executor("local").options == {"workers": None}
    assert open_executor("local,workers=3").options["workers"] == 3


def test_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "jasco.evaluation.distributed.ray_executor", raising=False)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install 'jasco\[ray\]'"):
        open_executor("ray")
