"""The plan of a job: what a command would do and cost, as far as that is known beforehand."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

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


def plan(job: Job) -> Iterator[str]:
    """Format what a job would do, in a few lines; nothing is called or written.

    Raises
    ------
    InputError
        As raised by the job itself, as far as the cause is known beforehand.
    """
    done = _done(job)
    clips = done.data.clips[: job.clips_covered(done.data.total, done.covered)]
    instructions = done.instructions if job.instructions is None else job.instructions
    samples = max(job.samples or 1, done.samples)
    job.check_recorded(instructions, samples)
    items = len(clips) * (1 if done.single_prompt else len(instructions))
    with_audio = filter(done.data.audio_path, clips)
    audio = audio_facts(done.data, with_audio) if job.model and job.model.uses_audio else {}
    seconds = sum(file.seconds for file in audio.values())
    name = name_with_audio(done.data.name, {id_: file.sha256 for id_, file in audio.items()})
    of_clips = f"{len(clips)} of {count(len(done.data.clips), 'clip')}"
    each = f", {samples} answers per item" if samples > 1 else ""
    yield f"data: {name}, {of_clips}, {count(items, 'item')}{each}"

    prices = done.spent.prices
    costs: list[tuple[str, float | None]] = []

    def estimate(label: str, calls: int, prompt_tokens: float, completion_tokens: float) -> str:
        """Record the cost of the calls of a model or judge, and format it with their tokens."""
        into, out = calls * prompt_tokens, calls * completion_tokens
        cost = float(prices[label].of(round(into), round(out))) if label in prices else None
        costs.append((label, cost))
        about = "" if cost is None else f", cost about {cost:.2f}"
        return f"about {into / 1000:.0f}k prompt and {out / 1000:.0f}k completion tokens{about}"

    expected = items * samples
    responses = max(expected - done.responses, 0) if job.model else 0
    probes = PROBES if job.preflight and is_due(job.model, responses, done.preflight) else 0
    is_local = job.model is not None and not job.model.METERED
    if job.model:
        label = job.model.spec.label
        unit, do = ("item", "answer") if is_local else ("call", "make")
        yield f"model: {label}: {count(responses, unit)} to {do}, {expected - responses} done"
        if probes:
            unit = "question" if is_local else "call"
            yield f"preflight: {probes} {unit}s to {do}, or {2 * probes} if the answers vary"
        if job.model.uses_audio:
            used = seconds / 60 / len(clips) * (responses + probes)
            yield f"audio: {seconds / 60:.1f} minutes in total, {used:.1f} minutes to process"
        if responses and not is_local:
            prompt_tokens = sum(map(len, instructions)) / len(instructions) / _CHARACTERS_PER_TOKEN
            prompt_tokens += seconds / len(clips) * _AUDIO_TOKENS
            tokens = estimate(label, responses + probes, prompt_tokens, _RESPONSE_TOKENS)
            yield f"tokens: {label}: {tokens} (assuming {_AUDIO_TOKENS} per second of audio)"

    protocol = protocol_named(job.protocol)
    prompts = [
        len(protocol.judge_prompt(item, ""))
        for clip in clips
        for item in items_of(clip, instructions)
    ]
    prompt_tokens = sum(prompts) / max(len(prompts), 1) / _CHARACTERS_PER_TOKEN + _RESPONSE_TOKENS
    verdicts = checks = 0
    for judge in job.judges:
        label, key = judge.spec.label, identity_key(judge.spec.identity)
        repeats = sum(repeats_of(judge, place) for place in range(len(clips)))
        wanted = expected // max(len(clips), 1) * repeats
        missing = max(wanted - done.verdicts.get(key, 0), 0)
        if not judge.METERED:
            yield f"judge: {label}: {count(missing, 'verdict')} to give, no calls"
            continue
        verdicts += missing
        checks += bool(job.preflight and judge.needs_check and missing and key not in done.checked)
        tokens = estimate(label, missing, prompt_tokens, _VERDICT_TOKENS)
        yield f"judge: {label}: {count(missing, 'call')} to make, {tokens}"
    if total_cost := sum(cost for _, cost in costs if cost):
        unpriced = ", ".join(label for label, cost in costs if cost is None)
        suffix = f", excluding {unpriced} (no price)" if unpriced else ""
        yield f"cost: about {total_cost:.2f}{suffix}"
    if limits := _limits(job, done.spent):
        yield f"limits: {limits}"
    if checks:
        yield f"judge check with a known question: {count(checks, 'call')} to make"

    # A model without audio and calls reads responses from a file, which takes no time.
    is_instant = job.model is not None and is_local and not job.model.uses_audio
    response_seconds = done.response_seconds or (0.0 if is_instant else _RESPONSE_SECONDS)
    verdict_seconds = done.verdict_seconds or _VERDICT_SECONDS
    total_seconds = (responses + probes) * response_seconds + verdicts * verdict_seconds
    minutes = total_seconds / job.concurrency / 60
    about = "less than a minute" if minutes < 0.5 else f"about {count(round(minutes), 'minute')}"
    paces = []
    if responses and not is_instant:
        paces.append(f"{response_seconds:.2g} s per answer ({_basis(done.response_seconds)})")
    if verdicts:
        paces.append(f"{verdict_seconds:.2g} s per verdict ({_basis(done.verdict_seconds)})")
    pace = f" with {count(job.concurrency, 'concurrent call')}, at {' and '.join(paces)}"
    yield f"time: {about}{pace if paces else ''}"


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
