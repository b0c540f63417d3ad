"""The table of ``jasco models``: known models, and the ways to run any other."""

from collections.abc import Sequence

from tabulate import tabulate

from jasco.backends.specs import providers
from jasco.models.catalogue import CATALOGUE

_HEADER = (
    "model", "run as", "parameters", "memory", "hears", "licence", "decoding", "tested with",
)  # fmt: skip
_PORT_TESTS = "parity, tiny weights"
# Everything except the decoding; the second cell is the provider.
_OTHER_MODELS = (
    ("SALMONN-7B", "salmonn", "7.5 B", "17 GB", "30 s", "see docs/salmonn.md", _PORT_TESTS),
    ("LTU-AS", "ltu-as", "7.4 B", "15 GB", "10 s", "see docs/ltu-as.md", _PORT_TESTS),
    ("WavLLM", "wavllm", "7.5 B", "15 GB", "a clip whole", "see docs/wavllm.md", _PORT_TESTS),
    ("cascade", "cascade", "0.2 B", "0.5 GB", "a clip whole", "MIT, Apache-2.0", "real weights"),
    ("any on a server", "openai", "", "", "", "", "a real server, byte for byte"),
    ("any Python function", "python", "", "", "", "", "real functions"),
    ("any program", "worker", "", "", "", "", "programs, well and badly behaved"),
    ("answers in a CSV", "csv", "", "", "", "", "real files"),
)
_NOTES = """
memory: the weights with 16 bits each; audio and batches come on top of it.
tiny weights: run end to end by the tests, with random weights; parity: compared with
the original code, number by number. The real weights of these were never run here."""


def render_models() -> str:
    """Format a table of the known models and of the ways to run any other."""
    rows = []
    for model in CATALOGUE:
        names = ["hf", "vllm"] if model.vllm else ["hf"]
        seconds = model.max_audio_seconds
        rows.append([
            model.name, ", ".join(names), f"{model.billions:g} B", f"{model.gigabytes:.0f} GB",
            "all that fits" if seconds is None else f"{seconds:g} s",
            model.licence, _decoding(names), model.tested,
        ])  # fmt: skip
    for name, provider, *facts, tested in _OTHER_MODELS:
        rows.append([name, provider, *facts, _decoding([provider]), tested])
    return tabulate(rows, _HEADER, disable_numparse=True) + "\n" + _NOTES


def _decoding(names: Sequence[str]) -> str:
    """Format the default decoding of providers."""
    known = providers("model")
    defaults = [
        {option.name: option.default for option in known[name].load().OPTIONS} for name in names
    ]
    if "preset" in defaults[0]:
        return f"{defaults[0]['preset']} preset"
    if "max_tokens" not in defaults[0]:
        return ""
    kind = "greedy" if all(each["temperature"] == 0 for each in defaults) else "sampled"
    lengths = dict.fromkeys(str(each["max_tokens"]) for each in defaults)
    return f"{kind}, {' or '.join(lengths)} tokens"
