"""A job on its open run: what is checked and recorded before the first call, and after the last."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from jasco.errors import InputError, count, one_line
from jasco.evaluation.job import Job
from jasco.evaluation.progress import counted
from jasco.evaluation.remaining import Remaining
from jasco.judges.judge import Judge
from jasco.models.model import Model
from jasco.protocol.clips import Clip
from jasco.protocol.protocols import PROTOCOLS, protocol_named
from jasco.runs.audio_manifest import audio_facts, audio_reader
from jasco.runs.commit_queue import Writer
from jasco.runs.exam_records import copy_exams
from jasco.runs.spending import keep_spent, open_budget, spent_rows
from jasco.runs.store import AudioFacts, Store


class Session:
    """A job, and the run that it works on.

    Opening a session checks that the job fits the run, records what the job works with, and reads
    the audio.

    Parameters
    ----------
    job : Job
        What to do.
    store : Store
        The run, open for writing.
    notify : callable
        Takes lines for the user.

    Attributes
    ----------
    budget : Budget
        What may be spent, and what is.
    data : DataSet
        Its clips are in the run's order.
    protocol : Protocol
        How the judges are asked.
    model_number : int
        The model whose responses the job is about, by its number in the run.
    judges : mapping of int to Judge
        The job's judges, by their numbers in the run.
    clips : sequence of Clip
        Those that the run covers: its first ones.
    audio : mapping of str to AudioFacts
        Their audio, by clip id; empty where the model uses none.
    read_audio : callable
        Reads a clip's audio: the very bytes that were hashed.
    writer : Writer
        Commits responses and verdicts to the run.
    remaining : Remaining
        What the job is still to do.

    Raises
    ------
    InputError
        The run holds no responses to judge, a price is missing, or a clip cannot be read.
    RunConflictError
        The run holds other data or audio, another model, protocol or source.
    """

    def __init__(self, job: Job, store: Store, notify: Callable[[str], None]) -> None:
        self.job, self.store, self.notify = job, store, notify
        self.budget = budget = open_budget(store, job.limits, job.prices, job.providers)
        self.data = store.hold(job.data or store.data())
        protocol = store.fact("protocol") or next(iter(PROTOCOLS))
        if job.judges:
            protocol = job.protocol or protocol
            store.hold_protocol(protocol)
        self.protocol = protocol_named(protocol)
        self.model_number = self._number_model()
        numbers = store.hold_judges([judge.spec for judge in job.judges])
        self.judges: Mapping[int, Judge] = dict(zip(numbers, job.judges, strict=True))
        keep_spent(store, budget)
        for table, number, provider in self._providers():
            provider.folder, provider.notify, provider.budget = job.run, notify, budget
            provider.adaptations = {}
            store.hold_source(table, number, provider.spec.label, provider.fingerprint())
        if not store.has_answers():  # a run without responses may still cover fewer clips
            store.narrow(0)
        self._covered = store.covered
        self.clips: Sequence[Clip] = self.data.clips[: job.clips_covered(self.data, store.covered)]
        self.audio: Mapping[str, AudioFacts] = {}
        if job.model and job.model.uses_audio:
            self.audio = self._read_all_audio()
            store.hold_audio(dict(enumerate(self.audio.values())))
        files = {id_: (facts.path, facts.sha256) for id_, facts in self.audio.items()}
        self.read_audio = audio_reader(self.data, files)
        if job.limit and job.limit < self._covered == len(self.clips):
            notify(
                f"--limit {job.limit} has no effect: {job.run} covers "
                f"{count(self._covered, 'clip')} already; for fewer, take another --run"
            )
        self.writer = Writer(store, lambda: spent_rows(budget))
        self.remaining = Remaining(store, self.model_number, self.protocol, job.retry_final)

    def keep(self) -> None:
        """Record what was spent and how requests were adapted; drop clips without responses."""
        keep_spent(self.store, self.budget)
        identities = {number: judge.spec.identity for number, judge in self.judges.items()}
        copy_exams(self.store, identities, self.model_number)
        for table, number, provider in self._providers():
            self.store.hold_adaptations(table, number, provider.adaptations)
        self.store.narrow(self._covered or len(self.clips))

    def missing_responses(self) -> int:
        """Count the items that the job's model is still to respond to; 0 without a model."""
        return self.remaining.responses() if self.job.model else 0

    def needs(self, number: int) -> bool:
        """Return whether a judge has responses to judge, or may get some."""
        missing = self.missing_responses()
        return bool(missing or self.remaining.verdicts(number, self.judges[number]))

    def calls(self) -> int:
        """Count the calls to make, if every item that lacks a response gets one."""
        verdicts = sum(self.remaining.verdicts(*judge) for judge in self.judges.items())
        return self.missing_responses() * (1 + len(self.judges)) + verdicts

    def is_done(self) -> bool:
        """Return whether all that is missing is final."""
        left = replace(self.remaining, retry_final=False)
        return not left.responses() and not any(
            left.verdicts(*judge) for judge in self.judges.items()
        )

    def _providers(self) -> Iterator[tuple[str, int, Model | Judge]]:
        """Yield the model and the judges, each with its table and its number in the run."""
        if self.job.model:
            yield "models", self.model_number, self.job.model
        for number, judge in self.judges.items():
            yield "judges", number, judge

    def _number_model(self) -> int:
        if self.job.model:
            return self.store.hold_model(self.job.model.spec)
        if not self.store.models() or not self.store.covered:  # killed before it began, perhaps
            raise InputError(
                f"{self.job.run}: the run holds no answers to judge; see: jasco respond"
            )
        return self.store.models()[0][0]

    def _read_all_audio(self) -> dict[str, AudioFacts]:
        """Read every clip once, before anything is spent on the first."""
        progress = counted(self.clips, "reading audio", "clip", self.notify)
        facts = audio_facts(self.data, progress)
        by_clip = {clip.id: audio for clip, audio in zip(self.clips, facts, strict=True)}
        clips = count(len(facts), "clip")
        if converted := sum(bool(audio.conversions) for audio in facts):
            self.notify(f"converted to 16 kHz mono PCM16: {converted} of {clips}")
        if clipped := {id_: audio.clipped for id_, audio in by_clip.items() if audio.clipped}:
            worst = max(clipped, key=lambda id_: clipped[id_])
            samples = count(clipped[worst], "sample")
            self.notify(
                f"clipped samples: {len(clipped)} of {clips} (most: clip {worst}, {samples})"
            )
        for warning in dict.fromkeys(warning for audio in facts for warning in audio.warnings):
            ids = [id_ for id_, audio in by_clip.items() if warning in audio.warnings]
            self.notify(f"{warning}: {len(ids)} of {clips} ({one_line(', '.join(ids), 80)})")
        return by_clip
