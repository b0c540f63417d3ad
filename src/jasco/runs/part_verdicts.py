"""The verdict matrices of a run, filled from its file or from the files of its shards."""

from collections.abc import Iterable

from jasco.metrics.agreement import Agreement
from jasco.metrics.scoring import self_agreement
from jasco.metrics.verdict_matrix import VerdictMatrix
from jasco.runs.reader import RunReader

Samples = list[VerdictMatrix]


class PartVerdicts:
    """The verdicts of the judges of a run, collected part by part.

    Parameters
    ----------
    run : RunReader
        The run; its clips and samples determine the shape of the matrices.
    single_prompt : bool
        Whether each clip was combined with only one of the instructions.
    """

    def __init__(self, run: RunReader, *, single_prompt: bool) -> None:
        self._covered, self._places = run.covered, run.places
        self._instructions, self._samples = run.instructions, run.samples
        self._single_prompt = single_prompt
        self._by_judge: dict[str, list[Samples]] = {}

    def add(self, part: RunReader, model: int, judge: int, name: str, repeats: int) -> None:
        """Add the verdicts of a judge, of which some are repeated, in one part of the run."""
        matrices = self._by_judge.setdefault(name, [])
        while len(matrices) < repeats:
            matrices.append([self._empty() for _ in range(self._samples)])
        for repeat in range(repeats):
            for sample, matrix in enumerate(matrices[repeat]):
                matrix.enter_packed(part.verdict_table(model, judge, repeat, sample))

    def matrices(self, judges: Iterable[str]) -> dict[str, VerdictMatrix]:
        """Return the first verdicts of the given judges, by name."""
        return {name: self._matrix(self._by_judge[name][0]) for name in judges}

    def self_agreement(self, name: str) -> Agreement | None:
        """Return the agreement of the repeated verdicts of a judge; None if there are none."""
        repeats = self._by_judge.get(name, ())
        return self_agreement(list(map(self._matrix, repeats))) if len(repeats) > 1 else None

    def _empty(self) -> VerdictMatrix:
        return VerdictMatrix.none_yet(
            self._covered, single_prompt=self._single_prompt, instructions=self._instructions
        )

    def _matrix(self, samples: Samples) -> VerdictMatrix:
        matrix = VerdictMatrix.of_samples(samples)
        is_whole = len(self._places) == self._covered
        return matrix if is_whole else matrix.of_clips(self._places)  # a shard, read by itself
