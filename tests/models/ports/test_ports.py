"""What all ports have in common: converting, checking, and answering in an evaluation."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import jasco
from jasco.backends.specs import parse_spec
from jasco.data.sources import find_data
from jasco.models.ports.checkpoint import PORTS, check, convert
from jasco.models.ports.ltu_as import LtuAsModel
from jasco.models.ports.salmonn import SalmonnModel
from jasco.models.ports.wavllm import WavLlmModel

torch = pytest.importorskip("torch", reason="needs the extra native")
pytest.importorskip("safetensors", reason="needs the extra native")

import test_ltu_as  # noqa: E402
import test_salmonn  # noqa: E402
import test_wavllm  # noqa: E402

pytestmark = pytest.mark.slow
MODELS = {"salmonn": SalmonnModel, "ltu-as": LtuAsModel, "wavllm": WavLlmModel}
Converted = Callable[[str], Path]
files = test_ltu_as.files
released = test_ltu_as.released
tokenizer_file = test_ltu_as.tokenizer_file
downloaded = test_salmonn.downloaded
published = test_wavllm.published
tokenizer = test_wavllm.tokenizer


@pytest.fixture
def parts(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], dict[str, Path]]:
    """Write a system's files, small and random, in the published layout."""

    def write(system: str) -> dict[str, Path]:
        if system == "ltu-as":
            return dict(request.getfixturevalue("files"))
        if system == "salmonn":
            from jasco.models.ports.salmonn.conversion import SETTINGS

            for part in ("qformer", "lora"):
                monkeypatch.setitem(SETTINGS, part, test_salmonn.TINY[part])
            return dict(request.getfixturevalue("downloaded"))
        from jasco.models.ports.wavllm.conversion import convert_files

        monkeypatch.setitem(convert_files.__kwdefaults__, "sizes", test_wavllm.TINY)
        checkpoint = {"model": request.getfixturevalue("published"), "cfg": None}
        torch.save(checkpoint, tmp_path / "final.pt")
        tokenizer = request.getfixturevalue("tokenizer")
        return {"checkpoint": tmp_path / "final.pt", "tokenizer": tokenizer}

    return write


@pytest.fixture
def converted(parts: Callable[[str], dict[str, Path]], tmp_path: Path) -> Converted:
    """Convert a system's files."""

    def make(system: str) -> Path:
        folder = tmp_path / f"converted-{system}"
        sources = [f"{part}={path}" for part, path in parts(system).items()]
        convert(system, sources, folder, trusted=False)
        return folder

    return make


@pytest.mark.parametrize("system", PORTS)
def test_it_answers_in_an_evaluation_and_says_how(
    system: str, converted: Converted, tmp_path: Path
) -> None:
    more = ",transcriber=none" if system == "ltu-as" else ""
    spec = f"{system}/{converted(system)},preset=greedy{more}"
    for limit in (1, 2):  # and goes on
        model = MODELS[system](parse_spec(spec, MODELS[system]))
        evaluation = jasco.evaluate(
            model, data="mini", judges=[], run=tmp_path / "run", limit=limit, preflight=False
        )
        answers = evaluation.figures["answers"]
        assert answers["answered"] == 8 * limit, answers
    assert answers["runtime"][0]["dtype"] == "float32"
    assert evaluation.model == spec


def test_a_recogniser_that_is_not_there_is_told(converted: Converted, tmp_path: Path) -> None:
    spec = parse_spec(f"ltu-as/{converted('ltu-as')},transcriber={tmp_path}", LtuAsModel)
    with pytest.raises(jasco.InputError, match=r"its speech recogniser .* transcriber=DIR"):
        jasco.evaluate(LtuAsModel(spec), data="mini", judges=[], run=tmp_path / "run", limit=1)
    nowhere = parse_spec(f"ltu-as/{tmp_path / 'nowhere'}", LtuAsModel)
    with pytest.raises(jasco.InputError, match="no converted model there"):
        jasco.evaluate(LtuAsModel(nowhere), data="mini", judges=[], limit=1)


@pytest.mark.parametrize("system", PORTS)
def test_a_folder_is_checked_and_answers_the_same_twice(system: str, converted: Converted) -> None:
    folder, mini = converted(system), find_data("mini", print)
    first = list(check(folder, mini))
    assert first == list(check(folder, mini))
    assert f"{folder}: {system}, " in first[0]
    assert first[-1].startswith("hash: ")


@pytest.mark.parametrize("system", PORTS)
def test_a_folder_that_lacks_a_weight_is_refused(system: str, converted: Converted) -> None:
    from safetensors.torch import load_file, save_file

    folder = converted(system)
    weights = load_file(folder / "model.safetensors")
    lost = min(weights)
    del weights[lost]
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(jasco.InputError, match=lost.replace(".", r"\.")):
        list(check(folder, find_data("mini", print)))


@pytest.mark.parametrize(
    ("system", "sources", "told"),
    [
        ("salmonn", [], "--from base=PATH is missing; the parts are base"),
        ("salmonn", ["nonsense=x"], "--from nonsense=x: write PART=PATH; the parts are base"),
        ("ltu-as", ["base=a", "base=b"], "--from base=... is given twice"),
        ("gpt", [], "gpt: no such port; there are: salmonn, ltu-as, wavllm"),
    ],
)
def test_what_is_no_part_is_told(
    system: str, sources: list[str], told: str, tmp_path: Path
) -> None:
    with pytest.raises(jasco.InputError) as caught:
        convert(system, sources, tmp_path / "out", trusted=False)
    assert told in str(caught.value)


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    sources = ["checkpoint=a", "tokenizer=b"]
    with pytest.raises(jasco.InputError, match="is there already"):
        convert("wavllm", sources, tmp_path, trusted=False)


def test_a_file_that_would_run_code_is_refused_unless_trusted(
    parts: Callable[[str], dict[str, Path]], tmp_path: Path
) -> None:
    paths = parts("wavllm")
    torch.save({"model": {}, "cfg": np.random.default_rng(1)}, paths["checkpoint"])
    sources = [f"{part}={path}" for part, path in paths.items()]
    with pytest.raises(jasco.InputError, match="--trust-pickle"):
        convert("wavllm", sources, tmp_path / "out", trusted=False)
    with pytest.raises(jasco.InputError, match="lacks"):  # now it is read
        convert("wavllm", sources, tmp_path / "out", trusted=True)


def test_a_missing_weight_is_named_as_in_the_file(
    parts: Callable[[str], dict[str, Path]], tmp_path: Path
) -> None:
    paths = parts("wavllm")
    sources = [f"{part}={path}" for part, path in paths.items()]
    whole = torch.load(paths["checkpoint"])["model"]
    for lost in ("gpt_model.model_llama.layers.1.attention.wq_lora_A", "wavlm_audio_proj.bias"):
        model = {key: value for key, value in whole.items() if key != lost}
        torch.save({"model": model}, paths["checkpoint"])
        with pytest.raises(jasco.InputError) as caught:
            convert("wavllm", sources, tmp_path / "out", trusted=False)
        assert f"lacks 1 of {len(whole) - 3} weights, such as {lost!r}" in str(caught.value)
