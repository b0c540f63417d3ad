"""Optional libraries."""

import sys
from pathlib import Path

import pytest

from jasco.backends.optional_imports import import_optional
from jasco.errors import InputError


def test_a_module_that_is_there_is_returned() -> None:
    assert import_optional("json.decoder", "hf/x", "native").__name__ == "json.decoder"


def test_a_missing_library_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "module_of_ours.py").write_text("import no_such_library.part")
    for module in ("no_such_library", "module_of_ours"):
        with pytest.raises(InputError, match=r"^hf/x .* no_such_library; .*'jasco\[native\]'$"):
            import_optional(module, "hf/x", "native")


def test_a_broken_library_is_named_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "broken_library.py").write_text("raise ImportError('libcuda.so.1:\\nno such file')")
    with pytest.raises(
        InputError, match=r"broken_library \(libcuda.so.1: no such file\); run: pip"
    ):
        import_optional("broken_library", "hf/x", "native")


def test_a_module_of_this_package_that_is_missing_is_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jasco.models.no_such_module", None)
    with pytest.raises(ImportError):
        import_optional("jasco.models.no_such_module", "hf/x", "native")
