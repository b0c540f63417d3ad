"""Tiny models with random weights, and what the original code computed from them.

``JASCO_ORACLE`` names a folder with one folder a system; each holds ``config.json``,
``weights*.safetensors`` under the original names, ``inputs.npz`` and ``expected.safetensors``.
"""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ORACLE = Path(os.environ.get("JASCO_ORACLE") or Path(__file__).parents[2] / "shared" / "oracle")


class Oracle:
    """One system's folder."""

    def __init__(self, system: str) -> None:
        self.folder = ORACLE / system
        if not (self.folder / "config.json").is_file():
            pytest.skip(f"no fixtures of {system} in {ORACLE} (JASCO_ORACLE names another folder)")
        self.config: dict[str, Any] = json.loads((self.folder / "config.json").read_text("utf-8"))
        self.inputs = dict(np.load(self.folder / "inputs.npz"))
        self.weights = self.tensors("weights")
        self.expected = self.tensors("expected")

    def tensors(self, name: str) -> dict[str, Any]:
        """Read one of its files of tensors."""
        from safetensors.torch import load_file

        return load_file(self.folder / f"{name}.safetensors")

    def json(self, name: str) -> Any:
        """Read one of its other files."""
        return json.loads((self.folder / f"{name}.json").read_text("utf-8"))

    def wave(self, clip: str) -> np.ndarray:
        """Give a clip's samples, int16."""
        return self.inputs[f"wav_{clip}"]


def found(llama: Any, sequence: Any, search: Any) -> list[int]:
    """Give the answer that a search finds behind a sequence."""
    from jasco.models.native.decoding import decode

    decode(llama, [sequence], [search])
    answer: list[int] = search.answer
    return answer
