"""The environment variables that a worker gets."""

import pytest

from jasco.models.worker import environment
from jasco.models.worker.environment import environment_for
from places import ROOT

DOCUMENT = ROOT / "docs" / "workers.md"


@pytest.mark.parametrize(
    ("name", "is_passed"),
    [
        ("PATH", True), ("LC_ALL", True), ("CUDA_VISIBLE_DEVICES", True), ("https_proxy", True),
        ("SLURM_JOB_ID", True), ("TOKENIZERS_PARALLELISM", True), ("HF_HOME", True),
        ("HF_TOKEN", False), ("OPENAI_API_KEY", False), ("MY_VARIABLE", False),
        ("CUDA_SECRET", False), ("SINGULARITY_DOCKER_PASSWORD", False), ("WANDB_API_KEY", False),
    ],
)  # fmt: skip
def test_a_worker_gets_the_listed_variables(name: str, is_passed: bool) -> None:
    assert (name in environment_for({name: "x"})) is is_passed
    assert environment_for({name: "x"}, [name]) == {name: "x"}


def test_every_listed_variable_is_documented() -> None:
    document = DOCUMENT.read_text()
    names = {name for name in environment.NAMES if not name.endswith("_PROXY")}
    missing = [name for name in names | set(environment.PREFIXES) if name not in document]
    assert not missing
