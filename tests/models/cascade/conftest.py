"""What the cascade's tests share."""

import importlib.util

import pytest


@pytest.fixture(scope="module")
def real_models() -> None:
    """Skip the test where a library of the real models is missing."""
    for name in ("faster_whisper", "onnxruntime", "xllamacpp"):
        if not importlib.util.find_spec(name):
            pytest.skip(f"{name} is not installed (extra: cascade)")
