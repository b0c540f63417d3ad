"""The published files of each port, with tiny sizes and random weights."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tiny_ltu_as import Checkpoints


@pytest.fixture
def no_gradients() -> Iterator[None]:
    """Run the test in torch's inference mode."""
    import torch

    with torch.inference_mode():
        yield


@pytest.fixture
def ltu_as_checkpoints() -> "Checkpoints":
    """Return the weights of LTU-AS's published files."""
    import tiny_ltu_as

    return tiny_ltu_as.make_checkpoints()


@pytest.fixture
def ltu_as_files(tmp_path: Path, ltu_as_checkpoints: "Checkpoints") -> dict[str, Path]:
    """Write LTU-AS's published files; return their paths by part."""
    import tiny_ltu_as

    pytest.importorskip("sentencepiece", reason="needs the extra native")
    return tiny_ltu_as.write_files(tmp_path, ltu_as_checkpoints)


@pytest.fixture
def salmonn_files(tmp_path: Path) -> dict[str, Path]:
    """Write SALMONN's published files; return their paths by part."""
    import tiny_salmonn

    pytest.importorskip("sentencepiece", reason="needs the extra native")
    return tiny_salmonn.write_files(tmp_path)


@pytest.fixture(scope="module")
def wavllm_weights() -> dict[str, Any]:
    """Return the weights of WavLLM's published checkpoint."""
    import tiny_wavllm

    return tiny_wavllm.make_weights()


@pytest.fixture(scope="module")
def wavllm_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write WavLLM's tokenizer."""
    import tiny_wavllm

    pytest.importorskip("sentencepiece", reason="needs the extra native")
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.model"
    tiny_wavllm.write_tokenizer(path)
    return path
