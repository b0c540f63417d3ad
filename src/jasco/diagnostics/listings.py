"""What can be run, as a table."""

from collections.abc import Sequence
from typing import Any

from tabulate import tabulate

from jasco.backends.specs import providers
from jasco.models.catalogue import CATALOGUE, Known

_HEADER = (
    "model", "run as", "parameters", "memory", "hears", "licence", "decoding", "tested with",
)  # fmt: skip
_ANY = (
    (
        "SALMONN-7B",
        "salmonn",
        "7.5 B",
        "17 GB",
        "30 s",
        "see docs/salmonn.md",
        "parity, tiny weights",
    ),
    ("LTU-AS", "ltu-as", "7.4 B", "15 GB", "10 s", "see docs/ltu-as.md", "parity, tiny weights"),
    (
        "WavLLM",
        "wavllm",
        "7.5 B",
        "15 GB",
        "a clip whole",
        "see docs/wavllm.md",
        "parity, tiny weights",
    ),
    ("cascade", "cascade", "0.2 B", "0.5 GB", "a clip whole", "MIT, Apache-2.0", "real weights"),
    ("any on a server", "openai", "", "", "", "", "a real server, byte for byte"),
    ("any Python function", "python", "", "", "", "", "real functions"),
    ("any program", "worker", "", "", "", "", "programs, well and badly behaved"),
    ("answers in a CSV", "csv", "", "", "", "", "real files"),
)


def render_models() -> str:
    """Lay out the models that are known by name, and the ways to run any other."""
    rows = [_row(known) for known in CATALOGUE]
    for name, provider, *facts, tested in _ANY:
        rows.append([name, provider, *facts, _decoding([provider]), tested])
    return "\n".join(
        [
            tabulate(rows, _HEADER, disable_numparse=True),
            "",
            "memory: the weights with 16 bits each; audio and batches come on top of it.",
            "tiny weights: run end to end by the tests, with random weights; parity: compared with",
            "the original code, number by number. The real weights of these were never run here.",
        ]
    )


def _row(known: Known) -> list[str]:
    ways = ["hf", "vllm"] if known.vllm else ["hf"]
    hears = "all that fits" if known.max_audio_seconds is None else f"{known.max_audio_seconds:g} s"
    return [
        known.name,
        ", ".join(ways),
        f"{known.billions:g} B",
        f"{known.gigabytes:.0f} GB",
        hears,
        known.licence,
        _decoding(ways),
        known.tested,
    ]


def _decoding(ways: Sequence[str]) -> str:
    """Say how answers are decoded unless something else is asked for."""
    known = providers("model")
    options: list[dict[str, Any]] = [
        {option.name: option.default for option in known[way].load().OPTIONS} for way in ways
    ]
    if "preset" in options[0]:
        return f"{options[0]['preset']} preset"
    if "max_tokens" not in options[0]:
        return ""
    how = "greedy" if all(each["temperature"] == 0 for each in options) else "sampled"
    lengths = dict.fromkeys(str(each["max_tokens"]) for each in options)
    return f"{how}, {' or '.join(lengths)} tokens"
