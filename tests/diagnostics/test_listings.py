"""The table of jasco models."""

from command import Jasco
from jasco.backends.specs import providers
from jasco.models.known_models import CATALOGUE, known_max_audio_seconds
from jasco.models.transformers.families import FAMILIES


def test_every_model_that_is_known_has_a_row_with_what_it_needs(jasco: Jasco) -> None:
    result = jasco("models")
    assert result.status == 0
    lines = result.stdout.splitlines()
    for known in CATALOGUE:
        [line] = [line for line in lines if line.startswith(f"{known.name} ")]
        assert f"{known.billions:g} B" in line
        assert known.licence in line
        assert ("greedy, 256 or 512 tokens" if known.vllm else "greedy, 256 tokens") in line
        assert f"hf: {FAMILIES[known.family].tested}" in line
    [line] = [line for line in lines if "Qwen2-Audio" in line]
    assert "17 GB" in line
    assert "30 s" in line


def test_every_way_to_run_a_model_is_in_it(jasco: Jasco) -> None:
    lines = jasco("models").stdout.partition("\n\n")[0].splitlines()
    listed = {
        provider.strip() for line in lines[2:] for provider in line[36:].split("  ")[0].split(",")
    }
    assert listed >= providers("model").keys()


def test_the_audio_limit_is_found_by_the_models_name() -> None:
    assert known_max_audio_seconds("Qwen/Qwen2-Audio-7B-Instruct") == 30
    assert known_max_audio_seconds("mistralai/Voxtral-Mini-3B-2507") is None
    assert known_max_audio_seconds("unknown/model") is None
