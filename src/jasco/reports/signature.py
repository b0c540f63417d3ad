"""The signature of a result: how its figures were produced, in one line."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from jasco.metrics.bootstrap import PERCENTILE_CLIPS, RESAMPLES, SEED
from jasco.protocol.instructions import instructions_label
from jasco.runs.results import Data, Results
from jasco.version import __version__

DIGITS = 12  # displayed digits of a hash


def signature(results: Sequence[Results], data: Data, protocol: str) -> str:
    """Return the signature of the results of models.

    Parameters
    ----------
    results : sequence of Results
        The results of each model.
    data : Data
        The data set.
    protocol : str
        The judging protocol; empty if no model is judged.
    """
    hashes = [
        f"{name}:{value[:DIGITS]}"
        for name, value in (("text", data.annotations_sha256), ("audio", data.audio_sha256))
        if value
    ]
    instructions = dict.fromkeys(
        instructions_label(model.instructions)
        for model in results
        if not model.published_instructions
    )
    samples = dict.fromkeys(str(model.samples) for model in results)
    models = dict.fromkeys(describe(model.model, model.identity, model.served) for model in results)
    judges = dict.fromkeys(
        describe(f"{label}(proxy)" if facts.proxy else label, facts.identity, facts.served)
        for model in results
        for judge, facts in model.judges.items()
        for label in [identity_name(judge, facts.identity)]
    )
    return join_signature(
        protocol,
        f"data:{data.name}[{data.clips}x{data.items // max(data.clips, 1)}]",
        *hashes,
        *([f"instructions:{'+'.join(instructions)}"] if instructions else ()),
        *([f"samples:{'+'.join(samples)}"] if any(model.samples > 1 for model in results) else ()),
        f"models:{'+'.join(models)}",
        f"judges:{'+'.join(judges) or 'none'}",
        intervals=any(model.rows is None for model in results),
    )


def join_signature(protocol: str, *parts: str, intervals: bool = True) -> str:
    """Join the parts of a signature; the last part describes the intervals."""
    bootstrap = f"bootstrap:{RESAMPLES},seed={SEED},percentile_from={PERCENTILE_CLIPS}"
    return "|".join(
        [
            f"jasco:{__version__}",
            f"protocol:{protocol or 'none'}",
            *parts,
            bootstrap if intervals else "intervals:none",
        ]
    )


def identity_name(label: str, identity: Mapping[str, Any]) -> str:
    """Return ``provider/name`` of a model or judge, if its label is the name of a file."""
    if not identity or "," in label:
        return label
    return "/".join(filter(None, [identity.get("provider"), identity.get("name")])) or label


def describe(label: str, identity: Mapping[str, Any], served: Sequence[str] = ()) -> str:
    """Return the name of a model or judge, with the options that may change its output."""
    parts = [
        f"{key}={value}"
        for key, value in sorted(identity.items())
        if key not in ("provider", "name") and value is not None
    ]
    # A name reported by a server must not contain the separators of the signature.
    parts += [f"served={re.sub('[|{},]', '_', name)}" for name in served]
    return f"{label.split(',')[0]}{{{','.join(parts)}}}" if parts else label
