"""The behaviour that all ports share: conversion, the check, and answers in an scores."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jasco
from figures import figures_of
from jasco.backends.specs import parse_spec
from jasco.data.audio import Audio
from jasco.data.sources import find_data
from jasco.models.ports.checkpoint import PORTS, check, convert
from jasco.models.ports.ltu_as import LtuAsModel
from jasco.models.ports.salmonn import SalmonnModel
from jasco.models.ports.wavllm import WavLlmModel
from jasco.protocol.instructions import INSTRUCTIONS
from synthetic import tone

torch = pytest.importorskip("torch", reason="needs the extra native")
pytest.importorskip("safetensors", reason="needs the extra native")

import tiny_salmonn  # noqa: E402
import tiny_wavllm  # noqa: E402
from jasco.models.batches import prefix_cache_disabled  # noqa: E402
from jasco.models.ports.decoding import decode  # noqa: E402

pytestmark = pytest.mark.slow
MODELS = {"salmonn": SalmonnModel, "ltu-as": LtuAsModel, "wavllm": WavLlmModel}
PublishedFiles = Callable[[str], dict[str, Path]]
Converted = Callable[[str], Path]


@pytest.fixture
def published_files(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> PublishedFiles:
    """Write a port's published files, tiny and random; return their paths by part."""

    def write(port: str) -> dict[str, Path]:
        if port == "ltu-as":
            return dict(request.getfixturevalue("ltu_as_files"))
        if port == "salmonn":
            from jasco.models.ports.salmonn.conversion import SETTINGS

            for part in ("qformer", "lora"):
                monkeypatch.setitem(SETTINGS, part, tiny_salmonn.TINY[part])
            return dict(request.getfixturevalue("salmonn_files"))
        from jasco.models.ports.wavllm.conversion import convert_files

        monkeypatch.setitem(convert_files.__kwdefaults__, "sizes", tiny_wavllm.TINY)
        checkpoint = {"model": request.getfixturevalue("wavllm_weights"), "cfg": None}
        torch.save(checkpoint, tmp_path / "final.pt")
        tokenizer = request.getfixturevalue("wavllm_tokenizer")
        return {"checkpoint": tmp_path / "final.pt", "tokenizer": tokenizer}

    return write


def sources_of(paths: dict[str, Path]) -> list[str]:
    """Return the values of ``--from``."""
    return [f"{part}={path}" for part, path in paths.items()]


@pytest.fixture
def converted(published_files: PublishedFiles, tmp_path: Path) -> Converted:
    """Convert a port's published files; return the folder."""

    def convert_port(port: str) -> Path:
        folder = tmp_path / f"converted-{port}"
        convert(port, sources_of(published_files(port)), folder, trusted=False)
        return folder

    return convert_port


@pytest.mark.parametrize("port", PORTS)
def test_a_converted_model_answers_in_an_evaluation(
    port: str, converted: Converted, tmp_path: Path
) -> None:
    options = ",transcriber=none" if port == "ltu-as" else ""
    spec = f"{port}/{converted(port)},preset=greedy{options}"
    for limit in (1, 2):  # the second evaluation resumes the first
        model = MODELS[port](parse_spec(spec, MODELS[port]))
        scores = jasco.evaluate(
            model, data="mini", judges=[], run=tmp_path / "run", limit=limit, preflight=False
        )
        answers = figures_of(scores)["answers"]
        assert answers["answered"] == 8 * limit, answers
    assert answers["runtime"][0]["dtype"] == "float32"
    assert answers["runtime"][0].get("prefix_cache") == (None if port == "wavllm" else "on")
    assert scores.model == spec


class Recorder:
    """A search that records the logits of a fixed answer."""

    def __init__(self) -> None:
        self.logits: list[Any] = []

    def step(self, logits: Any) -> list[tuple[int, int]]:
        self.logits += logits
        return [(0, 50 + len(self.logits))] if len(self.logits) < 4 else []


@pytest.mark.parametrize("port", ["salmonn", "ltu-as"])
def test_prefix_caching_changes_no_logits(port: str, converted: Converted) -> None:
    inference = import_module(f"jasco.models.ports.{port.replace('-', '_')}.inference")
    loaded = inference.load(converted(port), "cpu", torch.float32)
    clips = [Audio(tone(number, seconds)) for number, seconds in enumerate((3, 1.5))]
    questions = [(clip, text) for text in INSTRUCTIONS[:3] for clip in clips][:5]
    prompts = [
        loaded.prepare(loaded.encode_once(clip), text, "greedy").sequence
        for clip, text in questions
    ]
    plain, shared = ([Recorder() for _ in prompts] for _ in range(2))
    decode(loaded._llama, prompts, plain)
    decode(loaded._llama, prompts, shared, groups=[id(clip) for clip, _ in questions])
    for one, other in zip(plain, shared, strict=True):
        torch.testing.assert_close(other.logits, one.logits)
    first, _, other, *_ = plain  # about the same clip
    assert not torch.allclose(first.logits[0], other.logits[0])


def test_prefix_caching_is_an_option_of_ports_that_support_it(tmp_path: Path) -> None:
    for port in ("salmonn", "ltu-as"):
        spec = parse_spec(f"{port}/{tmp_path},prefix_cache=false", MODELS[port])
        assert "prefix_cache" not in spec.identity
        assert prefix_cache_disabled(spec.options) == "prefix_cache=false"
        single = parse_spec(f"{port}/{tmp_path},batch=1", MODELS[port])
        assert prefix_cache_disabled(single.options) == "batch=1"
    with pytest.raises(jasco.InputError, match="prefix_cache"):
        parse_spec(f"wavllm/{tmp_path},prefix_cache=false", WavLlmModel)


def test_a_missing_recogniser_is_reported(converted: Converted, tmp_path: Path) -> None:
    spec = parse_spec(f"ltu-as/{converted('ltu-as')},transcriber={tmp_path}", LtuAsModel)
    with pytest.raises(jasco.InputError, match=r"recogniser .*transcriber="):
        jasco.evaluate(LtuAsModel(spec), data="mini", judges=[], run=tmp_path / "run", limit=1)
    nowhere = parse_spec(f"ltu-as/{tmp_path / 'nowhere'}", LtuAsModel)
    with pytest.raises(jasco.InputError, match="no converted model"):
        jasco.evaluate(LtuAsModel(nowhere), data="mini", judges=[], limit=1)


@pytest.mark.parametrize("port", PORTS)
def test_a_folder_is_checked_and_answers_the_same_twice(port: str, converted: Converted) -> None:
    folder, mini = converted(port), find_data("mini", print)
    first = list(check(folder, mini))
    assert first == list(check(folder, mini))
    assert f"{folder}: {port}, " in first[0]
    assert first[-1].startswith("hash: ")


@pytest.mark.parametrize("port", PORTS)
def test_a_folder_that_lacks_a_weight_is_refused(port: str, converted: Converted) -> None:
    from safetensors.torch import load_file, save_file

    folder = converted(port)
    weights = load_file(folder / "model.safetensors")
    missing = min(weights)
    del weights[missing]
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(jasco.InputError, match=missing.replace(".", r"\.")):
        list(check(folder, find_data("mini", print)))


@pytest.mark.parametrize(
    ("port", "sources", "message"),
    [
        ("salmonn", [], "--from base=PATH is missing"),
        ("salmonn", ["nonsense=x"], "--from nonsense=x"),
        ("ltu-as", ["base=a", "base=b"], "--from base=PATH is given twice"),
        ("gpt", [], "salmonn, ltu-as, wavllm"),
    ],
)
def test_a_wrong_part_is_reported(
    port: str, sources: list[str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(jasco.InputError) as error:
        convert(port, sources, tmp_path / "out", trusted=False)
    assert message in str(error.value)


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    sources = ["checkpoint=a", "tokenizer=b"]
    with pytest.raises(jasco.InputError, match="already exists"):
        convert("wavllm", sources, tmp_path, trusted=False)


def test_a_file_that_would_run_code_is_refused_unless_trusted(
    published_files: PublishedFiles, tmp_path: Path
) -> None:
    paths = published_files("wavllm")
    torch.save({"model": {}, "cfg": np.random.default_rng(1)}, paths["checkpoint"])
    with pytest.raises(jasco.InputError, match="--trust-pickle"):
        convert("wavllm", sources_of(paths), tmp_path / "out", trusted=False)
    with pytest.raises(jasco.InputError, match="lacks"):  # the file is read now
        convert("wavllm", sources_of(paths), tmp_path / "out", trusted=True)


def test_a_missing_weight_is_named_as_in_the_file(
    published_files: PublishedFiles, tmp_path: Path
) -> None:
    paths = published_files("wavllm")
    weights = torch.load(paths["checkpoint"])["model"]
    for missing in ("gpt_model.model_llama.layers.1.attention.wq_lora_A", "wavlm_audio_proj.bias"):
        model = {key: value for key, value in weights.items() if key != missing}
        torch.save({"model": model}, paths["checkpoint"])
        with pytest.raises(jasco.InputError) as error:
            convert("wavllm", sources_of(paths), tmp_path / "out", trusted=False)
        assert f"lacks 1 of {len(weights) - 3} weights, such as {missing!r}" in str(error.value)
