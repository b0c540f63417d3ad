"""How far a run is: the answers and verdicts it holds, how fast they arrive, and its failures."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from jasco.protocol.failure_reasons import Reason, combined_reasons
from jasco.runs.locks import is_locked
from jasco.runs.reader import RunReader

_RECENT = timedelta(minutes=5)
_FEWEST = 3
"""Results below which no rate is given."""
_SHORTEST = 5.0
"""Seconds of results below which no rate is given."""


@dataclass(frozen=True)
class Stage:
    """The answers of a model, or the verdicts of a judge.

    Attributes
    ----------
    name : str
        The label of the judge; empty for the answers.
    expected : int
        Number of items.
    done : int
        Number of results so far, without failures.
    failed : int
        Number of items of which the latest attempt failed.
    rate : float or None
        Results and failures per minute, over the last minutes; None if there are too few.
    reasons : sequence of Reason
        The most frequent message of each kind of failure.
    """

    name: str
    expected: int
    done: int
    failed: int
    rate: float | None
    reasons: Sequence[Reason]

    @property
    def final(self) -> int:
        """Number of failures that a retry cannot resolve."""
        return sum(reason.final for reason in self.reasons)

    def seconds_left(self, unavailable: int = 0) -> float | None:
        """Return the time left at the present rate; None if it is unknown.

        Parameters
        ----------
        unavailable : int
            Number of items for which no result can be expected.
        """
        left = self.expected - self.done - self.failed - unavailable
        if left <= 0:
            return 0.0
        return left / self.rate * 60 if self.rate else None


@dataclass(frozen=True)
class Progress:
    """The progress of a run.

    Attributes
    ----------
    folder : pathlib.Path
        The run's folder.
    name : str
        The name of the model in tables; empty before the model is known.
    answers : Stage or None
        The model's answers; None before the model is known.
    judges : sequence of Stage
        The verdicts of each judge.
    updated : datetime or None
        Time of the latest answer, verdict or failure.
    writers : sequence of pathlib.Path
        Folders of the run and its shards that a process opened and has not closed. The process may
        have been killed since; see :attr:`running`.
    """

    folder: Path
    name: str
    answers: Stage | None
    judges: Sequence[Stage]
    updated: datetime | None
    writers: Sequence[Path]

    @property
    def stages(self) -> Sequence[Stage]:
        """The answers, followed by the verdicts of each judge."""
        return [self.answers, *self.judges] if self.answers else []

    @property
    def complete(self) -> bool:
        """Whether only answers and verdicts are missing that a retry cannot produce."""
        if not self.answers:
            return False
        given = self.answers.expected - self.answers.final
        return self.answers.done >= given and all(
            judge.done + judge.final >= given for judge in self.judges
        )

    @property
    def running(self) -> bool:
        """Whether a process is writing to the run now, as far as this machine can tell."""
        return any(map(is_locked, self.writers))

    @property
    def seconds_left(self) -> float | None:
        """The time left at the present rates; None if it is unknown, or nothing is left."""
        without_answer = self.answers.failed if self.answers else 0
        times = [stage.seconds_left(without_answer if stage.name else 0) for stage in self.stages]
        known = [seconds for seconds in times if seconds is not None]
        return (max(known, default=0.0) or None) if len(known) == len(times) else None


def read_progress(folder: Path, now: datetime) -> Progress:
    """Read the progress of a run.

    Parameters
    ----------
    folder : pathlib.Path
        The run's folder.
    now : datetime
        The present time, with its time zone.

    Raises
    ------
    InputError
        There is no run.
    """
    with RunReader.open(folder) as run:
        models = run.models()
        writers = [run.folder] if _has_writer(run) else []
        if not models:
            return Progress(folder, "", None, (), None, writers)
        model, label, _ = models[0]
        answers: list[_Part] = []
        verdicts: dict[str, list[_Part]] = {}
        updated = ""
        for part in run.parts():
            if _has_writer(part) and part.folder not in writers:
                writers.append(part.folder)
            updated = max(updated, part.updated_at() or "")
            answered, _ = part.count_responses(model)
            answers.append(_Part.of(part, model, None, answered, now))
            for judge, name, _ in part.judges():
                done = part.verdict_counts(model, judge).verdicts
                verdicts.setdefault(name, []).append(_Part.of(part, model, judge, done, now))
        expected = run.count_expected(model)
        return Progress(
            folder=folder,
            name=run.name_of(model) or label,
            answers=_stage("", expected, answers, now),
            judges=[_stage(name, expected, parts, now) for name, parts in verdicts.items()],
            updated=_time(updated) if updated else None,
            writers=writers,
        )


@dataclass(frozen=True)
class _Part:
    """The answers or verdicts in one of the files of a run."""

    done: int
    recent: int
    first: datetime | None
    reasons: Sequence[Reason]

    @classmethod
    def of(cls, run: RunReader, model: int, judge: int | None, done: int, now: datetime) -> Self:
        since = f"{(now - _RECENT).astimezone(UTC):%Y-%m-%dT%H:%M:%S}"  # as in the file
        recent, first = run.written_since(since, model, judge)
        return cls(done, recent, _time(first) if first else None, run.reasons(model, judge))


def _stage(name: str, expected: int, parts: Iterable[_Part], now: datetime) -> Stage:
    parts = list(parts)
    recent = sum(part.recent for part in parts)
    first = min((part.first for part in parts if part.first), default=None)
    seconds = (now - first).total_seconds() if first else 0.0
    reasons = combined_reasons(part.reasons for part in parts)
    return Stage(
        name=name,
        expected=expected,
        done=sum(part.done for part in parts),
        failed=sum(reason.of for reason in reasons),
        rate=recent / seconds * 60 if recent >= _FEWEST and seconds >= _SHORTEST else None,
        reasons=reasons,
    )


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _has_writer(run: RunReader) -> bool:
    return run.fact("holder") is not None
