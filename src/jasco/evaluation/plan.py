"""What a command would do, without doing it."""

from collections.abc import Iterator

from jasco.benchmark.clips import items_of
from jasco.benchmark.instructions import INSTRUCTIONS
from jasco.benchmark.protocols import PROTOCOLS, protocol_named
from jasco.evaluation.evaluate import Job
from jasco.evaluation.store import Store
from jasco.providers.audio import read_audio

# Assumed until the run has seen calls of its own.
_SECONDS_AN_ANSWER = 2.0
_SECONDS_A_VERDICT = 8.0
_CHARACTERS_A_TOKEN = 4
_TOKENS_AN_ANSWER = 60
_TOKENS_A_VERDICT = 300


def plan(job: Job) -> Iterator[str]:
    """Say in a few lines what a job would do; nothing is called, nothing is written.

    Raises
    ------
    InputError
        As the job itself would, for what can be seen beforehand.
    """
    answered, judged, answer_seconds, verdict_seconds = _state(job)
    data = job.data
    if data is None:
        with Store.to_read(job.run) as store:
            data = store.data()
    clips = data.clips[: job.limit]
    items = len(clips) * len(INSTRUCTIONS)
    answers = max(items - answered, 0) if job.model else 0
    verdicts = sum(max(items - judged.get(judge.spec.label, 0), 0) for judge in job.judges)
    yield f"data: {data.name}, {len(clips)} of {len(data.clips)} clips, {items} items"
    if job.model:
        yield f"model: {job.model.spec.label}: {answers} calls to make, {items - answers} done"
    if job.model and job.model.HEARS:
        paths = [data.audio_path(clip) for clip in clips]
        minutes = sum(read_audio(path).seconds for path in paths if path) / 60
        share = answers / items
        yield f"audio: {minutes:.1f} minutes, sent {share * len(INSTRUCTIONS):.1f} times each"
    protocol = protocol_named(job.protocol or next(iter(PROTOCOLS)))
    prompts = sum(len(protocol.judge_prompt(item, "")) for clip in clips for item in items_of(clip))
    tokens = prompts / items / _CHARACTERS_A_TOKEN + _TOKENS_AN_ANSWER
    for judge in job.judges:
        missing = max(items - judged.get(judge.spec.label, 0), 0)
        tokens_in, tokens_out = missing * tokens / 1000, missing * _TOKENS_A_VERDICT / 1000
        yield (
            f"judge: {judge.spec.label}: {missing} calls to make, about {tokens_in:.0f}k tokens in "
            f"and {tokens_out:.0f}k out"
        )
    known = answer_seconds is not None
    seconds = (
        answers * (answer_seconds if answer_seconds is not None else _SECONDS_AN_ANSWER)
        + verdicts * (verdict_seconds if verdict_seconds is not None else _SECONDS_A_VERDICT)
    ) / job.concurrency
    basis = (
        "by what calls in this run took"
        if known
        else f"assuming {_SECONDS_AN_ANSWER:g} s an answer and {_SECONDS_A_VERDICT:g} s a verdict"
    )
    yield f"time: about {seconds / 60:.0f} minutes with {job.concurrency} calls at once, {basis}"


def _state(job: Job) -> tuple[int, dict[str, int], float | None, float | None]:
    if not (job.run / "run.db").is_file():
        return 0, {}, None, None
    with Store.to_read(job.run) as store:
        models = store.models()
        if not models:
            return 0, {}, None, None
        model = models[0][0]
        judged = {
            label: store.count_verdicts(model, judge)[0] for judge, label, _ in store.judges()
        }
        return (
            store.count_responses(model)[0],
            judged,
            store.mean_seconds("responses"),
            store.mean_seconds("verdicts"),
        )
