"""The real models."""

import importlib.util

import pytest


@pytest.fixture(scope="module")
def real_models() -> None:
    for name in ("faster_whisper", "onnxruntime", "xllamacpp"):
        if not importlib.util.find_spec(name):
            pytest.skip(f"{name} is not installed (extra: cascade)")
