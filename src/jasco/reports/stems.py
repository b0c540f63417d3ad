"""Estimated stems: how many pass their gates, as a JSON object and as text."""

from collections.abc import Iterator

from tabulate import tabulate

from jasco.errors import count
from jasco.interventions.estimation import Estimation
from jasco.interventions.gates import GATES, NO_SOUND, NO_WORDS, SOUND_KEPT, WORDS_KEPT
from jasco.reports.report import SCHEMA, Json

_DESCRIPTIONS = {
    NO_WORDS: "no word of the sentence is recognised",
    SOUND_KEPT: "the sound of the clip is recognised",
    WORDS_KEPT: "at most 20% of the words are wrong",
    NO_SOUND: "the sound of the clip is not recognised",
}


def summarise_stems(estimation: Estimation) -> Json:
    """Return the result of the estimation as the documented JSON object."""
    data, gates = estimation.data, estimation.stems.gates
    return {
        "schema": SCHEMA,
        "data": {
            "name": data.name,
            "annotations_sha256": data.annotations_sha256,
            "clips": len(data.clips),
        },
        "folder": str(estimation.stems.folder),
        "recipe": dict(estimation.stems.recipe),
        "kept": estimation.kept,
        "passed": sum(not gate.failures for gate in gates.values()),
        "passed_by_gate": {
            name: sum(name not in gate.failures for gate in gates.values()) for name in GATES
        },
        "failures": {id_: dict(gate.failures) for id_, gate in gates.items() if gate.failures},
    }


def render_stems(result: Json) -> str:
    """Format the result of the estimation as text: failures with their reasons, then a table."""
    return "\n".join(_lines(result))


def _lines(result: Json) -> Iterator[str]:
    clips = result["data"]["clips"]
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
    kept = f" ({result['kept']} already existed)" if result["kept"] else ""
    yield f"{result['folder']}: stems of {count(clips, 'clip')}{kept}"
