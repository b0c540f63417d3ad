"""Running conditions: each is a run, in the folder of the run whose clips and model it is about.

The work has several passes, so that a model is loaded once for all conditions, and a judge with its
own server is started once: the original run, which makes the checks; the other conditions; the
second judging of answers with a swapped cue; and each judge that runs alone on this machine.
"""

import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import closing
from copy import copy
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

from jasco.backends.budget import NO_LIMITS, BudgetReachedError, Limits
from jasco.data.dataset import DataSet
from jasco.errors import RunConflictError
from jasco.evaluation.distributed.divided_run import (
    Division,
    is_divided,
    not_divided,
    run_divided,
    run_on,
)
from jasco.evaluation.distributed.executors import Executor
from jasco.evaluation.distributed.shard_job import index_run
from jasco.evaluation.job import Job
from jasco.evaluation.kept_providers import KeptProviders
from jasco.evaluation.no_audio_check import NoAudioRefusedError
from jasco.evaluation.progress import counted
from jasco.evaluation.run_job import Stop, run_in_store
from jasco.evaluation.signals import sigterm_interrupts
from jasco.evaluation.stops import Stops
from jasco.interventions.condition_data import make_data
from jasco.interventions.donors import donor_of
from jasco.interventions.stems import StemSet
from jasco.interventions.stored_answers import StoredAnswers
from jasco.judges.judge import Judge
from jasco.protocol.clips import Clip
from jasco.protocol.conditions import ORIGINAL, Condition, condition_of
from jasco.runs.condition_runs import condition_folder, conditions_of, donor_folder
from jasco.runs.reader import RunReader, is_run
from jasco.runs.schema import SKIPPED_FACT, STEMS_FACT
from jasco.runs.spending import Spending, spending_of
from jasco.runs.writer import RunWriter

Notify = Callable[[str], None]
_DATA_FOLDER = "data"
"""The folder, in that of a condition, with its audio."""
_PATIENCE = 600.0
"""Seconds to wait for another process that works on the same run."""


@dataclass
class RelianceRunner:
    """Runs the conditions of a model.

    Parameters
    ----------
    job : Job
        The job of the original run.
    conditions : sequence of Condition
        The conditions, including ``original``.
    stems : StemSet or None
        The stems; None if no condition needs them.
    division : Division or None
        How each run is divided and processed; None processes each in this process.
    notify : callable
        Takes lines for the user.
    begun : callable
        Takes the function that stops the work.
    """

    job: Job
    conditions: Sequence[Condition]
    stems: StemSet | None
    division: Division | None = None
    notify: Notify = lambda _: None
    begun: Callable[[Stop], None] = lambda _: None
    _stops: Stops = field(default_factory=Stops)

    def run(self) -> bool:
        """Do what is missing.

        Returns
        -------
        bool
            Whether no work is left that the same call could finish.

        Raises
        ------
        InputError, RunConflictError, IncompleteError, KeyboardInterrupt
            As :func:`.run_job` and :func:`.run_divided`.
        """
        self.begun(self._stops.stop)
        self.check()
        with sigterm_interrupts(), closing(KeptProviders()) as kept:
            complete = self._do([self._original()], kept)
            if self.job.model:
                self._prepare()
            answering, donors = self._jobs()
            for passed in (
                [job for job in answering if _has_audio(job)],
                [job for job in answering if not _has_audio(job)],
                donors,
            ):
                complete = self._do(passed, kept) and complete
            runs = [self.job, *answering, *donors]
            for judge in self._judges(exclusive=True):
                complete = self._do([_judging(job, judge) for job in runs], kept) and complete
        return complete

    def planned(self) -> list[Job]:
        """Return the jobs of all runs, with all judges; nothing is written or started.

        Audio that has yet to be made is represented by that of the original data set.
        """
        answering, donors = self._jobs()
        judging = [replace(job, model=None) for job in donors]  # their answers cost nothing
        jobs = [replace(self.job, condition=condition_of(ORIGINAL)), *answering, *judging]
        return [replace(job, judges=self.job.judges) for job in jobs]

    def check(self) -> None:
        """Check, before anything is written, that there are donors, and the stems of the run.

        Raises
        ------
        InputError
            There are too few donors, or a stem is missing.
        RunConflictError
            The run's conditions were made with other stems.
        """
        if not self.stems:
            return
        earlier = self._stored_stems().get("files", {})
        changed = [
            id_ for id_, sha256 in self._stem_hashes.items() if earlier.get(id_, sha256) != sha256
        ]
        folders = [
            condition_folder(self.job.run, each.key)
            for each in conditions_of(self.job.run)
            if each.needs_stems
        ]
        if changed and any(map(_has_answers, folders)):
            raise RunConflictError(
                f"{self.job.run}: its conditions were made with other stems than those in "
                f"{self.stems.folder} (clip {changed[0]}); use the same stems, or a different --run"
            )

    # --- jobs ---

    def _judges(self, *, exclusive: bool) -> list[Judge]:
        """Return the judges that run alone on this machine, or the others."""
        return [judge for judge in self.job.judges if judge.exclusive == exclusive]

    def _original(self) -> Job:
        job = self.job
        return replace(job, condition=condition_of(ORIGINAL), judges=self._judges(exclusive=False))

    def _jobs(self) -> tuple[list[Job], list[Job]]:
        """Return the jobs of the other conditions, and those of the second judging."""
        answering, donors = [], []
        for condition in self.conditions:
            if condition.key != ORIGINAL:
                answering.append(self._of_condition(condition))
            if condition.swapped:
                donors.append(self._of_donors(condition))
        return answering, donors

    def _of_condition(self, condition: Condition) -> Job:
        folder = condition_folder(self.job.run, condition.key)
        data = self.job.data
        made = folder / _DATA_FOLDER
        if data and condition.has_audio and made.is_dir():
            data = replace(data, folder=made)
        return replace(
            self.job,
            run=folder,
            data=data,
            judges=self._judges(exclusive=False),
            limit=self.job.clips_covered(data.total, self._covered()) if data else None,
            condition=condition,
            title=condition.key,
            preflight=False,  # it was made on the original run
        )

    def _of_donors(self, condition: Condition) -> Job:
        source, data, model = self._of_condition(condition), self.job.data, self.job.model
        if data:
            clips = tuple(
                condition.judged_as(
                    clip, donor_of(clip, condition.swapped, condition.draw, data.clips)
                )
                for clip in data.clips
                if condition.swapped
            )
            data = DataSet(f"{data.name} ({condition.key})", clips)
        return replace(
            source,
            run=donor_folder(self.job.run, condition.key),
            data=data,
            model=model and StoredAnswers(model.spec, source.run),
            title=f"{condition.key} (donors)",
        )

    @cached_property
    def _stem_hashes(self) -> dict[str, str]:
        """The hashes of the stems of the clips that are used, by clip id."""
        return self.stems.hashes(self._used_clips()) if self.stems else {}

    def _used_clips(self) -> list[Clip]:
        """Return the clips that the run covers, and the donors of their cues."""
        data = self.job.data
        assert data is not None
        clips = data.clips[: self.job.clips_covered(data.total, self._covered())]
        donors = [
            donor_of(clip, condition.swapped, condition.draw, data.clips)
            for condition in self.conditions
            if condition.swapped
            for clip in clips
        ]
        return list({clip.id: clip for clip in (*clips, *donors)}.values())

    def _covered(self) -> int:
        """Return the number of clips that the original run covers; 0 if it does not exist."""
        if not is_run(self.job.run):
            return 0
        with RunReader.open(self.job.run) as store:
            return store.covered

    def _stored_stems(self) -> dict[str, Any]:
        if not is_run(self.job.run):
            return {}
        with RunReader.open(self.job.run) as store:
            return store.json_fact(STEMS_FACT) or {}

    def _prepare(self) -> None:
        """Make the audio of the conditions, and record the stems."""
        data, stems = self.job.data, self.stems
        assert data is not None
        clips = data.clips[: self._covered()]
        if stems:
            files = self._stored_stems().get("files", {}) | self._stem_hashes
            facts = {"exact": stems.is_exact(data, clips), **stems.to_json(), "files": files}
            with RunWriter.open(self.job.run, _PATIENCE, self.notify) as writer:
                writer.set_facts({STEMS_FACT: json.dumps(facts, ensure_ascii=False)})
        for condition in self.conditions:
            folder = condition_folder(self.job.run, condition.key)
            if condition.has_audio and condition.key != ORIGINAL:
                shown = counted(clips, f"audio of {condition.key}", "clip", self.notify)
                make_data(condition, data, shown, stems, folder / _DATA_FOLDER)
            elif not condition.has_audio and not (self.division and self.division.shard):
                _forget_skipped(folder)

    # --- processing ---

    def _do(self, jobs: Sequence[Job], kept: KeptProviders) -> bool:
        """Process jobs; return whether nothing is left that the same jobs could finish."""
        jobs = [job for job in jobs if job.model or _has_answers(job.run)]
        executor = self.division and self.division.executor
        complete = True
        if jobs and executor:
            return self._do_on(executor, jobs)
        for job in jobs:
            self._stops.check()
            try:
                complete = self._do_here(self._limited(job), kept) and complete
            except NoAudioRefusedError as error:
                self.notify(f"condition {job.title} skipped: {error}")
        return complete

    def _do_here(self, job: Job, kept: KeptProviders) -> bool:
        try:
            return self._process(job, self._notify_of(job), kept)
        except BudgetReachedError:
            limits = self.job.limits
            parts = [
                f"{amount} {unit}"
                for amount, unit in ((limits.calls, "calls"), (limits.tokens, "tokens"))
                if amount is not None
            ]
            parts += [] if limits.cost is None else [f"a cost of {limits.cost}"]
            raise BudgetReachedError(
                f"{job.title or ORIGINAL}: the limit of {' or '.join(parts)} for all conditions "
                "together is reached; completed work is saved; run the same command with a larger "
                "limit to continue"
            ) from None

    def _process(self, job: Job, notify: Notify, kept: KeptProviders) -> bool:
        begun, division = self._stops.begun, self._division_of(job)
        if division:
            without = replace(job, data=None)
            return run_divided(without, job.data, division, notify, begun, kept=kept)
        if job.data is None:
            RunReader.open(job.run).close()  # do not create a run
        with RunWriter.open(job.run, notify=notify) as store:
            return run_in_store(job, store, notify, begun, kept=kept)

    def _do_on(self, executor: Executor, jobs: Sequence[Job]) -> bool:
        indexed = []
        for job in (self._limited(job, len(jobs)) for job in jobs):
            division, without = self._division_of(job), replace(job, data=None)
            if not division or not division.count:
                raise not_divided(self.job.run)
            shards = index_run(without, division.count, job.data, self._notify_of(job))
            indexed.append((without, shards))
        try:
            return run_on(executor, indexed, self.notify)
        except RunConflictError as error:
            if not any(_skipped(job.run) for job in jobs):
                raise
            for job in jobs:
                if not _has_answers(job.run):
                    reason = _skipped(job.run) or str(error)
                    with RunWriter.open(job.run, _PATIENCE, self.notify) as store:
                        store.set_facts({SKIPPED_FACT: reason})
                    self.notify(f"condition {job.title} skipped: {reason}")
            return True

    def _division_of(self, job: Job) -> Division | None:
        """Return how a run is divided; a new one is divided as the original run."""
        given = self.division or Division()
        run = next(filter(is_run, (job.run, self.job.run)), None)
        if given.count or run is None or not is_divided(run):
            return self.division
        with RunReader.open(run) as store:
            return replace(given, shards=store.shards)

    def _limited(self, job: Job, among: int = 1) -> Job:
        """Return a job with what is left of the limits, which apply to all runs together."""
        limits = job.limits
        if limits == NO_LIMITS:
            return job
        conditions = conditions_of(self.job.run)
        runs = [condition_folder(self.job.run, each.key) for each in conditions]
        runs += [donor_folder(self.job.run, each.key) for each in conditions if each.swapped]
        spent = []
        for run in runs:
            if run != job.run and is_run(run):
                with RunReader.open(run) as store:
                    spent.append(spending_of(store))
        total = Spending.sum(spent)
        counts = total.total.landed()
        left = Limits(
            None if limits.calls is None else max(limits.calls - counts.calls, 0) // among,
            None if limits.tokens is None else max(limits.tokens - counts.tokens, 0) // among,
            None
            if limits.cost is None
            else max(limits.cost - (total.cost or 0), Decimal(0)) / among,
        )
        return replace(job, limits=left)

    def _notify_of(self, job: Job) -> Notify:
        if not job.title:
            return self.notify
        return lambda line: self.notify(f"{job.title}: {line}")


def _has_audio(job: Job) -> bool:
    return job.condition is None or job.condition.has_audio


def _judging(job: Job, judge: Judge) -> Job:
    """Return the job in which a judge judges the answers in a run."""
    return replace(job, judges=[copy(judge)], model=None, data=None, limit=None, samples=None)


def _has_answers(run: Path) -> bool:
    if not is_run(run):
        return False
    with RunReader.open(run) as store:
        return store.has_answers()


def _skipped(run: Path) -> str:
    """Return why a condition was skipped; empty if it was not."""
    if not is_run(run):
        return ""
    with RunReader.open(run) as store:
        return store.fact(SKIPPED_FACT) or ""


def _forget_skipped(run: Path) -> None:
    """Delete the run of a condition that was skipped, to try again."""
    if _skipped(run) and not _has_answers(run):
        shutil.rmtree(run)
