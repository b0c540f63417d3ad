"""The plan of a job: what a command would do and cost, as far as that is known beforehand."""

import operator
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce

from jasco.backends.specs import identity_key
from jasco.data.dataset import DataSet, name_with_audio
from jasco.errors import count
from jasco.evaluation.job import Job
from jasco.evaluation.preflight import PROBES, is_due
from jasco.evaluation.session import Remaining, repeats_of
from jasco.protocol.clips import items_of
from jasco.protocol.instructions import INSTRUCTIONS
from jasco.protocol.protocols import Protocol, protocol_named
from jasco.runs.audio_manifest import audio_facts
from jasco.runs.participants import is_single_prompt
from jasco.runs.reader import RunReader
from jasco.runs.schema import PREFLIGHT
from jasco.runs.spending import Spending, priced_spending

_CHARACTERS_PER_TOKEN = 4
# Assumed until the run has calls.
_RESPONSE_SECONDS, _RESPONSE_TOKENS = 2.0, 60
_VERDICT_SECONDS, _VERDICT_TOKENS = 8.0, 300
_AUDIO_TOKENS = 25  # per second; models differ: about 10 to 50


@dataclass(frozen=True)
class _Done:
    """What the run already holds.

    Attributes
    ----------
    data : DataSet
        The data set of the job, or else of the run.
    spent : Spending
        What was spent on the run, and the prices.
    covered : int
        Number of clips that the run covers.
    instructions : tuple of str
        The texts of the run's instructions.
    samples : int
        Expected number of responses to each item.
    single_prompt : bool
        Whether a human participant responds, to one item per clip.
    responses : int
        Number of responses, and of failures that are not retried.
    verdicts : mapping of str to int
        Number of verdicts by the judge's identity, including repeats that this job asks for.
    response_seconds, verdict_seconds : float or None
        Mean duration of a call.
    preflight : str or None
        The finding of a preflight as JSON, as stored in the run.
    checked : set of str
        Identities of judges that have given a readable verdict.
    """

    data: DataSet
    spent: Spending
    covered: int = 0
    instructions: tuple[str, ...] = INSTRUCTIONS
    samples: int = 1
    single_prompt: bool = False
    responses: int = 0
    verdicts: Mapping[str, int] = field(default_factory=dict)
    response_seconds: float | None = None
    verdict_seconds: float | None = None
    preflight: str | None = None
    checked: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Calls:
    """The missing calls of a model or judge.

    Attributes
    ----------
    missing, done : int
        Numbers of answers or verdicts that are missing, and that the run already holds.
    prompt_tokens, completion_tokens : float
        Tokens of the missing calls, with those of the preflight.
    cost : float or None
        Their cost; None without a price.
    """

    missing: int
    done: int = 0
    prompt_tokens: float = 0.0
    completion_tokens: float = 0.0
    cost: float | None = None

    @property
    def tokens(self) -> str:
        """Format the tokens and their cost."""
        about = "" if self.cost is None else f", cost about {self.cost:.2f}"
        return (
            f"about {self.prompt_tokens / 1000:.0f}k prompt and "
            f"{self.completion_tokens / 1000:.0f}k completion tokens{about}"
        )

    def __add__(self, other: "_Calls") -> "_Calls":
        return _Calls(
            self.missing + other.missing,
            self.done + other.done,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            None if self.cost is None or other.cost is None else self.cost + other.cost,
        )


@dataclass(frozen=True)
class _Plan:
    """What a job would do.

    Attributes
    ----------
    done : _Done
        What the run already holds.
    data : str
        The data set, its clips and items.
    model : _Calls or None
        The calls of the model; None without a model.
    judges : mapping of str to _Calls
        The calls of the judges, by label.
    probes, checks : int
        Numbers of questions of the preflight, and of known questions to judges.
    audio_seconds, used_seconds : float
        Seconds of audio of the clips, and of the missing answers.
    response_seconds, verdict_seconds : float
        Seconds of an answer and of a verdict.
    """

    done: _Done
    data: str
    model: _Calls | None
    judges: Mapping[str, _Calls]
    probes: int
    checks: int
    audio_seconds: float
    used_seconds: float
    response_seconds: float
    verdict_seconds: float

    def verdicts(self, metered: Container[str]) -> int:
        """Count the missing verdicts of judges that make calls."""
        return sum(calls.missing for label, calls in self.judges.items() if label in metered)


def plan(*jobs: Job) -> Iterator[str]:
    """Format what jobs of one model and the same judges would do, in a few lines.

    Nothing is called or written. Several jobs are summed up.

    Raises
    ------
    InputError
        As raised by the job itself, as far as the cause is known beforehand.
    """
    job, plans = jobs[0], [_plan(job) for job in jobs]
    metered = {judge.spec.label for judge in job.judges if judge.METERED}
    yield f"data: {plans[0].data}"
    for each, planned in zip(jobs, plans, strict=True) if len(jobs) > 1 else ():
        answers = f"{count(planned.model.missing, 'answer')} and " if planned.model else ""
        verdicts = sum(calls.missing for calls in planned.judges.values())
        yield f"{each.title or 'original'}: {answers}{count(verdicts, 'verdict')} to collect"
    model = _sum(planned.model for planned in plans if planned.model)
    probes = sum(planned.probes for planned in plans)
    is_local = job.model is not None and not job.model.METERED
    if job.model and model:
        label = job.model.spec.label
        unit, do = ("item", "answer") if is_local else ("call", "make")
        yield f"model: {label}: {count(model.missing, unit)} to {do}, {model.done} done"
        if probes:
            unit = "question" if is_local else "call"
            yield f"preflight: {probes} {unit}s to {do}, or {2 * probes} if the answers vary"
        if job.model.uses_audio:
            used = sum(planned.used_seconds for planned in plans) / 60
            total = plans[0].audio_seconds / 60
            yield f"audio: {total:.1f} minutes in total, {used:.1f} minutes to process"
        if model.missing and not is_local:
            yield f"tokens: {label}: {model.tokens} (assuming {_AUDIO_TOKENS} per second of audio)"
    costs = {job.model.spec.label: model.cost} if job.model and model and not is_local else {}
    for judge in job.judges:
        label = judge.spec.label
        calls = _sum(planned.judges[label] for planned in plans) or _Calls(0)
        if not judge.METERED:
            yield f"judge: {label}: {count(calls.missing, 'verdict')} to give, no calls"
            continue
        costs[label] = calls.cost
        yield f"judge: {label}: {count(calls.missing, 'call')} to make, {calls.tokens}"
    if total_cost := sum(cost for cost in costs.values() if cost):
        unpriced = ", ".join(label for label, cost in costs.items() if cost is None)
        suffix = f", excluding {unpriced} (no price)" if unpriced else ""
        yield f"cost: about {total_cost:.2f}{suffix}"
    spent = Spending.sum([planned.done.spent for planned in plans])
    if limits := _limits(job, spent):
        yield f"limits: {limits}"
    if checks := sum(planned.checks for planned in plans):
        yield f"judge check with a known question: {count(checks, 'call')} to make"
    yield _time(job, plans, metered)


def _time(job: Job, plans: Sequence[_Plan], metered: Container[str]) -> str:
    responses = sum(planned.model.missing for planned in plans if planned.model)
    verdicts = sum(planned.verdicts(metered) for planned in plans)
    seconds = sum(
        ((planned.model.missing if planned.model else 0) + planned.probes)
        * planned.response_seconds
        + planned.verdicts(metered) * planned.verdict_seconds
        for planned in plans
    )
    minutes = seconds / job.concurrency / 60
    about = "less than a minute" if minutes < 0.5 else f"about {count(round(minutes), 'minute')}"
    first, paces = plans[0], []
    if responses and first.response_seconds:
        basis = _basis(first.done.response_seconds)
        paces.append(f"{first.response_seconds:.2g} s per answer ({basis})")
    if verdicts:
        basis = _basis(first.done.verdict_seconds)
        paces.append(f"{first.verdict_seconds:.2g} s per verdict ({basis})")
    pace = f" with {count(job.concurrency, 'concurrent call')}, at {' and '.join(paces)}"
    return f"time: {about}{pace if paces else ''}"


def _sum(calls: Iterable[_Calls]) -> _Calls | None:
    """Return the sum; None if there is nothing to add."""
    several = list(calls)
    return reduce(operator.add, several) if several else None


def _plan(job: Job) -> _Plan:
    done = _done(job)
    clips = done.data.clips[: job.clips_covered(done.data.total, done.covered)]
    instructions = done.instructions if job.instructions is None else job.instructions
    samples = max(job.samples or 1, done.samples)
    job.check_recorded(instructions, samples)
    items = len(clips) * (1 if done.single_prompt else len(instructions))
    has_audio = job.condition is None or job.condition.has_audio
    uses_audio = bool(job.model and job.model.uses_audio and has_audio)
    audio = audio_facts(done.data, filter(done.data.audio_path, clips)) if uses_audio else {}
    seconds = sum(file.seconds for file in audio.values())
    name = name_with_audio(done.data.name, {id_: file.sha256 for id_, file in audio.items()})
    of_clips = f"{len(clips)} of {count(len(done.data.clips), 'clip')}"
    each = f", {samples} answers per item" if samples > 1 else ""
    prices = done.spent.prices

    def calls(
        label: str, missing: int, made: int, into: float, out: float, more: int = 0
    ) -> _Calls:
        """Return the calls of a model or judge, given the tokens of one, and further calls."""
        prompt, completion = (missing + more) * into, (missing + more) * out
        price = prices.get(label)
        cost = float(price.of(round(prompt), round(completion))) if price else None
        return _Calls(missing, made, prompt, completion, cost)

    expected = items * samples
    responses = max(expected - done.responses, 0) if job.model else 0
    probes = PROBES if job.preflight and is_due(job.model, responses, done.preflight) else 0
    model = None
    if job.model:
        prompt_tokens = sum(map(len, instructions)) / len(instructions) / _CHARACTERS_PER_TOKEN
        prompt_tokens += seconds / len(clips) * _AUDIO_TOKENS
        label, given = job.model.spec.label, expected - responses
        model = calls(label, responses, given, prompt_tokens, _RESPONSE_TOKENS, probes)

    protocol = protocol_named(job.protocol)
    prompts = [
        len(protocol.judge_prompt(item, ""))
        for clip in clips
        for item in items_of(clip, instructions)
    ]
    prompt_tokens = sum(prompts) / max(len(prompts), 1) / _CHARACTERS_PER_TOKEN + _RESPONSE_TOKENS
    judges, checks = {}, 0
    for judge in job.judges:
        label, key = judge.spec.label, identity_key(judge.spec.identity)
        repeats = sum(repeats_of(judge, place) for place in range(len(clips)))
        wanted = expected // max(len(clips), 1) * repeats
        missing = max(wanted - done.verdicts.get(key, 0), 0)
        judges[label] = calls(label, missing, wanted - missing, prompt_tokens, _VERDICT_TOKENS)
        is_new = judge.METERED and judge.needs_check and key not in done.checked
        checks += bool(job.preflight and is_new and missing)
    # A model without audio and calls reads responses from a file, which takes no time.
    is_instant = job.model is not None and not job.model.METERED and not job.model.uses_audio
    return _Plan(
        done,
        f"{name}, {of_clips}, {count(items, 'item')}{each}",
        model,
        judges,
        probes,
        checks,
        seconds,
        seconds / len(clips) * (responses + probes),
        done.response_seconds or (0.0 if is_instant else _RESPONSE_SECONDS),
        done.verdict_seconds or _VERDICT_SECONDS,
    )


def _limits(job: Job, spent: Spending) -> str:
    total, limits = spent.total.landed(), job.limits
    parts = []
    if limits.calls is not None:
        parts.append(f"{limits.calls:,} calls ({total.calls:,} spent)")
    if limits.tokens is not None:
        parts.append(f"{limits.tokens:,} tokens ({total.tokens:,} spent)")
    if limits.cost is not None:
        parts.append(f"cost {limits.cost} ({spent.cost or 0:.2f} spent)")
    return "; ".join(parts)


def _basis(seconds: float | None) -> str:
    return "assumed" if seconds is None else "as measured in this run"


def _done(job: Job) -> _Done:
    if job.data and not (job.run / "run.db").is_file():
        return _Done(job.data, priced_spending(job.limits, job.prices, job.providers))
    with RunReader.open(job.run) as store:
        data, covered = job.data or store.data(), store.covered
        spent = priced_spending(job.limits, job.prices, job.providers, store)
        if not store.models():
            return _Done(data, spent, covered)
        model, _, identity = store.models()[0]
        protocol = protocol_named(job.protocol or store.fact("protocol"))
        parts = [_part(part, job, model, protocol) for part in store.parts()]
        judges = {key for part in parts for key in part.verdicts}
        return _Done(
            data,
            spent,
            covered,
            instructions=store.instructions,
            samples=store.samples,
            single_prompt=is_single_prompt(identity),
            responses=sum(part.responses for part in parts),
            verdicts={key: sum(part.verdicts.get(key, 0) for part in parts) for key in judges},
            response_seconds=_mean(part.response_seconds for part in parts),
            verdict_seconds=_mean(part.verdict_seconds for part in parts),
            preflight=store.fact(PREFLIGHT),
            checked=frozenset().union(*(part.checked for part in parts)),
        )


@dataclass(frozen=True)
class _Part:
    """What a run holds, or one of its shards; attributes as in :class:`_Done`."""

    responses: int
    verdicts: Mapping[str, int]
    response_seconds: float | None
    verdict_seconds: float | None
    checked: frozenset[str]


def _part(store: RunReader, job: Job, model: int, protocol: Protocol) -> _Part:
    remaining = Remaining(store, model, protocol, job.retry_final)
    answered = store.count_responses(model)[0]
    numbers = {identity_key(identity): number for number, _, identity in store.judges()}
    return _Part(
        responses=store.count_expected(model) - remaining.responses(),
        verdicts={
            key: answered
            - store.count_unjudged(model, numbers[key], protocol.name, retry_final=job.retry_final)
            + store.count_repeats(model, numbers[key], repeats_of(judge, 0))
            for judge in job.judges
            if (key := identity_key(judge.spec.identity)) in numbers
        },
        response_seconds=store.mean_seconds("responses"),
        verdict_seconds=store.mean_seconds("verdicts"),
        checked=frozenset(
            key for key, number in numbers.items() if store.has_readable_verdict(number)
        ),
    )


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
