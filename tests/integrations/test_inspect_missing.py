"""What is said if the library of an integration is not installed."""

import sys
from pathlib import Path

import pytest

import jasco


@pytest.fixture
def no_inspect(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("jasco.integrations.inspect")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "inspect_ai", None)
    monkeypatch.setitem(sys.modules, "inspect_ai.log", None)


@pytest.mark.usefixtures("no_inspect")
def test_the_task_names_the_extra() -> None:
    with pytest.raises(ImportError, match=r"jasco\[inspect\]"):
        import jasco.integrations.inspect  # noqa: F401


@pytest.mark.usefixtures("no_inspect")
def test_a_log_names_the_extra(tmp_path: Path) -> None:
    log = tmp_path / "log.eval"
    log.write_bytes(b"PK")
    with pytest.raises(jasco.InputError, match=r"log.eval.*jasco\[inspect\]"):
        jasco.judge(log, judges="offline", output=tmp_path / "judged.csv")
