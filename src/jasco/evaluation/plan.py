"""What a command would do, without doing it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from jasco.backends.budget import NO_LIMITS, Price
from jasco.backends.specs import identity_key
from jasco.data.dataset import DataSet
from jasco.data.published_files import name_with_audio
from jasco.errors import count
from jasco.evaluation.evaluate import Job, clips_covered
from jasco.evaluation.preflight import PROBES, is_due
from jasco.evaluation.runner import repeats_of
from jasco.models.model import Model
from jasco.protocol.clips import Clip, items_of
from jasco.protocol.instructions import INSTRUCTIONS
from jasco.protocol.protocols import PROTOCOLS, protocol_named
from jasco.runs.audio_manifest import audio_facts
from jasco.runs.participants import is_single_prompt
from jasco.runs.spending import Spending, is_metered, prices_for, spending_of
from jasco.runs.store import PREFLIGHT, AudioFacts, Store

_CHARACTERS_A_TOKEN = 4
# Assumed until the run has seen calls of its own.
_ANSWER_SECONDS, _ANSWER_TOKENS = 2.0, 60
_VERDICT_SECONDS, _VERDICT_TOKENS = 8.0, 300
_TOKENS_A_SECOND = 25  # of audio; models differ: some 10 to 50


@dataclass(frozen=True)
class _Done:
    """What the run holds already, and how long a call took in it.

    Attributes
    ----------
    covered : int
        How many clips the run is about.
    items_a_clip : int
        1 where a person answers, else 8.
    answers : int
        Those there are, and those that are not to be asked for again.
    verdicts : dict
        Verdicts by the judge's identity, repeated ones that this job asks for among them.
    answer_seconds, verdict_seconds : float or None
        How long a call took on average.
    preflight : str or None
        What the run knows of a preflight.
    spent : Spending
        What was spent on it.
    labels : tuple of str
        Its model and judges.
    readable : set of str
        Identities of judges that have given a readable verdict.
    """

    covered: int = 0
    items_a_clip: int = len(INSTRUCTIONS)
    answers: int = 0
    verdicts: dict[str, int] = field(default_factory=dict)
    answer_seconds: float | None = None
    verdict_seconds: float | None = None
    preflight: str | None = None
    spent: Spending = field(default_factory=lambda: Spending({}, {}))
    labels: tuple[str, ...] = ()
    readable: frozenset[str] = frozenset()


def plan(job: Job) -> Iterator[str]:
    """Say in a few lines what a job would do; nothing is called, nothing is written.

    Raises
    ------
    InputError
        As the job itself would, for what can be seen beforehand.
    """
    done = _done(job)
    data = job.data or _data(job)
    clips = data.clips[: clips_covered(job, data, done.covered)]
    items = len(clips) * done.items_a_clip
    audio = _read(data, clips) if job.model and job.model.uses_audio else {}
    name = name_with_audio(data.name, {id_: file.sha256 for id_, file in audio.items()})
    yield (
        f"data: {name}, {len(clips)} of {count(len(data.clips), 'clip')}, {count(items, 'item')}"
    )

    answers = max(items - done.answers, 0) if job.model else 0
    if job.model:
        todo = count(answers, "item" if _is_local(job.model) else "call")
        do = "answer" if _is_local(job.model) else "make"
        yield f"model: {job.model.spec.label}: {todo} to {do}, {items - answers} done"
    probes = PROBES if job.preflight and is_due(job.model, answers, done.preflight) else 0
    if probes:
        asked = "questions to answer" if _is_local(job.model) else "calls to make"
        yield f"preflight: {probes} {asked}, or twice as many where answers vary"
    if job.model and job.model.uses_audio:
        minutes = sum(file.seconds for file in audio.values()) / 60
        heard = minutes / len(clips) * (answers + probes)
        yield f"audio: {minutes:.1f} minutes, {heard:.1f} to be heard"
    providers = [*([job.model] if job.model else ()), *job.judges]
    estimate = _Estimate(prices_for(job.limits, job.prices, providers, done.spent, done.labels))
    if job.model and is_metered(job.model) and answers:
        words = sum(map(len, INSTRUCTIONS)) / len(INSTRUCTIONS) / _CHARACTERS_A_TOKEN
        seconds = sum(file.seconds for file in audio.values()) / len(clips)
        tokens = words + seconds * _TOKENS_A_SECOND, _ANSWER_TOKENS
        yield (
            f"tokens: {job.model.spec.label}: "
            f"{estimate.of(job.model.spec.label, answers + probes, *tokens)}, "
            f"at {_TOKENS_A_SECOND} a second of audio (assumed)"
        )

    protocol = protocol_named(job.protocol or next(iter(PROTOCOLS)))
    prompts = [len(protocol.judge_prompt(item, "")) for clip in clips for item in items_of(clip)]
    prompt = sum(prompts) / max(len(prompts), 1) / _CHARACTERS_A_TOKEN + _ANSWER_TOKENS
    verdicts = checks = 0
    for judge in job.judges:
        wanted = done.items_a_clip * sum(repeats_of(judge, place) for place in range(len(clips)))
        missing = max(wanted - done.verdicts.get(identity_key(judge.spec.identity), 0), 0)
        if not is_metered(judge):
            yield f"judge: {judge.spec.label}: {count(missing, 'verdict')} to give, no calls"
            continue
        verdicts += missing
        is_new = identity_key(judge.spec.identity) not in done.readable
        checks += bool(job.preflight and judge.needs_check and is_new and missing)
        label = judge.spec.label
        takes = estimate.of(label, missing, prompt, _VERDICT_TOKENS)
        yield f"judge: {label}: {count(missing, 'call')} to make, {takes}"
    if estimate.cost:
        yield f"cost: about {estimate.cost:.2f}{estimate.without_price}"
    if job.limits != NO_LIMITS:
        yield f"limits: {_limits(job, done.spent)}"

    if checks:
        yield f"known question to each judge first: {count(checks, 'call')} to make"

    answer = done.answer_seconds or (0.0 if _reads_a_file(job.model) else _ANSWER_SECONDS)
    verdict = done.verdict_seconds or _VERDICT_SECONDS
    minutes = ((answers + probes) * answer + verdicts * verdict) / job.concurrency / 60
    paces = []
    if answers and not _reads_a_file(job.model):
        paces.append(f"{answer:.2g} s an answer ({_basis(done.answer_seconds)})")
    if verdicts:
        paces.append(f"{verdict:.2g} s a verdict ({_basis(done.verdict_seconds)})")
    at = (
        f" with {count(job.concurrency, 'call')} at once, at {' and '.join(paces)}" if paces else ""
    )
    yield f"time: {_about(minutes)}{at}"


@dataclass
class _Estimate:
    """The cost of what was estimated so far."""

    prices: Mapping[str, Price]
    cost: float = 0.0
    lacking: list[str] = field(default_factory=list)

    def of(self, label: str, calls: int, into: float, out: float) -> str:
        """Add the calls of a model or judge, and return their tokens and cost in words."""
        words = f"about {calls * into / 1000:.0f}k tokens in and {calls * out / 1000:.0f}k out"
        price = self.prices.get(label)
        if price is None:
            self.lacking.append(label)
            return words
        cost = float(price.of(round(calls * into), round(calls * out)))
        self.cost += cost
        return f"{words}, about {cost:.2f}"

    @property
    def without_price(self) -> str:
        """Return in words which models and judges have no price."""
        return f", without {', '.join(self.lacking)}: no price" if self.lacking else ""


def _limits(job: Job, spent: Spending) -> str:
    total, limits = spent.total.landed(), job.limits
    told = []
    if limits.calls is not None:
        told.append(f"{limits.calls:,} calls, of which {total.calls:,} are spent")
    if limits.tokens is not None:
        told.append(f"{limits.tokens:,} tokens, of which {total.tokens:,} are spent")
    if limits.cost is not None:
        told.append(f"cost {limits.cost}, of which {spent.cost or 0:.2f} is spent")
    return "; ".join(told)


def _read(data: DataSet, clips: Sequence[Clip]) -> dict[str, AudioFacts]:
    with_audio = [clip for clip in clips if data.audio_path(clip)]
    ids = [clip.id for clip in with_audio]
    return dict(zip(ids, audio_facts(data, with_audio), strict=True))


def _is_local(model: Model | None) -> bool:
    """Whether a model computes or reads here, so that there are no calls to speak of."""
    return model is not None and not is_metered(model)


def _reads_a_file(model: Model | None) -> bool:
    """Whether a model takes no time: it needs no audio and makes no calls."""
    return model is not None and not model.uses_audio and not is_metered(model)


def _about(minutes: float) -> str:
    return "less than a minute" if minutes < 0.5 else f"about {count(round(minutes), 'minute')}"


def _basis(seconds: float | None) -> str:
    return "assumed" if seconds is None else "as in this run so far"


def _data(job: Job) -> DataSet:
    with Store.to_read(job.run) as store:
        return store.data()


def _done(job: Job) -> _Done:
    if not (job.run / "run.db").is_file():
        return _Done()
    with Store.to_read(job.run) as store:
        if not store.models():
            return _Done(store.covered)
        model, _, identity = store.models()[0]
        return _Done(
            store.covered,
            1 if is_single_prompt(identity) else len(INSTRUCTIONS),
            store.count_responses(model)[0] + (0 if job.retry_final else store.count_final(model)),
            _verdicts(job, store, model),
            store.mean_seconds("responses"),
            store.mean_seconds("verdicts"),
            store.fact(PREFLIGHT),
            spending_of(store),
            tuple(label for _, label, _ in (*store.models(), *store.judges())),
            frozenset(
                identity_key(held)
                for number, _, held in store.judges()
                if store.has_readable_verdict(number)
            ),
        )


def _verdicts(job: Job, store: Store, model: int) -> dict[str, int]:
    numbers = {identity_key(identity): number for number, _, identity in store.judges()}
    protocol = protocol_named(job.protocol or store.fact("protocol") or next(iter(PROTOCOLS)))
    answered = store.count_responses(model)[0]
    return {
        key: answered
        - store.count_unjudged(model, numbers[key], protocol.name, retry_final=job.retry_final)
        + store.count_repeats(model, numbers[key], repeats_of(judge, 0))
        for judge in job.judges
        if (key := identity_key(judge.spec.identity)) in numbers
    }
