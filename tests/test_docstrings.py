"""Examples in docstrings run and print what they say."""

import doctest
import importlib
import importlib.util
import pkgutil
from pathlib import Path

import pytest

import jasco
import jasco.plugins


def modules_with_examples() -> list[str]:
    """Return the names of the modules whose docstrings have examples."""
    names = []
    for module in pkgutil.walk_packages(jasco.__path__, "jasco."):
        spec = importlib.util.find_spec(module.name)
        if spec and spec.origin and ">>>" in Path(spec.origin).read_text("utf-8"):
            names.append(module.name)
    return names


@pytest.mark.parametrize("name", modules_with_examples())
def test_examples_in_docstrings_run(name: str) -> None:
    results = doctest.testmod(importlib.import_module(name))
    assert results.attempted
    assert not results.failed


@pytest.mark.parametrize("module", [jasco, jasco.plugins])
def test_everything_public_is_there_and_documented(module: object) -> None:
    for name in module.__all__:  # type: ignore[attr-defined]
        value = getattr(module, name)
        assert name.startswith("__") or value.__doc__, name
