"""Whether a model hears at all, seen before anything is spent on it.

A dozen probes: three instructions, each with a clip, the same clip again, another clip and
silence, all of one length. A model that hears gives answers to the same audio that are more alike
than its answers to different audio. For one that does not, which audio an answer was given to is
arbitrary: the same answers could as well have been given to each other's. So the audio is dealt
out anew, at random and within each instruction, and what counts is how often the answers to the
same audio then look at least as alike (a permutation test). This holds for whatever the answers
are: drawn at random, from few variants, or rounded differently in another batch. Where the first
dozen leaves it open, a second one is asked, with other instructions.

A model that gives the same answers whatever it is handed is always refused; one whose answers vary
for other reasons, in nine of ten cases. One that hears and samples passes: at temperature 1 the
cascade, whose answers are a sentence of one chosen word or two, in 94 of 100. What cannot be found
out: that a model hears only whether there is sound at all; or that it does not hear, where it
samples behind a gateway that gives a repeated request its first answer.
"""

import asyncio
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jasco.data.audio import SAMPLING_RATE, Audio
from jasco.errors import IncompleteError, RunConflictError, one_line
from jasco.evaluation.runner import all_at_once, answer_of
from jasco.models.model import Model
from jasco.protocol.clips import Clip, Item
from jasco.protocol.failure_reasons import reasons_of
from jasco.protocol.responses import LASTING, Failure, Response

INSTRUCTIONS = ((3, 6, 8), (1, 4, 7))
"""Numbers of the instructions of the first dozen, and of the second."""
PROBES = 4 * len(INSTRUCTIONS[0])
"""How many probes are asked at once."""
_ANSWERED = 2 / 3  # with fewer answers than this nothing can be said
_CHANCE = 0.05  # a model that does not hear passes a dozen at most this often
_DEALS = 9_999
_LONGEST_PROBE = 60  # seconds: of a longer clip, its beginning
# Words; in scripts that write none apart, characters.
_TOKEN = re.compile(r"[^\W\u2e80-\U0010ffff]+|\w")


class AudioIgnoredError(RunConflictError):
    """The model's answers do not depend on the audio."""


class NoResponseError(RunConflictError):
    """The model, or its server, refuses every probe."""


class State(StrEnum):
    """What a preflight has come to."""

    PASSED = "passed"
    REFUSED = "refused"
    INCONCLUSIVE = "inconclusive"
    SKIPPED = "skipped"


class Sound(StrEnum):
    """What a probe lets hear."""

    CLIP = "clip"
    OTHER = "another clip"
    NOISE = "noise"
    SILENCE = "silence"


@dataclass(frozen=True)
class Probe:
    """A question, and what is heard with it."""

    item: Item
    sound: Sound
    audio: Audio


@dataclass(frozen=True)
class Told:
    """What a probe has brought."""

    instruction: int
    sound: Sound
    answer: Response | Failure
    clip: str = ""


@dataclass(frozen=True)
class Finding:
    """What the answers to the probes show.

    Attributes
    ----------
    state : State
        Passed, refused or inconclusive.
    reason : str
        What the model does, where it is refused, or why nothing is known; else empty.
    told : sequence of Told
        All that was asked.
    same, different : float or None
        How alike two answers to an instruction are, with the same and with different audio: 0 to 1.
    chance : float or None
        How likely a model that does not hear is to give such answers.
    open : bool
        Whether more probes could change it.
    """

    state: State
    reason: str
    told: Sequence[Told]
    same: float | None = None
    different: float | None = None
    chance: float | None = None
    open: bool = False

    def as_json(self) -> str:
        """Write it down for the run."""
        fact = {
            "state": self.state,
            "reason": self.reason,
            "probes": len(self.told),
            "answered": sum(isinstance(each.answer, Response) for each in self.told),
            "alike_on_same_audio": self.same,
            "alike_on_different_audio": self.different,
            "chance": self.chance,
            "answers": [_told_as_json(each) for each in self.told],
        }
        return json.dumps(fact, ensure_ascii=False)


def is_due(model: Model | None, unanswered: int, held: str | None) -> bool:
    """Whether a model is to be looked at, by what is left and what the run holds of a preflight."""
    return bool(model and model.uses_audio and unanswered and _state(held) != State.PASSED)


def skipped(held: str | None) -> str:
    """Write down that nobody is to look, for the run; what was seen before is kept."""
    if held and _state(held) != State.SKIPPED:
        return json.dumps({**json.loads(held), "overridden": True}, ensure_ascii=False)
    return json.dumps({"state": State.SKIPPED})


def _state(held: str | None) -> str | None:
    return json.loads(held)["state"] if held else None


async def see(
    model: Model,
    clips: Sequence[Clip],
    read_audio: Callable[[Clip], Audio],
    concurrency: int,
    watch: Callable[[Response | Failure], None],
) -> Finding:
    """Ask a model the probes; ask more where the first leave it open.

    Parameters
    ----------
    model : Model
        One that hears, and is prepared.
    clips : sequence of Clip
        Those of the run.
    read_audio : callable
        Gives a clip's audio.
    concurrency : int
        Calls in flight at once.
    watch : callable
        Is told of each call that has ended.
    """
    slots = asyncio.Semaphore(concurrency)
    told: list[Told] = []
    sounds = await asyncio.to_thread(choose, clips, read_audio)

    async def ask(probe: Probe) -> None:
        async with slots:
            answer = await answer_of(model, probe.item, probe.audio)
        watch(answer)
        told.append(Told(probe.item.number, probe.sound, answer, probe.item.clip.id))

    for numbers in INSTRUCTIONS:
        await all_at_once(ask(probe) for probe in probes(sounds, numbers))
        finding = judge(sorted(told, key=lambda each: (each.instruction, each.sound)))
        if not finding.open:
            break
    return finding


Sounds = Sequence[tuple[Clip, Sound, Audio]]
"""What there is to be heard, and the clip that it is asked about."""


def choose(clips: Sequence[Clip], read_audio: Callable[[Clip], Audio]) -> Sounds:
    """Choose a clip, another one (noise where there is none), and silence, all of one length.

    The lengths are equal because a model that is handed nothing but a length does not hear.
    """
    pair = [(clip, _beginning(read_audio(clip))) for clip in (clips[0], clips[len(clips) // 2])]
    (other, short), (clip, long) = sorted(pair, key=lambda each: each[1].seconds)
    padded = np.pad(short.samples, (0, len(long.samples) - len(short.samples)))
    silence = np.zeros_like(long.samples)
    if np.array_equal(padded, long.samples):
        noise = np.random.default_rng(0).normal(0, 3_000, len(silence))
        second = clip, Sound.NOISE, Audio(np.rint(noise).astype(np.int16))
    else:
        second = other, Sound.OTHER, Audio(padded)
    return (clip, Sound.CLIP, long), second, (clip, Sound.SILENCE, Audio(silence))


def _beginning(audio: Audio) -> Audio:
    longest = _LONGEST_PROBE * SAMPLING_RATE
    return audio if len(audio.samples) <= longest else Audio(audio.samples[:longest].copy())


def probes(sounds: Sounds, numbers: Sequence[int]) -> list[Probe]:
    """Lay out the probes with some instructions: the first sound twice, the others once.

    Their order is drawn by lot: what hangs on when, or beside what, a question is asked must not
    look like hearing.
    """
    laid_out = [
        Probe(Item(clip, number), sound, audio)
        for number in numbers
        for clip, sound, audio in (sounds[0], *sounds)
    ]
    return [laid_out[place] for place in np.random.default_rng(0).permutation(len(laid_out))]


def judge(told: Sequence[Told]) -> Finding:
    """Say what the answers to the probes show."""
    given = [
        (each.instruction, each.sound, each.answer)
        for each in told
        if isinstance(each.answer, Response)
    ]
    if len(given) < _ANSWERED * len(told):
        why = _commonest(told)
        reason = f"{len(given)} of {len(told)} probes were answered ({why})"
        return Finding(State.INCONCLUSIVE, reason, told)

    prompts = np.array([instruction for instruction, _, _ in given])
    sounds = np.unique([sound for _, sound, _ in given], return_inverse=True)[1]
    alike = likeness([answer.text for _, _, answer in given])
    chance = chance_of(alike, prompts, sounds)
    same = _mean(alike, prompts, lambda one, two: sounds[one] == sounds[two])
    different = _mean(alike, prompts, lambda one, two: sounds[one] != sounds[two])
    figures = (told, same, different, chance)
    if chance <= _CHANCE:
        return Finding(State.PASSED, "", *figures)
    varies = len({(number, answer.text) for number, _, answer in given}) > len(set(prompts))
    more = varies and len(told) == PROBES
    return Finding(State.REFUSED, _reason(given, varies=varies), *figures, open=more)


def likeness(texts: Sequence[str]) -> NDArray[np.float64]:
    """Tell how alike texts are, each with each: 0 to 1.

    It is the share of their words, and pieces of words, that two have in common; what fewer of
    the texts hold counts for more.
    """
    pieces = [_pieces(text) for text in texts]
    every = sorted(frozenset().union(*pieces))
    held = np.array([[piece in each for piece in every] for each in pieces], float)
    weighted = held * np.log((len(texts) + 1) / held.sum(axis=0))
    both = weighted @ held.T
    own = both.diagonal()
    return np.asarray(np.round(both / (own[:, None] + own - both), 12))


def _pieces(text: str) -> frozenset[str]:
    words = f" {' '.join(_TOKEN.findall(text.casefold()))} "
    return frozenset(words[start : start + 3] for start in range(max(1, len(words) - 2)))


def chance_of(
    alike: NDArray[np.float64], prompts: NDArray[np.int64], sounds: NDArray[np.int64]
) -> float:
    """Say how often answers that are dealt out anew look as if they depended on the audio.

    Parameters
    ----------
    alike : ndarray, shape (answers, answers)
        How alike they are.
    prompts, sounds : ndarray of int, shape (answers,)
        What each was given to; sounds are dealt out anew among the answers to a prompt.

    Returns
    -------
    float
        The p-value of a permutation test (Phipson and Smyth, 2010: the given deal is one of
        them), whose statistic is how alike answers to the same audio are.
    """
    generator = np.random.default_rng(0)
    deals = np.tile(sounds, (1 + _DEALS, 1))
    for prompt in np.unique(prompts):
        group = prompts == prompt
        deals[1:, group] = generator.permuted(deals[1:, group], axis=1)
    # Every deal has as many pairs of each kind, so the sum over the same sounds says it all.
    sums = np.zeros(len(deals))
    for sound in np.unique(sounds):
        dealt = (deals == sound).astype(float)
        sums += ((dealt @ alike) * dealt).sum(axis=1)
    return float(np.mean(sums >= sums[0] - 1e-9))


def _mean(
    alike: NDArray[np.float64], prompts: NDArray[np.int64], wanted: Callable[[int, int], bool]
) -> float | None:
    pairs = [
        float(alike[one, two])
        for one, two in combinations(range(len(prompts)), 2)
        if prompts[one] == prompts[two] and wanted(one, two)
    ]
    return sum(pairs) / len(pairs) if pairs else None


def _reason(given: Sequence[tuple[int, Sound, Response]], *, varies: bool) -> str:
    texts = [answer.text for _, _, answer in given]
    if not any(text.strip() for text in texts):
        cut_off = all(answer.finish_reason == "length" for _, _, answer in given)
        why = " (cut off at the longest length allowed: max_tokens)" if cut_off else ""
        return f"answers every probe with nothing{why}"
    if len(set(texts)) == 1:
        return f"gives one answer to every clip, to silence and to every prompt ({_quoted(texts)})"
    if not varies:
        return f"gives the same answer to a clip, to another one and to silence ({_quoted(texts)})"
    by_sound = {sound: answer.text for _, sound, answer in given}
    told = ", ".join(f"{_quoted([text])} to {sound}" for sound, text in by_sound.items())
    return f"answers the same audio no more alike than different audio and silence ({told})"


def _quoted(texts: Sequence[str]) -> str:
    return repr(one_line(texts[0], 80))


def _told_as_json(told: Told) -> dict[str, Any]:
    answer = told.answer
    return {
        "instruction": told.instruction,
        "clip": told.clip,
        "sound": told.sound,
        **(
            {"text": answer.text, "finish_reason": answer.finish_reason}
            if isinstance(answer, Response)
            else {"failure_kind": answer.kind, "failure_message": answer.message}
        ),
    }


def _commonest(told: Sequence[Told]) -> str:
    """Quote the commonest message of the commonest kind of failure."""
    reason = reasons_of(each.answer for each in told if isinstance(each.answer, Failure))[0]
    return one_line(f"{reason.kind}: {reason.message}", 300)


def refuse_unanswered(label: str, finding: Finding) -> None:
    """Raise if no probe was answered.

    Raises
    ------
    NoResponseError
        Every probe was refused in a way that every item would be.
    IncompleteError
        Some probes failed with a temporary error.
    """
    failures = [each.answer for each in finding.told if isinstance(each.answer, Failure)]
    if not failures or len(failures) < len(finding.told):
        return
    told = (
        f"preflight: {label} answered none of {len(failures)} probes ({_commonest(finding.told)})"
    )
    if all(each.final or each.kind in LASTING for each in failures):
        raise NoResponseError(
            f"{told}; check that it accepts audio and these requests, or continue anyway with "
            "--no-preflight"
        )
    raise IncompleteError(
        f"{told}; repeat the command when this is resolved, or continue anyway with --no-preflight"
    )


def refuse(label: str, finding: Finding) -> None:
    """Refuse a model that does not hear (:class:`AudioIgnoredError`)."""
    if finding.state == State.REFUSED:
        raise AudioIgnoredError(
            f"preflight: {label} {finding.reason}; see that the audio reaches it and that its "
            "text reaches us, or go on all the same with --no-preflight"
        )
