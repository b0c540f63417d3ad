"""The helpers of the parity tests, and parity on fixtures in other layouts."""

import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oracle import (
    ORACLE,
    Oracle,
    Stage,
    difference,
    differences,
    end_to_end,
    stage_by_stage,
)

torch = pytest.importorskip("torch", reason="needs the extra native")
pytest.importorskip("transformers", reason="needs the extra native")
pytest.importorskip("safetensors", reason="needs the extra native")

from relayout import PORTS, relay  # noqa: E402

pytestmark = pytest.mark.slow
PARITY = [
    *(Path(__file__).with_name(f"test_{name}.py") for name in PORTS),
    Path(__file__).parents[1] / "test_transformers.py",
]


@pytest.mark.oracle
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("fewer", [False, True])
def test_fixtures_in_another_layout_pass(tmp_path: Path, fewer: bool) -> None:
    if os.environ.get("JASCO_ORACLE"):
        pytest.skip("other layouts are made of the usual fixtures only")
    for name in (*PORTS, "qwen2_audio"):
        if not (ORACLE / name).is_dir():
            pytest.skip(f"no fixtures of {name} in {ORACLE}")
    relay(ORACLE, tmp_path / "oracle", fewer)
    result = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider"),
            *("-m", "oracle", "--timeout", "600", *PARITY),
        ],
        # One thread rounds sums in another way.
        env=os.environ | {"JASCO_ORACLE": str(tmp_path / "oracle"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout
    assert fewer or "skipped" not in result.stdout


def write_fixtures(folder: Path, **inputs: Any) -> Oracle:
    """Write fixtures that have nothing but inputs."""
    (folder / "some").mkdir()
    (folder / "some" / "config.json").write_text("{}")
    np.savez(folder / "some" / "inputs.npz", **inputs)
    return Oracle("some", folder)


def test_clips_may_be_patterns(tmp_path: Path) -> None:
    wave = np.arange(7, dtype=np.int16)
    oracle = write_fixtures(
        tmp_path, wav_a=wave, wav_bell_pattern=wave, wav_bell_len=np.array(16), wav_x_len=wave[:3]
    )
    assert oracle.clips == ["a", "bell", "x_len"]
    assert oracle.wave("a").tolist() == list(range(7))
    assert oracle.wave("bell").tolist() == [*range(7), *range(7), 0, 1]
    assert len(oracle.wave("x_len")) == 3


def test_clips_may_have_any_names(tmp_path: Path) -> None:
    ids = np.array([5, 6])
    names = {f"wav_{clip}": np.zeros(1, np.int16) for clip in ("a", "a.b", "b")}
    oracle = write_fixtures(tmp_path, **names, **{"a.b.q10.left_ids": ids, "b.q0.left_ids": ids})
    assert oracle.dialogues == ["a.b.q10", "b.q0"]
    assert [oracle.clip_of(dialogue) for dialogue in oracle.dialogues] == ["a.b", "b"]
    assert oracle.clip_of("beats_padded_batch.out") == ""


WHOLE = torch.arange(60.0).reshape(2, 10, 3)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("a.x", WHOLE),
        ("a.x_every_4", WHOLE[:, ::4]),
        ("a.x_cols_every_2", WHOLE[..., ::2]),
        ("a.x_head", WHOLE[:, :5]),
        ("a.x_first1", WHOLE[:1]),
        ("a.x_last2", WHOLE[:, -2:]),
        ("a.logits", WHOLE[:, -4:]),
    ],
)
def test_recorded_parts_are_compared_with_the_same_part(name: str, part: Any) -> None:
    computed = {"a.x": WHOLE, "a.logits": WHOLE}
    assert differences(computed, {name: part}) == {name: 0}
    assert differences(computed, {name: part + 0.5}) == {name: 0.5}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("a.x", WHOLE[:, :5]),  # the name does not mark a part
        ("a.x_every_4", WHOLE[:, ::3]),
        ("a.x_head", torch.cat([WHOLE, WHOLE])),
        ("a.x_head", WHOLE[:1, :5]),
        ("a.x_head", WHOLE[:, :0]),
        ("a.x_last2", WHOLE[0, -2:]),
        ("a.logits", torch.cat([WHOLE, WHOLE], dim=1)),
        ("a.count", torch.tensor([4])),
        ("a.x", WHOLE.where(WHOLE != 3, torch.nan)),
        ("a.x", WHOLE.where(WHOLE != 3, -torch.inf)),
    ],
)
def test_the_difference_of_incomparable_tensors_is_infinite(name: str, value: Any) -> None:
    computed = {"a.x": WHOLE, "a.logits": WHOLE, "a.count": torch.tensor([3])}
    assert differences(computed, {name: value}) == {name: math.inf}


def test_a_banned_token_must_be_banned_in_both() -> None:
    one, other = torch.tensor([0, -torch.inf]), torch.tensor([0.25, -torch.inf])
    assert difference(one, other) == 0.25
    assert difference(one.flip(0), other) == math.inf


def test_tensors_that_no_stage_computes_are_left_out() -> None:
    assert differences({"a.x": WHOLE}, {"a.y": WHOLE, "a.y_every_2": WHOLE}) == {}


def test_stages_take_recorded_or_computed_inputs() -> None:
    stages = [
        Stage("a", [], lambda: {"x": 1}),
        Stage("a", ["a.x"], lambda x: {"y": x + 1}),
        Stage("b", ["a.y"], lambda y: {"z": y + 1}),
    ]
    assert end_to_end(stages) == {"a.x": 1, "a.y": 2, "b.z": 3}
    assert stage_by_stage(stages, {"a.y": 10}) == {"b.z": 11}
