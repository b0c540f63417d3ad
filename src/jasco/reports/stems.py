"""Stems: how many pass their gates, as a JSON object and as text."""

import math
from collections.abc import Iterator

from tabulate import tabulate

from jasco.errors import count
from jasco.interventions.estimation import CheckedStems
from jasco.interventions.gates import GATES, NO_SOUND, NO_WORDS, SOUND_KEPT, WORDS_KEPT
from jasco.reports.report import SCHEMA, Json

_DESCRIPTIONS = {
    NO_WORDS: "no word of the sentence is recognised",
    SOUND_KEPT: "the sound of the clip is recognised",
    WORDS_KEPT: "at most 20% of the words are wrong",
    NO_SOUND: "the sound of the clip is not recognised",
}


_LARGE_RESIDUAL = -10.0  # dB


def summarise_stems(checked: CheckedStems) -> Json:
    """Return the results of the gates as the documented JSON object."""
    data, gates = checked.data, checked.stems.gates
    counts = {name: sum(name not in gate.failures for gate in gates.values()) for name in GATES}
    return {
        "schema": SCHEMA,
        "data": {
            "name": data.name,
            "annotations_sha256": data.annotations_sha256,
            "clips": len(data.clips),
        },
        "folder": str(checked.stems.folder),
        "recipe": dict(checked.stems.recipe),
        "exact": checked.exact,
        "residual_db": 10 * math.log10(checked.residual) if checked.residual else None,
        "kept": checked.kept,
        "passed": None if checked.exact else sum(not gate.failures for gate in gates.values()),
        "passed_by_gate": None if checked.exact else counts,
        "failures": {id_: dict(gate.failures) for id_, gate in gates.items() if gate.failures},
    }


def render_stems(result: Json) -> str:
    """Format the results of the gates as text: failures with their reasons, then a table."""
    return "\n".join(_lines(result))


def _lines(result: Json) -> Iterator[str]:
    clips = result["data"]["clips"]
    if result["exact"]:
        yield (
            f"{result['folder']}: stems of {count(clips, 'clip')}; they are exact (their sum is "
            "the clip, sample by sample), so no gates are needed"
        )
        return
    for id_, reasons in result["failures"].items():
        for name, reason in reasons.items():
            yield f"clip {id_}: {GATES[name]} stem: {reason}"
    if result["failures"]:
        yield ""
    rows: list[tuple[str, str, str]] = [
        (cue, _DESCRIPTIONS[name], f"{result['passed_by_gate'][name]} of {clips}")
        for name, cue in GATES.items()
    ]
    rows.append(("both", "all gates", f"{result['passed']} of {clips}"))
    yield tabulate(rows, ("stem", "gate", "passed"), colalign=("left", "left", "right"))
    yield ""
    before = "already existed" if result["recipe"] else "already checked"
    kept = f" ({result['kept']} {before})" if result["kept"] else ""
    yield f"{result['folder']}: stems of {count(clips, 'clip')}{kept}"
    decibels = result["residual_db"]
    if decibels is not None and decibels > _LARGE_RESIDUAL:
        yield (
            f"the sum of the stems differs from the clips by {decibels:z.1f} dB (median): stems "
            "must keep the level that they have in the clip"
        )
