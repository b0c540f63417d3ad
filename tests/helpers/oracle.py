"""Tiny models with random weights, and what the original code computed with them.

``JASCO_ORACLE`` is a folder with one folder per ported model. Each contains ``config.json``,
``weights*.safetensors`` under the original names, ``inputs.npz`` and ``expected.safetensors``.
Clips, questions, sizes, lengths and numbers of tokens are read from there: any folder of the same
layout can be used.
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
"""The tolerances of a stage that is computed from its stored inputs, and of logits."""

ROUNDING = 3
"""The factor on the tolerances in the READMEs for end-to-end computation.

The tolerances were measured on one machine. Rounding in float32 depends on the processor and on
the number of threads, and at a few positions a language model multiplies differences by ten.
"""


class Oracle:
    """The fixtures of one ported model."""

    def __init__(self, port: str, root: Path = ORACLE) -> None:
        self.folder = root / port
        if not (self.folder / "config.json").is_file():
            pytest.skip(f"no fixtures of {port} in {root} (JASCO_ORACLE names another folder)")
        self.config: dict[str, Any] = json.loads((self.folder / "config.json").read_text("utf-8"))
        self.inputs = dict(np.load(self.folder / "inputs.npz"))

    @cached_property
    def weights(self) -> dict[str, Any]:
        return self.tensors("weights")

    @cached_property
    def expected(self) -> dict[str, Any]:
        return self.tensors("expected")

    def tensors(self, name: str) -> dict[str, Any]:
        """Read a file of tensors."""
        import torch
        from safetensors.torch import load_file

        with torch.inference_mode(False):  # usable in and outside of inference mode
            return load_file(self.folder / f"{name}.safetensors")

    def json(self, name: str) -> Any:
        """Read a JSON file."""
        return json.loads((self.folder / f"{name}.json").read_text("utf-8"))

    @cached_property
    def clips(self) -> list[str]:
        """The names of the clips, sorted."""
        names = {key.removeprefix("wav_") for key in self.inputs if key.startswith("wav_")}
        patterns = {name.removesuffix("_pattern") for name in names if name.endswith("_pattern")}
        patterns = {name for name in patterns if f"{name}_len" in names}
        parts = {f"{name}_{suffix}" for name in patterns for suffix in ("pattern", "len")}
        return sorted(names - parts | patterns)

    def wave(self, clip: str) -> np.ndarray:
        """Return a clip's int16 samples, which are stored in full or as a pattern to repeat."""
        if f"wav_{clip}" in self.inputs:
            return self.inputs[f"wav_{clip}"]
        pattern, length = (self.inputs[f"wav_{clip}_{suffix}"] for suffix in ("pattern", "len"))
        return np.resize(pattern, int(length.item()))

    def clip_of(self, name: str) -> str:
        """Return the clip to which a tensor or a dialogue belongs; empty if there is none."""
        return max((c for c in self.clips if name.startswith(f"{c}.")), key=len, default="")

    @cached_property
    def dialogues(self) -> list[str]:
        """The clip and question of each dialogue, as in ``a.q0``."""
        return sorted({name.rpartition(".")[0] for name in self.inputs if self.clip_of(name)})

    def ids(self, name: str) -> list[int]:
        """Return stored token ids."""
        return self.inputs[name].tolist()


def number_of(dialogue: str) -> int:
    """Return the number of a dialogue's question: 3 for ``a.q3``."""
    return int(re.search(r"\d+$", dialogue)[0])


@dataclass(frozen=True)
class Stage:
    """A step of a model's computation.

    Attributes
    ----------
    of : str
        The prefix of the names of its tensors: a clip, or a clip and a question.
    inputs : sequence of str
        The full names of the input tensors, which other stages compute; empty if the input is a
        waveform or tokens.
    compute : callable
        Computes tensors, by name, from the input tensors.
    """

    of: str
    inputs: Sequence[str]
    compute: Callable[..., Tensors]

    def run(self, known: Tensors) -> dict[str, Any]:
        """Compute the stage's tensors from known ones."""
        computed = self.compute(*(known[name] for name in self.inputs))
        return {f"{self.of}.{name}": value for name, value in computed.items()}


def end_to_end(stages: Iterable[Stage]) -> dict[str, Any]:
    """Compute all stages, each from the tensors that earlier ones computed."""
    computed: dict[str, Any] = {}
    for stage in stages:
        computed |= stage.run(computed)
    return computed


def stage_by_stage(stages: Iterable[Stage], stored: Tensors) -> dict[str, Any]:
    """Compute each stage whose inputs are stored from the stored inputs."""
    computed: dict[str, Any] = {}
    for stage in stages:
        if stage.inputs and all(name in stored for name in stage.inputs):
            computed |= stage.run(stored)
    return computed


_PART = re.compile(r"(.+?)(?:_cols)?_(?:every_(\d+)|(head|first\d+)|last\d+)")
_ENDS = re.compile(r"\.(logits|logits_full|final_hidden_before_norm)$")


def recorded(name: str, computed: Tensors, like: Any) -> Any:
    """Return the computed counterpart of a stored tensor; None if it was not computed.

    A stored tensor may be a part of the computed one, as its name says: every 20th row
    (``_every_20``), the first rows (``_head``, ``_first3``) or the last ones (``_last2``, and
    sequences of which fewer positions are stored).
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
    """Return the largest absolute difference.

    It is infinite for different shapes, empty tensors, different integers and infinities at
    different positions.
    """
    if ours.shape != theirs.shape or not theirs.numel():
        return math.inf
    ours, theirs = ours[ours != theirs], theirs[ours != theirs]
    if not len(theirs):
        return 0.0
    errors = (ours.double() - theirs.double()).abs()
    comparable = theirs.is_floating_point() and not errors.isnan().any()
    return float(errors.max()) if comparable else math.inf


def differences(computed: Tensors, expected: Tensors) -> dict[str, float]:
    """Return the largest difference of each stored tensor that was computed, by name."""
    parts = {name: recorded(name, computed, theirs) for name, theirs in expected.items()}
    return {
        name: difference(ours, expected[name]) for name, ours in parts.items() if ours is not None
    }


def exceeding(errors: Mapping[str, float], tolerance: Callable[[str], float]) -> dict[str, float]:
    """Return the differences that exceed the tolerances of their tensors."""
    return {name: value for name, value in errors.items() if not value <= tolerance(name)}


def found(llama: Any, sequence: Any, search: Any) -> list[int]:
    """Return the tokens that a search finds after a sequence."""
    from jasco.models.ports.decoding import decode

    decode(llama, [sequence], [search])
    answer: list[int] = search.answer
    return answer


@dataclass
class Perturbed:
    """A search that gets each logit with a random error of up to ``error``."""

    search: Any
    error: float
    generator: Any

    @property
    def answer(self) -> list[int]:
        return self.search.answer

    def step(self, logits: Any) -> Any:
        import torch

        noise = torch.rand(logits.shape, generator=self.generator)
        return self.search.step(logits + self.error * (2 * noise - 1))


def finds(
    llama: Any, sequence: Any, search: Callable[[], Any], theirs: Sequence[int], error: float
) -> bool:
    """Return whether a search finds an answer, with exact logits or with errors up to ``error``.

    If two tokens are closer than that, either is right.
    """
    import torch

    if found(llama, sequence, search()) == theirs:
        return True
    generator = torch.Generator().manual_seed(0)
    searches = (Perturbed(search(), error, generator) for _ in range(20))
    return any(found(llama, sequence, perturbed) == theirs for perturbed in searches)
