"""Tiny models with random weights, and what the original code computed from them.

``JASCO_ORACLE`` names a folder with one folder a system; each holds ``config.json``,
``weights*.safetensors`` under the original names, ``inputs.npz`` and ``expected.safetensors``.
Clips, questions, sizes, lengths and numbers of tokens are read from there, so that any folder of
the same layout will do.
"""

import json
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from places import SHARED

ORACLE = Path(os.environ.get("JASCO_ORACLE") or SHARED / "oracle")

Tensors = Mapping[str, Any]

STAGE, LOGITS = 1e-5, 2.5e-5
"""How far off a stage may be that is computed from its stored inputs, and how far off logits."""

ROUNDING = 3
"""What the READMEs' figures for everything from the waveform on are multiplied by.

They were measured on one machine. With other instructions, or another number of threads, float32
rounds otherwise, and at a few positions a language model multiplies differences by ten.
"""


class Oracle:
    """One system's folder."""

    def __init__(self, system: str, root: Path = ORACLE) -> None:
        self.folder = root / system
        if not (self.folder / "config.json").is_file():
            pytest.skip(f"no fixtures of {system} in {root} (JASCO_ORACLE names another folder)")
        self.config: dict[str, Any] = json.loads((self.folder / "config.json").read_text("utf-8"))
        self.inputs = dict(np.load(self.folder / "inputs.npz"))

    @cached_property
    def weights(self) -> dict[str, Any]:
        return self.tensors("weights")

    @cached_property
    def expected(self) -> dict[str, Any]:
        return self.tensors("expected")

    def tensors(self, name: str) -> dict[str, Any]:
        """Read one of its files of tensors."""
        import torch
        from safetensors.torch import load_file

        with torch.inference_mode(False):  # a network can be made of these anywhere
            return load_file(self.folder / f"{name}.safetensors")

    def json(self, name: str) -> Any:
        """Read one of its other files."""
        return json.loads((self.folder / f"{name}.json").read_text("utf-8"))

    @cached_property
    def clips(self) -> list[str]:
        """Names of the clips."""
        names = {key.removeprefix("wav_") for key in self.inputs if key.startswith("wav_")}
        patterns = {name.removesuffix("_pattern") for name in names if name.endswith("_pattern")}
        patterns = {name for name in patterns if f"{name}_len" in names}
        halves = {f"{name}_{half}" for name in patterns for half in ("pattern", "len")}
        return sorted(names - halves | patterns)

    def wave(self, clip: str) -> np.ndarray:
        """Give a clip's samples, int16: stored, or a pattern that repeats up to a length."""
        if f"wav_{clip}" in self.inputs:
            return self.inputs[f"wav_{clip}"]
        pattern, length = (self.inputs[f"wav_{clip}_{half}"] for half in ("pattern", "len"))
        return np.resize(pattern, int(length.item()))

    def clip_of(self, name: str) -> str:
        """Give the clip that a tensor, or a dialogue, belongs to; empty: none."""
        return max((c for c in self.clips if name.startswith(f"{c}.")), key=len, default="")

    @cached_property
    def asked(self) -> list[str]:
        """Clip and question of each dialogue: ``a.q0``."""
        return sorted({name.rpartition(".")[0] for name in self.inputs if self.clip_of(name)})

    def ids(self, name: str) -> list[int]:
        """Give stored tokens."""
        return self.inputs[name].tolist()


def number_of(asked: str) -> int:
    """Give the number of a dialogue's question: 3 of ``a.q3``."""
    return int(re.search(r"\d+$", asked)[0])


@dataclass(frozen=True)
class Stage:
    """A step of what a system computes.

    Attributes
    ----------
    of : str
        What the names of its tensors begin with: a clip, or a clip and a question.
    inputs : sequence of str
        The tensors that it takes, in full, which other stages compute. None: it takes a waveform
        or tokens.
    compute : callable
        Gives tensors by name, of those.
    """

    of: str
    inputs: Sequence[str]
    compute: Callable[..., Tensors]

    def run(self, known: Tensors) -> dict[str, Any]:
        """Compute its tensors from what is known."""
        computed = self.compute(*(known[name] for name in self.inputs))
        return {f"{self.of}.{name}": value for name, value in computed.items()}


def end_to_end(stages: Iterable[Stage]) -> dict[str, Any]:
    """Compute everything from what is given, each stage from what those before it computed."""
    computed: dict[str, Any] = {}
    for stage in stages:
        computed |= stage.run(computed)
    return computed


def stage_by_stage(stages: Iterable[Stage], stored: Tensors) -> dict[str, Any]:
    """Compute each stage of which the inputs are stored, from these."""
    computed: dict[str, Any] = {}
    for stage in stages:
        if stage.inputs and all(name in stored for name in stage.inputs):
            computed |= stage.run(stored)
    return computed


_PART = re.compile(r"(.+?)(?:_cols)?_(?:every_(\d+)|(head|first\d+)|last\d+)")
_ENDS = re.compile(r"\.(logits|logits_full|final_hidden_before_norm)$")


def recorded(name: str, computed: Tensors, like: Any) -> Any:
    """Give what was computed of a stored tensor, which may be a part; None: nothing was.

    The name tells the part: every 20th row (``_every_20``), the first (``_head``, ``_first3``) or
    the last ones (``_last2``, and sequences of which fewer positions are stored).
    """
    if name in computed and not _ENDS.search(name):
        return computed[name]
    part = _PART.fullmatch(name)
    whole, step, start = part.groups() if part and name not in computed else (name, None, None)
    if whole not in computed:
        return None
    value = computed[whole]
    axes = range(like.dim()) if value.dim() == like.dim() else ()
    longer = [axis for axis in axes if value.shape[axis] > like.shape[axis]]
    if len(longer) != 1:
        return value
    rows, count = value.movedim(longer[0], 0), like.shape[longer[0]]
    if step:
        rows = rows[:: int(step)]
    elif start:
        rows = rows[:count]
    else:
        rows = rows[-count:]
    return rows.movedim(0, longer[0])


def difference(ours: Any, theirs: Any) -> float:
    """Give the largest difference; inf: other shapes or numbers of things, none, -inf elsewhere."""
    if ours.shape != theirs.shape or not theirs.numel():
        return math.inf
    ours, theirs = ours[ours != theirs], theirs[ours != theirs]
    if not len(theirs):
        return 0.0
    apart = (ours.double() - theirs.double()).abs()
    comparable = theirs.is_floating_point() and not apart.isnan().any()
    return float(apart.max()) if comparable else math.inf


def differences(computed: Tensors, expected: Tensors) -> dict[str, float]:
    """Give the largest difference of each stored tensor of which anything was computed."""
    parts = {name: recorded(name, computed, theirs) for name, theirs in expected.items()}
    return {
        name: difference(ours, expected[name]) for name, ours in parts.items() if ours is not None
    }


def exceeding(apart: Mapping[str, float], tolerance: Callable[[str], float]) -> dict[str, float]:
    """Give the differences that exceed what their names may be off by."""
    return {name: value for name, value in apart.items() if not value <= tolerance(name)}


def found(llama: Any, sequence: Any, search: Any) -> list[int]:
    """Give the answer that a search finds behind a sequence."""
    from jasco.models.ports.decoding import decode

    decode(llama, [sequence], [search])
    answer: list[int] = search.answer
    return answer


@dataclass
class Perturbed:
    """A search to which each logit is given with a random error of up to ``off``."""

    search: Any
    off: float
    generator: Any

    @property
    def answer(self) -> list[int]:
        return self.search.answer

    def step(self, logits: Any) -> Any:
        import torch

        noise = torch.rand(logits.shape, generator=self.generator)
        return self.search.step(logits + self.off * (2 * noise - 1))


def finds(
    llama: Any, sequence: Any, search: Callable[[], Any], theirs: Sequence[int], off: float
) -> bool:
    """Tell whether a search finds an answer, or would with logits that are off by up to ``off``.

    Where two tokens are closer than that, either answer is right.
    """
    import torch

    if found(llama, sequence, search()) == theirs:
        return True
    generator = torch.Generator().manual_seed(0)
    perturbed = (Perturbed(search(), off, generator) for _ in range(20))
    return any(found(llama, sequence, each) == theirs for each in perturbed)
