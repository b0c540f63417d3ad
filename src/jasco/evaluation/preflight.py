"""The preflight: whether a model uses the audio at all, checked before anything is spent on a run.

It asks a dozen probes: three instructions, each with a clip, the same clip again, another clip and
silence, all of one length. A model that uses the audio gives responses to the same audio that are
more alike than its responses to different audio. For one that ignores it, the audio that a response
was given to is arbitrary: the audio could as well be reassigned, at random and within each
instruction. A permutation test counts how often the responses to the same audio look at least as
alike under such a reassignment. It is valid whatever the responses are: sampled, from few variants,
or rounded differently in another batch. Where the first dozen leaves the question open, a second
one is asked, with other instructions.

A model that gives the same responses whatever the audio is always refused; one whose responses vary
for other reasons, in nine of ten cases. One that uses the audio and samples passes: at temperature
1 the cascade, whose responses are a sentence of one chosen word or two, in 94 of 100. Two things
cannot be detected: that a model uses only whether there is sound at all; and that it ignores the
audio, where it samples behind a gateway that returns its first response to a repeated request.
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
from jasco.errors import IncompleteError, RunConflictError, one_line
from jasco.evaluation.progress import Progress
from jasco.evaluation.runner import all_at_once, response_of
from jasco.evaluation.session import Session
from jasco.models.model import Model
from jasco.protocol.clips import Clip, Item
from jasco.protocol.failure_reasons import reasons_of
from jasco.protocol.instructions import INSTRUCTIONS
from jasco.protocol.responses import Failure, Response
from jasco.runs.schema import PREFLIGHT

PROBES = 12
"""How many probes are asked at once: three instructions, each with four sounds."""
_ANSWERED = 2 / 3  # with a smaller share of responses the preflight is inconclusive
_SIGNIFICANCE = 0.05  # a model that ignores the audio passes a dozen at most this often
_PERMUTATIONS = 9_999
_LONGEST_PROBE = 60  # seconds: of a longer clip, its beginning
# Words; in scripts that do not separate them, characters.
_TOKEN = re.compile(r"[^\W\u2e80-\U0010ffff]+|\w")


class AudioIgnoredError(RunConflictError):
    """The model's responses do not depend on the audio."""


class NoResponseError(RunConflictError):
    """The model, or its server, refuses every probe."""


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
        """Return the result, ready for JSON."""
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
        What the model does, where it is refused, or why nothing is known; else empty.
    results : sequence of ProbeResult
        All that was asked.
    same_audio, different_audio : float or None
        The mean similarity of two responses to an instruction, with the same and with different
        audio: 0 to 1.
    p_value : float or None
        How likely such responses are of a model that ignores the audio.
    open : bool
        Whether more probes could change it.
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
        Items that it is still to respond to.
    earlier : str or None
        The JSON that the run stores of an earlier preflight.
    """
    passed = json.loads(earlier or "{}").get("state") == State.PASSED
    return bool(model and model.uses_audio and missing and not passed)


def probe_instructions(count: int) -> tuple[Sequence[int], Sequence[int]]:
    """Return the numbers of the instructions of the first dozen probes, and of the second.

    Where there are fewer than three or six instructions, some are asked again.

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

    Raises
    ------
    NoResponseError, IncompleteError, AudioIgnoredError
        As :func:`refuse`.
    """
    store, label, earlier = session.store, model.spec.label, session.store.fact(PREFLIGHT)
    if not is_due(model, session.missing_responses(), earlier):
        return
    if not session.job.preflight:
        fact = json.loads(earlier) if earlier else {"state": State.SKIPPED}
        if fact["state"] != State.SKIPPED:
            fact["overridden"] = True
        store.set_facts({PREFLIGHT: json.dumps(fact, ensure_ascii=False)})
        return

    def watch(outcome: Response | Failure) -> None:
        progress.advance(outcome, expected=False)
        session.writer.write_soon()  # what it took: there is no row to write it with

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
        session.notify(f"preflight: {finding.reason}: it is unknown whether {label} uses the audio")


async def probe_model(
    model: Model,
    clips: Sequence[Clip],
    read_audio: Callable[[Clip], Audio],
    concurrency: int,
    watch: Callable[[Response | Failure], None],
    instructions: Sequence[str] = INSTRUCTIONS,
) -> Finding:
    """Ask a model the probes, and more where the first leave the question open.

    Parameters
    ----------
    model : Model
        One that uses audio, and is prepared.
    clips : sequence of Clip
        Those of the run.
    read_audio : callable
        Reads a clip's audio.
    concurrency : int
        Calls in flight at once.
    watch : callable
        Takes the outcome of each call that has ended.
    instructions : sequence of str
        Their texts.
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
        # In random order: an effect of when, or with what else, a question is asked must not look
        # like an effect of the audio.
        order = np.random.default_rng(0).permutation(len(probes))
        await all_at_once(ask(*probes[place]) for place in order)
        finding = assess(sorted(results, key=lambda result: (result.instruction, result.sound)))
        if not finding.open:
            break
    return finding


Sounds = Sequence[tuple[Clip, Sound, Audio]]
"""The audio of the probes, each with the clip that it is asked about."""


def choose_sounds(clips: Sequence[Clip], read_audio: Callable[[Clip], Audio]) -> Sounds:
    """Choose a clip, another one (noise where there is none), and silence, all of one length.

    The lengths are equal because a model that gets nothing but a length does not use the audio.
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
    """Assess from the results of the probes whether the model uses the audio."""
    responses = _responses(results)
    if len(responses) < _ANSWERED * len(results):
        reason = f"{len(responses)} of {len(results)} probes were answered ({_commonest(results)})"
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
        The share of their words, and pieces of words, that two texts have in common, 0 to 1;
        pieces that fewer of the texts hold count more.
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
    """Compute how often responses look as if they depended on audio that is reassigned.

    Parameters
    ----------
    similarity : ndarray, shape (responses, responses)
        How similar they are.
    prompts, sounds : ndarray of int, shape (responses,)
        The prompt and the audio of each; the audio is permuted among the responses to a prompt.

    Returns
    -------
    float
        The p-value of a permutation test (Phipson and Smyth, 2010: the observed assignment is one
        of them), whose statistic is the similarity of responses to the same audio.
    """
    rng = np.random.default_rng(0)
    assigned = np.tile(sounds, (1 + _PERMUTATIONS, 1))
    for prompt in np.unique(prompts):
        group = prompts == prompt
        assigned[1:, group] = rng.permuted(assigned[1:, group], axis=1)
    # Every assignment has as many pairs of each kind, so the sum over the same sounds suffices.
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
        why = " (cut off at the longest length allowed: max_tokens)" if cut_off else ""
        return f"answers every probe with nothing{why}"
    first = repr(next(iter(texts.values())))
    if len(texts) == 1:
        return f"gives one answer to every clip, to silence and to every prompt ({first})"
    if not varies:
        return f"gives the same answer to a clip, to another one and to silence ({first})"
    by_sound = {probe.sound: texts[response.text] for probe, response in responses}
    quoted = ", ".join(f"{text!r} to {sound}" for sound, text in by_sound.items())
    return f"answers the same audio no more alike than different audio and silence ({quoted})"


def _commonest(results: Sequence[ProbeResult]) -> str:
    """Quote the commonest message of the commonest kind of failure."""
    failures = (probe.outcome for probe in results if isinstance(probe.outcome, Failure))
    reason = reasons_of(failures)[0]
    return one_line(f"{reason.kind}: {reason.message}", 300)


def refuse(label: str, finding: Finding) -> None:
    """Raise if no probe was answered, or if the model ignores the audio.

    Raises
    ------
    NoResponseError
        Every probe was refused in a way that every item would be.
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
        raise IncompleteError(f"{message}; repeat the command when this is resolved, {anyway}")
    if finding.state == State.REFUSED:
        raise AudioIgnoredError(
            f"preflight: {label} {finding.reason}; check that the audio reaches it and that its "
            "text reaches us, or continue anyway with --no-preflight"
        )
