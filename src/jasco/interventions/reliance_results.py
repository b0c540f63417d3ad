"""The results of a run and its conditions, as the statistics of modality reliance require them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jasco.errors import InputError
from jasco.metrics.attribution import Gates
from jasco.metrics.reliance import Outcomes, Reliance, reliance
from jasco.metrics.verdict_matrix import VerdictMatrix
from jasco.protocol.answer_texts import contains_keyword, is_refusal
from jasco.protocol.conditions import ORIGINAL
from jasco.protocol.responses import Response
from jasco.runs.condition_runs import condition_folder, conditions_of, donor_folder, gates_of
from jasco.runs.read_run import model_of, results_of_condition
from jasco.runs.reader import RunReader, is_run
from jasco.runs.results import Results, judge_named
from jasco.runs.schema import SKIPPED_FACT, STEMS_FACT


@dataclass(frozen=True)
class RelianceResults:
    """The results of a run and its conditions.

    Attributes
    ----------
    run : pathlib.Path
        The folder of the original run.
    original : Results
        Its results, by the judges that judged all conditions.
    outcomes : mapping of str to Outcomes
        By the key of the condition.
    states : mapping of str to str
        By the key of the condition: ``complete``, ``incomplete`` or ``skipped``.
    skipped : mapping of str to str
        Why a condition was skipped, by its key.
    stems : mapping
        How the stems were made, as in the run; empty if there are none.
    other_judges : tuple of str
        Judges of the original run that are left out: they have not judged all conditions, or are
        proxies beside other judges.
    """

    run: Path
    original: Results
    outcomes: Mapping[str, Outcomes]
    states: Mapping[str, str]
    skipped: Mapping[str, str] = field(default_factory=dict)
    stems: Mapping[str, Any] = field(default_factory=dict)
    other_judges: tuple[str, ...] = ()

    @property
    def exact(self) -> bool:
        """Whether the stems sum exactly to the clips."""
        return bool(self.stems.get("exact", False))

    @property
    def complete(self) -> bool:
        """Whether no condition is incomplete."""
        return "incomplete" not in self.states.values()

    @cached_property
    def gates(self) -> Gates | None:
        """Which stems pass their gates; None if the stems are exact, or the gates unknown."""
        return gates_of(self.stems, [clip.id for clip in self.original.clips])

    @cached_property
    def reliance(self) -> Reliance:
        """The figures."""
        return reliance(self.outcomes, exact=self.exact, gates=self.gates)


def read_reliance(run: Path, judges: Sequence[str] = ()) -> RelianceResults:
    """Read the results of a run and its conditions.

    Parameters
    ----------
    run : pathlib.Path
        The folder of the original run.
    judges : sequence of str
        The judges whose verdicts are used; all that judged every condition if empty.

    Raises
    ------
    InputError
        There is no run, it is empty or has no conditions, or a judge is unknown.
    """
    original = results_of_condition(run)
    if not original.judges:
        raise InputError(f"{run}: not judged yet; run: jasco reliance {run} --judge JUDGE")
    conditions = [each for each in conditions_of(run) if each.key != ORIGINAL]
    if not conditions:
        raise InputError(
            f"{run}: no conditions; run: jasco reliance MODEL --data DATA --judge JUDGE --run {run}"
        )
    skipped = {}
    for condition in conditions:
        if reason := _fact(condition_folder(run, condition.key), SKIPPED_FACT):
            skipped[condition.key] = reason
    keys = [condition.key for condition in conditions if condition.key not in skipped]
    results = {ORIGINAL: original}
    donors: dict[str, Results] = {}
    for key in keys:
        if _has_model(folder := condition_folder(run, key)):
            results[key] = results_of_condition(folder)
        if _has_model(folder := donor_folder(run, key)):
            donors[key] = results_of_condition(folder)
    used = _judges(original, [*results.values(), *donors.values()], judges)
    outcomes = {
        key: Outcomes(
            _matrices(of_key, used, original),
            *_texts(condition_folder(run, key), original),
            _matrices(donors[key], used, original) if key in donors else {},
        )
        for key, of_key in results.items()
    }
    states = {
        key: "complete" if _is_complete(of_key, used, original) else "incomplete"
        for key, of_key in results.items()
    }
    for key, of_key in donors.items():
        if not _is_complete(of_key, used, original):
            states[key] = "incomplete"
    return RelianceResults(
        run,
        original.judged_by(used),
        outcomes,
        {**states, **dict.fromkeys(skipped, "skipped")},
        skipped,
        _stems(run),
        tuple(judge for judge in original.judges if judge not in used),
    )


def _judges(original: Results, results: Iterable[Results], names: Sequence[str]) -> list[str]:
    """Return the judges that judged all conditions; without proxies if there are others.

    Conditions without any verdict yet are ignored.
    """
    if names:
        return list(
            dict.fromkeys(judge_named(name, original.judges, original.model) for name in names)
        )
    begun = [each.judges for each in results if each.judges]
    judged = [judge for judge in original.judges if all(judge in judges for judges in begun)]
    judged = judged or list(original.judges)
    others = [judge for judge in judged if not original.judges[judge].proxy]
    return others or judged


def _matrices(
    results: Results, judges: Sequence[str], original: Results
) -> dict[str, VerdictMatrix]:
    """Return the verdicts by judge, with as many clips and samples as the original run."""
    clips = len(original.clips)
    none = VerdictMatrix.none_yet(clips, instructions=original.instructions)
    matrices = {}
    for judge in judges:
        samples = results.matrices[judge].samples if judge in results.matrices else ()
        resized = [matrix.resized(clips) for matrix in samples[: original.samples]]
        resized += [none] * (original.samples - len(resized))
        matrices[judge] = VerdictMatrix.of_samples(resized)
    return matrices


def _texts(run: Path, original: Results) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return which answers contain a keyword (NaN without an answer), and which are refusals."""
    clips, samples = len(original.clips), original.samples
    with RunReader.open(run) as store:
        model = model_of(store)[0]
        shape = samples, clips, len(store.instructions)
        keywords, refusals = np.full(shape, np.nan, np.float32), np.zeros(shape, bool)
        for part in store.parts():
            for place, clip in zip(part.places, part.clips(), strict=True):
                for sample in range(samples if place < clips else 0):
                    for number, response in part.responses(model, place, sample).items():
                        if isinstance(response, Response):
                            cell = sample, place, number - 1
                            keywords[cell] = contains_keyword(response.text, clip.keywords)
                            refusals[cell] = is_refusal(response.text)
    return keywords, refusals


def _is_complete(results: Results, judges: Sequence[str], original: Results) -> bool:
    """Return whether every answer is there and has a readable verdict of each judge."""
    is_judged = all(
        judge in results.matrices
        and all(bool(each.readable.all()) for each in results.matrices[judge].samples)
        for judge in judges
    )
    is_wide = len(results.clips) >= len(original.clips) and results.samples >= original.samples
    return bool(judges) and is_wide and is_judged


def _stems(run: Path) -> dict[str, Any]:
    with RunReader.open(run) as store:
        return store.json_fact(STEMS_FACT) or {}


def _fact(run: Path, name: str) -> str:
    with RunReader.open(run) as store:
        return store.fact(name) or ""


def _has_model(run: Path) -> bool:
    if not is_run(run):
        return False
    with RunReader.open(run) as store:
        return bool(store.models())
