"""A job on its open run: what it uses, what it records, and what is left to do."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from jasco.data.audio import SILENT, Audio, read_known
from jasco.errors import InputError, RunConflictError, count, one_line
from jasco.evaluation.job import Job
from jasco.evaluation.progress import counted
from jasco.judges.judge import Judge
from jasco.models.model import Model
from jasco.protocol.clips import Clip, Item, items_of
from jasco.protocol.protocols import Protocol, protocol_named
from jasco.runs.async_writer import AsyncWriter
from jasco.runs.audio_manifest import AudioFacts, audio_facts, audio_path
from jasco.runs.exam_records import copy_exams
from jasco.runs.reader import RunReader
from jasco.runs.spending import keep_spent, open_budget, spent_rows
from jasco.runs.writer import RunWriter

SAMPLED = 5
"""One in this many clips is judged repeatedly, if a judge's spec asks for repeats."""
Judges = Mapping[int, Judge]
"""Judges by their numbers in a run."""


def repeats_of(judge: Judge, place: int) -> int:
    """Return the number of a judge's verdicts on each response to the clip at this index."""
    return int(judge.spec.options.get("repeats", 1)) if place % SAMPLED == 0 else 1


@dataclass(frozen=True)
class Remaining:
    """What is missing from a model's part of a run.

    Attributes
    ----------
    store : RunReader
        The open run.
    model_number : int
        The number of the model in the run.
    protocol : Protocol
        The protocol of the verdicts.
    retry_final : bool
        Whether failures and unreadable verdicts that are final count as missing.
    """

    store: RunReader
    model_number: int
    protocol: Protocol
    retry_final: bool = False

    def responses(self) -> int:
        """Count the missing responses."""
        store, model = self.store, self.model_number
        final = 0 if self.retry_final else store.count_final(model)
        return store.count_expected(model) - store.count_responses(model)[0] - final

    def verdicts(self, judges: Judges) -> int:
        """Count the missing verdicts of judges on the existing responses."""
        model, protocol = self.model_number, self.protocol.name
        return sum(
            self.store.count_unjudged(
                model,
                number,
                protocol,
                repeat,
                SAMPLED if repeat else 1,
                retry_final=self.retry_final,
            )
            for number, judge in judges.items()
            for repeat in range(repeats_of(judge, 0))
        )


class Session:
    """A job and its run.

    Opening a session checks that the job fits the run, records what the job uses, and reads the
    audio.

    Parameters
    ----------
    job : Job
        What to do.
    store : RunWriter
        The run, open for writing.
    notify : callable
        Takes lines for the user.

    Attributes
    ----------
    budget : Budget
        Limits, and what was spent.
    data : DataSet
        Its clips are in the run's order.
    protocol : Protocol
        The judging protocol.
    model_number : int
        The number in the run of the model whose responses the job is about.
    judges : mapping of int to Judge
        The job's judges, by number in the run.
    instructions : tuple of str
        The texts of the instructions.
    samples : int
        Expected number of responses to each item.
    covered : int
        Number of clips of the data set, from the first on, that the run covers.
    condition : Condition
        What the model is given.
    clips : sequence of Clip
        The covered clips; of a shard, those that belong to it.
    places : sequence of int
        Their indices in the whole data set.
    audio : mapping of str to AudioFacts
        Facts about their audio, by clip id; empty if the model uses none.
    writer : AsyncWriter
        Commits responses and verdicts to the run.
    remaining : Remaining
        What is left to do.

    Raises
    ------
    InputError
        The run holds no responses to judge, a price is missing, or a clip cannot be read.
    RunConflictError
        The run holds different data or audio, or another model, protocol or source.
    """

    def __init__(self, job: Job, store: RunWriter, notify: Callable[[str], None]) -> None:
        self.job, self.store, self.notify = job, store, notify
        self.budget = budget = open_budget(job.limits, job.prices, job.providers, store)
        instructions = store.instructions if job.instructions is None else job.instructions
        job.check_recorded(instructions, max(job.samples or 1, store.samples))
        self.data = store.set_data(job.data or store.data())
        self.instructions = store.set_instructions(job.instructions)
        self.condition = store.set_condition(job.condition)
        stored = store.fact("protocol")
        self.protocol = protocol_named((job.judges and job.protocol) or stored)
        if job.judges:
            store.set_protocol(self.protocol.name)
        if job.model:
            self.model_number = store.set_model(job.model.spec)
        elif store.models() and store.covered:  # else perhaps killed before it began
            self.model_number = store.models()[0][0]
        else:
            raise InputError(f"{job.run}: the run holds no answers to judge; see: jasco respond")
        store.describe(self.model_number, job.name, job.tags)
        numbers = store.add_judges([judge.spec for judge in job.judges])
        self.judges: Judges = dict(zip(numbers, job.judges, strict=True))
        keep_spent(store, budget)
        for table, number, provider in self._providers():
            provider.folder, provider.notify, provider.budget = job.run, notify, budget
            provider.adaptations = {}
            store.set_source(table, number, provider.spec.label, provider.fingerprint())
        if not store.shard and not store.has_answers():  # it may still cover fewer clips
            store.narrow(0)
        earlier, self._earlier_samples = store.covered, store.samples
        self.samples = max(job.samples or 1, store.samples)
        # The whole run determines what its shards cover.
        self.covered = earlier if store.shard else job.clips_covered(self.data.total, earlier)
        self._earlier_covered = earlier or self.covered
        self.places = [place for place in self.data.places if place < self.covered]
        self.clips: Sequence[Clip] = self.data.clips[: len(self.places)]
        self.audio: Mapping[str, AudioFacts] = {}
        if self.uses_audio:
            self.audio = self._read_all_audio()
            store.set_audio(self.audio)
        if job.limit and job.limit < earlier == self.covered:
            notify(
                f"--limit {job.limit} has no effect: {job.run} already covers "
                f"{count(earlier, 'clip')}; for fewer, use a different --run"
            )
        if job.samples and job.samples < self.samples:
            notify(
                f"--samples {job.samples} has no effect: {job.run} already holds {self.samples} "
                "answers to each item; for fewer, use a different --run"
            )
        self.writer = AsyncWriter(store, lambda: spent_rows(budget))
        self.remaining = Remaining(store, self.model_number, self.protocol, job.retry_final)

    def read_audio(self, clip: Clip) -> Audio:
        """Read a clip's audio for the model; its bytes are those that were hashed.

        Raises
        ------
        InputError
            The file is missing, or cannot be read.
        RunConflictError
            The file has been replaced since.
        """
        path = audio_path(self.data, clip)
        audio = read_known(path, self.audio[clip.id].sha256)
        if audio is None:
            raise RunConflictError(
                f"{path}: replaced during the run; restore the original file, or use a different "
                "--run"
            )
        return audio

    def close(self) -> None:
        """Record the spending and how requests were adapted; drop clips without responses."""
        keep_spent(self.store, self.budget)
        identities = {number: judge.spec.identity for number, judge in self.judges.items()}
        copy_exams(self.store, identities, self.model_number)
        for table, number, provider in self._providers():
            self.store.add_adaptations(table, number, provider.adaptations)
        if not self.store.shard:
            self.store.narrow(self._earlier_covered, self._earlier_samples)

    @property
    def uses_audio(self) -> bool:
        """Whether the job's model receives audio."""
        model = self.job.model
        return bool(model and model.uses_audio and self.condition.has_audio)

    def asked(self, item: Item) -> Item:
        """Return an item with the prompt that the model receives; judges see the instruction."""
        return replace(item, instruction=self.condition.prompt(item.clip, item.instruction))

    def missing_responses(self) -> int:
        """Count the items without a response of the job's model; 0 without a model."""
        return self.remaining.responses() if self.job.model else 0

    def needs_judge(self, number: int) -> bool:
        """Return whether a judge has responses to judge, or may have some later."""
        judge = {number: self.judges[number]}
        return bool(self.missing_responses() or self.remaining.verdicts(judge))

    def calls(self) -> int:
        """Count the calls to make, if every item without a response gets one."""
        verdicts = self.remaining.verdicts(self.judges)
        return self.missing_responses() * (1 + len(self.judges)) + verdicts

    def is_done(self) -> bool:
        """Return whether everything that is missing is final."""
        left = replace(self.remaining, retry_final=False)
        return not left.responses() and not left.verdicts(self.judges)

    def _providers(self) -> Iterator[tuple[str, int, Model | Judge]]:
        """Yield the model and the judges, each with its table and its number in the run."""
        if self.job.model:
            yield "models", self.model_number, self.job.model
        for number, judge in self.judges.items():
            yield "judges", number, judge

    def items(self, clip: Clip) -> list[Item]:
        """Return the items of a clip, sample by sample."""
        return [
            item
            for sample in range(self.samples)
            for item in items_of(clip, self.instructions, sample)
        ]

    def _read_all_audio(self) -> dict[str, AudioFacts]:
        """Read every clip once, before anything is spent."""
        progress = counted(self.clips, "reading audio", "clip", self.notify)
        by_clip = audio_facts(self.data, progress)
        facts, clips = by_clip.values(), count(len(by_clip), "clip")
        if converted := sum(bool(audio.conversions) for audio in facts):
            self.notify(f"converted to 16 kHz mono PCM16: {converted} of {clips}")
        if clipped := {id_: audio.clipped for id_, audio in by_clip.items() if audio.clipped}:
            worst = max(clipped, key=lambda id_: clipped[id_])
            samples = count(clipped[worst], "sample")
            self.notify(
                f"clipped samples: {len(clipped)} of {clips} (most: clip {worst}, {samples})"
            )
        for warning in dict.fromkeys(warning for audio in facts for warning in audio.warnings):
            if warning == SILENT and self.condition.key == "silence":
                continue
            ids = [id_ for id_, audio in by_clip.items() if warning in audio.warnings]
            self.notify(f"{warning}: {len(ids)} of {clips} ({one_line(', '.join(ids), 80)})")
        return by_clip
