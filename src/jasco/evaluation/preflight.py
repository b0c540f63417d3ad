"""The preflight: a check, before a run, of whether a model uses the audio at all.

It asks twelve probes: three instructions, each with a clip, the same clip again, another clip and
silence, all of the same length. If a model uses the audio, its responses to the same audio are more
similar than its responses to different audio. If it ignores the audio, the audio of a response is
exchangeable: it could be reassigned at random within each instruction. A permutation test counts
how often the responses to the same audio are at least as similar under such a reassignment. It is
valid for any kind of response: sampled, chosen from few variants, or rounded differently in another
batch. If the first twelve probes leave the question open, twelve more are asked, with other
instructions.

A model that gives the same responses whatever the audio is always refused; one whose responses vary
for other reasons is refused in nine of ten cases. A model that uses the audio and samples passes:
at temperature 1, the cascade, whose responses are a sentence with one or two chosen words, passes
in 94 of 100 cases. Two cases cannot be detected: a model that uses only whether there is sound at
all; and a model that ignores the audio and samples behind a gateway that returns its first response
to a repeated request.
"""

import asyncio
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from jasco.data.audio import SAMPLING_RATE, Audio
from jasco.errors import IncompleteError, RunConflictError, count, one_line
from jasco.evaluation.progress import Progress
from jasco.evaluation.runner import all_at_once, response_of
from jasco.evaluation.session import Session
from jasco.evaluation.shared_checks import once_per_run
from jasco.models.model import Model
from jasco.protocol.clips import Clip, Item
from jasco.protocol.conditions import ORIGINAL
from jasco.protocol.failure_reasons import reasons_of
from jasco.protocol.instructions import INSTRUCTIONS
from jasco.protocol.responses import Failure, Response
from jasco.runs.schema import PREFLIGHT

PROBES = 12
"""Number of probes that are asked together: three instructions, each with four sounds."""
_ANSWERED = 2 / 3  # with a smaller share of responses, the preflight is inconclusive
_SIGNIFICANCE = 0.05  # a model that ignores the audio passes twelve probes at most this often
_PERMUTATIONS = 9_999
_LONGEST_PROBE = 60  # seconds; of a longer clip, only the beginning is used
# Words; single characters in scripts that do not separate words.
_TOKEN = re.compile(r"[^\W\u2e80-\U0010ffff]+|\w")


class AudioIgnoredError(RunConflictError):
    """The model's responses do not depend on the audio."""


class NoResponseError(RunConflictError):
    """The model or its server refuses every probe."""


class State(StrEnum):
    """The outcome of a preflight."""

    PASSED = "passed"
    REFUSED = "refused"
    INCONCLUSIVE = "inconclusive"
    SKIPPED = "skipped"


class Sound(StrEnum):
    """The kind of audio of a probe."""

    CLIP = "clip"
    OTHER = "another clip"
    NOISE = "noise"
    SILENCE = "silence"


@dataclass(frozen=True)
class ProbeResult:
    """The outcome of a probe."""

    instruction: int
    sound: Sound
    outcome: Response | Failure
    clip: str = ""

    def as_dict(self) -> dict[str, object]:
        """Return the result with values that JSON can hold."""
        fact = {"instruction": self.instruction, "clip": self.clip, "sound": self.sound}
        if isinstance(self.outcome, Failure):
            reason = {"failure_kind": self.outcome.kind, "failure_message": self.outcome.message}
            return fact | reason
        return fact | {"text": self.outcome.text, "finish_reason": self.outcome.finish_reason}


@dataclass(frozen=True)
class Finding:
    """What the responses to the probes show.

    Attributes
    ----------
    state : State
        Passed, refused or inconclusive.
    reason : str
        What a refused model does, or why the finding is inconclusive; else empty.
    results : sequence of ProbeResult
        The results of all probes.
    same_audio, different_audio : float or None
        The mean similarity of two responses to an instruction, with the same and with different
        audio: 0 to 1.
    p_value : float or None
        The p-value of the hypothesis that the model ignores the audio.
    open : bool
        Whether more probes could change the finding.
    """

    state: State
    reason: str
    results: Sequence[ProbeResult]
    same_audio: float | None = None
    different_audio: float | None = None
    p_value: float | None = None
    open: bool = False

    def as_json(self) -> str:
        """Return the finding as JSON, as the run stores it."""
        fact = {
            "state": self.state,
            "reason": self.reason,
            "probes": len(self.results),
            "answered": len(_responses(self.results)),
            "alike_on_same_audio": self.same_audio,
            "alike_on_different_audio": self.different_audio,
            "chance": self.p_value,
            "answers": [result.as_dict() for result in self.results],
        }
        return json.dumps(fact, ensure_ascii=False)


def is_due(model: Model | None, missing: int, earlier: str | None) -> bool:
    """Return whether a model needs a preflight.

    Parameters
    ----------
    model : Model or None
        The model to be asked.
    missing : int
        Number of items without a response.
    earlier : str or None
        The finding of an earlier preflight as JSON, as stored in the run.
    """
    passed = json.loads(earlier or "{}").get("state") == State.PASSED
    return bool(model and model.uses_audio and missing and not passed)


def _is_inconclusive(earlier: str | None) -> bool:
    return bool(json.loads(earlier or "{}").get("state") == State.INCONCLUSIVE)


def probe_instructions(count: int) -> tuple[Sequence[int], Sequence[int]]:
    """Return the numbers of the instructions of the first twelve probes, and of the second twelve.

    If there are fewer than three or six instructions, some are used again.

    Parameters
    ----------
    count : int
        The number of instructions.
    """
    if count == len(INSTRUCTIONS):
        return (3, 6, 8), (1, 4, 7)
    numbers = [place % count + 1 for place in range(6)]
    return numbers[:3], numbers[3:]


async def preflight(session: Session, model: Model, progress: Progress) -> None:
    """Check that a prepared model uses the audio, and record the finding, or that it was skipped.

    It is made under the condition ``original`` only.

    Raises
    ------
    NoResponseError, IncompleteError, AudioIgnoredError
        As :func:`refuse`.
    """

    def is_made() -> bool:
        earlier = session.store.fact(PREFLIGHT)
        return not is_due(model, 1, earlier) or _is_inconclusive(earlier)

    if session.condition.key != ORIGINAL:
        return
    if is_due(model, session.missing_responses(), session.store.fact(PREFLIGHT)):
        async with once_per_run(session, [PREFLIGHT], is_made) as must_be_made:
            if must_be_made:
                await _preflight(session, model, progress)


async def _preflight(session: Session, model: Model, progress: Progress) -> None:
    store, label, earlier = session.store, model.spec.label, session.store.fact(PREFLIGHT)
    if not session.job.preflight:
        fact = json.loads(earlier) if earlier else {"state": State.SKIPPED}
        if fact["state"] != State.SKIPPED:
            fact["overridden"] = True
        store.set_facts({PREFLIGHT: json.dumps(fact, ensure_ascii=False)})
        return

    def watch(outcome: Response | Failure) -> None:
        progress.advance(outcome, expected=False)
        session.writer.write_soon()  # the spending, as there is no row to write it with

    finding = await probe_model(
        model,
        session.clips,
        session.read_audio,
        session.job.concurrency,
        watch,
        session.instructions,
    )
    await session.writer.finish()
    store.set_facts({PREFLIGHT: finding.as_json()})
    refuse(label, finding)
    if finding.state == State.INCONCLUSIVE:
        session.notify(
            f"preflight: inconclusive: {finding.reason}; it is unknown whether {label} uses the "
            "audio"
        )
    elif failed := sum(isinstance(probe.outcome, Failure) for probe in finding.results):
        session.notify(
            f"preflight: {failed} of {count(len(finding.results), 'probe')} to {label} failed "
            f"({_commonest(finding.results)}); probes include silence"
        )


async def probe_model(
    model: Model,
    clips: Sequence[Clip],
    read_audio: Callable[[Clip], Audio],
    concurrency: int,
    watch: Callable[[Response | Failure], None],
    instructions: Sequence[str] = INSTRUCTIONS,
) -> Finding:
    """Ask a model the probes, and more if the first ones leave the question open.

    Parameters
    ----------
    model : Model
        A prepared model that uses audio.
    clips : sequence of Clip
        The clips of the run.
    read_audio : callable
        Reads a clip's audio.
    concurrency : int
        Maximum number of concurrent calls.
    watch : callable
        Takes the outcome of each call that has ended.
    instructions : sequence of str
        The texts of the instructions.
    """
    slots = asyncio.Semaphore(concurrency)
    results: list[ProbeResult] = []
    sounds = await asyncio.to_thread(choose_sounds, clips, read_audio)

    async def ask(number: int, clip: Clip, sound: Sound, audio: Audio) -> None:
        async with slots:
            item = Item(clip, number, instructions[number - 1])
            outcome = await response_of(model, item, audio)
        watch(outcome)
        results.append(ProbeResult(number, sound, outcome, clip.id))

    for numbers in probe_instructions(len(instructions)):
        probes = [(number, *sound) for number in numbers for sound in (sounds[0], *sounds)]
        # In random order, so that effects of time or batching do not look like effects of the
        # audio.
        order = np.random.default_rng(0).permutation(len(probes))
        await all_at_once(ask(*probes[place]) for place in order)
        finding = assess(sorted(results, key=lambda result: (result.instruction, result.sound)))
        if not finding.open:
            break
    return finding


Sounds = Sequence[tuple[Clip, Sound, Audio]]
"""The audio of the probes, each with the clip that it is asked about."""


def choose_sounds(clips: Sequence[Clip], read_audio: Callable[[Clip], Audio]) -> Sounds:
    """Return a clip, another one (noise if there is none), and silence, all of the same length.

    The lengths are equal because a model that receives only the length does not use the audio.
    """
    longest = _LONGEST_PROBE * SAMPLING_RATE
    two = clips[0], clips[len(clips) // 2]
    pair = [(clip, read_audio(clip).samples[:longest].copy()) for clip in two]
    (other, short), (clip, long) = sorted(pair, key=lambda chosen: len(chosen[1]))
    padded = np.pad(short, (0, len(long) - len(short)))
    silence = np.zeros_like(long)
    if np.array_equal(padded, long):
        noise = np.random.default_rng(0).normal(0, 3_000, len(silence))
        second = clip, Sound.NOISE, Audio(np.rint(noise).astype(np.int16))
    else:
        second = other, Sound.OTHER, Audio(padded)
    return (clip, Sound.CLIP, Audio(long)), second, (clip, Sound.SILENCE, Audio(silence))


def assess(results: Sequence[ProbeResult]) -> Finding:
    """Determine from the results of the probes whether the model uses the audio."""
    responses = _responses(results)
    if len(responses) < _ANSWERED * len(results):
        reason = f"only {len(responses)} of {len(results)} probes answered ({_commonest(results)})"
        return Finding(State.INCONCLUSIVE, reason, results)

    prompts = np.array([probe.instruction for probe, _ in responses])
    sounds = np.unique([probe.sound for probe, _ in responses], return_inverse=True)[1]
    similarity = similarities([response.text for _, response in responses])
    p_value = permutation_test(similarity, prompts, sounds)
    same_prompt = np.triu(np.equal.outer(prompts, prompts), 1)
    same_sound = np.equal.outer(sounds, sounds)
    same = _mean(similarity[same_prompt & same_sound])
    different = _mean(similarity[same_prompt & ~same_sound])
    if p_value <= _SIGNIFICANCE:
        return Finding(State.PASSED, "", results, same, different, p_value)
    distinct = {(probe.instruction, response.text) for probe, response in responses}
    varies = len(distinct) > len(set(prompts))
    more = varies and len(results) == PROBES
    reason = _reason(responses, varies=varies)
    return Finding(State.REFUSED, reason, results, same, different, p_value, open=more)


def _responses(results: Sequence[ProbeResult]) -> list[tuple[ProbeResult, Response]]:
    return [(probe, probe.outcome) for probe in results if isinstance(probe.outcome, Response)]


def similarities(texts: Sequence[str]) -> NDArray[np.float64]:
    """Compute how similar texts are.

    Parameters
    ----------
    texts : sequence of str
        The responses.

    Returns
    -------
    ndarray, shape (texts, texts)
        The weighted share of character trigrams that two texts have in common, 0 to 1; trigrams
        that occur in fewer of the texts have a higher weight.
    """
    pieces = [_pieces(text) for text in texts]
    vocabulary = sorted(frozenset().union(*pieces))
    present = np.array([[piece in text for piece in vocabulary] for text in pieces], float)
    weighted = present * np.log((len(texts) + 1) / present.sum(axis=0))
    common = weighted @ present.T
    own = common.diagonal()
    return np.asarray(np.round(common / (own[:, None] + own - common), 12))


def _pieces(text: str) -> frozenset[str]:
    words = f" {' '.join(_TOKEN.findall(text.casefold()))} "
    return frozenset(words[start : start + 3] for start in range(max(1, len(words) - 2)))


def permutation_test(
    similarity: NDArray[np.float64], prompts: NDArray[np.int64], sounds: NDArray[np.int64]
) -> float:
    """Compute the p-value of the hypothesis that responses do not depend on the audio.

    Parameters
    ----------
    similarity : ndarray, shape (responses, responses)
        The similarity of each pair of responses.
    prompts, sounds : ndarray of int, shape (responses,)
        The instruction and the audio of each response; the audio is permuted within each
        instruction.

    Returns
    -------
    float
        The p-value of a permutation test (Phipson and Smyth, 2010: the observed assignment counts
        as one of the permutations). The statistic is the similarity of responses to the same audio.
    """
    rng = np.random.default_rng(0)
    assigned = np.tile(sounds, (1 + _PERMUTATIONS, 1))
    for prompt in np.unique(prompts):
        group = prompts == prompt
        assigned[1:, group] = rng.permuted(assigned[1:, group], axis=1)
    # All assignments have the same number of pairs with the same sound, so the sum suffices.
    sums = np.zeros(len(assigned))
    for sound in np.unique(sounds):
        has_sound = (assigned == sound).astype(float)
        sums += ((has_sound @ similarity) * has_sound).sum(axis=1)
    return float(np.mean(sums >= sums[0] - 1e-9))


def _mean(values: NDArray[np.float64]) -> float | None:
    return sum(values.tolist()) / len(values) if len(values) else None


def _reason(responses: Sequence[tuple[ProbeResult, Response]], *, varies: bool) -> str:
    texts = {response.text: one_line(response.text, 80) for _, response in responses}
    if not any(text.strip() for text in texts):
        cut_off = all(response.finish_reason == "length" for _, response in responses)
        why = " (cut off at the maximum length: max_tokens)" if cut_off else ""
        return f"gives an empty answer to every probe{why}"
    first = repr(next(iter(texts.values())))
    if len(texts) == 1:
        return f"gives the same answer to every clip, silence and every instruction ({first})"
    if not varies:
        return f"gives the same answer to a clip, another clip and silence ({first})"
    by_sound = {probe.sound: texts[response.text] for probe, response in responses}
    quoted = ", ".join(f"{text!r} to {sound}" for sound, text in by_sound.items())
    return (
        "gives answers to the same audio that are no more similar than answers to different audio "
        f"and silence ({quoted})"
    )


def _commonest(results: Sequence[ProbeResult]) -> str:
    """Return the most common message of the most common kind of failure."""
    failures = (probe.outcome for probe in results if isinstance(probe.outcome, Failure))
    reason = reasons_of(failures)[0]
    return one_line(f"{reason.kind}: {reason.message}", 300)


def refuse(label: str, finding: Finding) -> None:
    """Raise an error if no probe was answered, or if the model ignores the audio.

    Raises
    ------
    NoResponseError
        Every probe was refused for a reason that applies to every item.
    IncompleteError
        No probe was answered, and some failed with a temporary error.
    AudioIgnoredError
        The responses do not depend on the audio.
    """
    failures = [probe.outcome for probe in finding.results if isinstance(probe.outcome, Failure)]
    if failures and len(failures) == len(finding.results):
        message = (
            f"preflight: {label} answered none of {len(failures)} probes "
            f"({_commonest(finding.results)})"
        )
        anyway = "or continue anyway with --no-preflight"
        if all(failure.lasting for failure in failures):
            remedy = "check that it accepts audio and these requests"
            raise NoResponseError(f"{message}; {remedy}, {anyway}")
        raise IncompleteError(
            f"{message}; run the same command again when this is resolved, {anyway}"
        )
    if finding.state == State.REFUSED:
        raise AudioIgnoredError(
            f"preflight: {label} {finding.reason}; check that the audio reaches the model "
            "and that its text is returned, or continue anyway with --no-preflight"
        )
