"""Tiny audio chat models of transformers, for the tests that need them."""

import asyncio
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

import tiny_models
from jasco.backends.specs import open_spec
from jasco.data.dataset import DataSet
from jasco.models.transformers import HuggingFace, families


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a family's tiny checkpoint, which is written at its first use."""
    root, folders = tmp_path_factory.mktemp("checkpoints"), dict[str, Path]()

    def find(family: str) -> Path:
        if family not in folders:
            for module, package in families.FAMILIES[family].needs:
                if find_spec(module) is None:
                    pytest.skip(f"{family} needs {package}")
                if module == "peft":
                    from transformers.integrations import peft

                    pytest.importorskip("peft", peft.MIN_PEFT_VERSION)
            folders[family] = tiny_models.FAMILIES[family](root / family)
        return folders[family]

    return find


@pytest.fixture
def load() -> Iterator[Callable[..., HuggingFace]]:
    """Return a prepared model: ``load(folder, "batch=1")``."""
    models: list[HuggingFace] = []

    def load(folder: Path, *options: str) -> HuggingFace:
        model: HuggingFace = open_spec("model", ",".join([f"hf/{folder}", *options]))
        models.append(model)
        asyncio.run(model.prepare(DataSet("none", ())))
        return model

    yield load
    for model in models:
        asyncio.run(model.close())
