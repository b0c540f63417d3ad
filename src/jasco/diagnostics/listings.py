"""Listings of ``jasco models`` and ``jasco judges``: the providers and their options."""

from collections.abc import Iterator, Sequence

from tabulate import tabulate

from jasco.backends.options import LABEL
from jasco.backends.specs import Kind, providers
from jasco.judges.panel import PANELS
from jasco.models.known_models import CATALOGUE

_HEADER = (
    "model", "run as", "parameters", "memory", "audio used", "licence", "decoding", "tested with",
)  # fmt: skip
_PORT_TESTS = "parity, tiny weights"
_PANEL_ADDRESSES = "one address for all, or one each; default: vllm serves one after another"
# All columns except the decoding; the second one is the provider.
_OTHER_MODELS = (
    ("SALMONN-7B", "salmonn", "7.5 B", "17 GB", "30 s", "see docs/salmonn.md", _PORT_TESTS),
    ("LTU-AS", "ltu-as", "7.4 B", "15 GB", "10 s", "see docs/ltu-as.md", _PORT_TESTS),
    ("WavLLM", "wavllm", "7.5 B", "15 GB", "whole clip", "see docs/wavllm.md", _PORT_TESTS),
    ("cascade", "cascade", "0.2 B", "0.5 GB", "whole clip", "MIT, Apache-2.0", "real weights"),
    ("any model on a server", "openai", "", "", "", "", "a real server, byte for byte"),
    ("any Python function", "python", "", "", "", "", "real functions"),
    ("any program", "worker", "", "", "", "", "well-behaved and faulty programs"),
    ("answers in a CSV", "csv", "", "", "", "", "real files"),
)
_NOTES = """
memory: 16-bit weights only; audio and batches need additional memory.
tiny weights: tested end to end with small random weights; parity: outputs compared
numerically with the original code. The real weights of these models are not tested."""


def models() -> Iterator[str]:
    """Yield a table of the known models and of ways to run other models, and the providers."""
    rows = []
    for model in CATALOGUE:
        names = ["hf", "vllm"] if model.vllm else ["hf"]
        seconds = model.max_audio_seconds
        rows.append([
            model.name, ", ".join(names), f"{model.billions:g} B", f"{model.gigabytes:.0f} GB",
            "up to context size" if seconds is None else f"{seconds:g} s",
            model.licence, _decoding(names), model.tested,
        ])  # fmt: skip
    for name, provider, *facts, tested in _OTHER_MODELS:
        rows.append([name, provider, *facts, _decoding([provider]), tested])
    yield tabulate(rows, _HEADER, disable_numparse=True) + "\n" + _NOTES
    yield ""
    yield from _providers("model")


def judges() -> Iterator[str]:
    """Yield the providers of judges, and the panels."""
    yield from _providers("judge")
    for name, panel in PANELS.items():
        yield f"{name}\n  The published panel: {', '.join(panel)}."
        yield f"    base_url=...  {_PANEL_ADDRESSES}"


def _providers(kind: Kind) -> Iterator[str]:
    """Yield the providers of models or judges, each with its options."""
    for name, point in sorted(providers(kind).items()):
        provider = point.load()
        yield f"{name}/{provider.NAME}" if provider.NAME else name
        yield f"  {(provider.__doc__ or '').strip().splitlines()[0]}"
        for option in provider.OPTIONS if provider.raw_name else (*provider.OPTIONS, LABEL):
            key = f"{option.name}.KEY" if option.family else option.name
            yield f"    {key}=...  {option.help}{_default(option.default)}"
        if provider.launches_server:
            yield "    serve.KEY=...  passed to the server as --KEY; serve.command=PATH: its path"


def _default(value: object) -> str:
    if value is None:
        return ""
    return f" (default {str(value).lower() if isinstance(value, bool) else value})"


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
    kind = "greedy" if all(options["temperature"] == 0 for options in defaults) else "sampled"
    lengths = dict.fromkeys(str(options["max_tokens"]) for options in defaults)
    return f"{kind}, {' or '.join(lengths)} tokens"
