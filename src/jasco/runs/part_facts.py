"""What the results of a run state about its answers and judges, combined over its parts.

A part is a run that holds answers: the run itself or, if it is divided, each of its shards.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from jasco.backends.specs import identity_key
from jasco.errors import RunConflictError
from jasco.protocol.clips import ClipHash, combined_sha256
from jasco.protocol.failure_reasons import Reason, combined_reasons
from jasco.protocol.responses import served_name
from jasco.runs.exam_records import find_exam, is_of
from jasco.runs.reader import RunReader
from jasco.runs.results import Answers, JudgeFacts
from jasco.runs.schema import judge_fact
from jasco.runs.spending import Spending, spending_of

Reasons = Mapping[str, Sequence[Reason]]


@dataclass(frozen=True)
class PartFacts:
    """Facts about the answers and verdicts of a part of a run.

    Attributes
    ----------
    answers : Answers
        Facts about the responses.
    judges : mapping of str to JudgeFacts
        By label; only judges that gave a verdict.
    reasons_without_verdict : mapping of str to sequence of Reason
        By the label of a judge that gave no verdict: its failures.
    served : tuple of str
        The names that the server reported for the model.
    adaptations : mapping
        How the model's requests were adapted to its server.
    spent : Spending
        What was spent.
    audio : mapping of str to str or None
        Hash of the audio of each clip, by id; None if it was not read.
    """

    answers: Answers
    judges: Mapping[str, JudgeFacts]
    reasons_without_verdict: Reasons
    served: tuple[str, ...]
    adaptations: Mapping[str, Any]
    spent: Spending
    audio: Mapping[str, str | None]

    @classmethod
    def of(cls, part: RunReader, model: int) -> Self:
        """Read the facts of a part."""
        judges = {
            name: judge_facts(part, model, judge, identity)
            for judge, name, identity in part.judges_of(model)
        }
        return cls(
            _answers(part, model),
            judges,
            {
                name: reasons
                for judge, name, _ in part.judges()
                if name not in judges and (reasons := part.reasons(model, judge))
            },
            part.served("responses", model),
            part.adaptations("models", model),
            spending_of(part),
            part.audio_hashes(),
        )


def judge_facts(part: RunReader, model: int, judge: int, identity: Mapping[str, Any]) -> JudgeFacts:
    """Return facts about one of the judges and its verdicts, without its agreement with itself."""
    counts = part.verdict_counts(model, judge)
    exam, examined_as = _exam(part, judge, identity, counts.served)
    return JudgeFacts(
        proxy=part.is_proxy(judge),
        verdicts=counts.verdicts,
        cut_off=counts.cut_off,
        repeats=counts.repeats,
        identity=identity,
        served=counts.served,
        exam=exam,
        examined_as=examined_as,
        reasons=part.reasons(model, judge) if counts.failed else (),
        check=part.json_fact(judge_fact("check", judge)),
        adaptations=part.adaptations("judges", judge),
    )


def _answers(part: RunReader, model: int) -> Answers:
    seconds, findings = part.max_audio_seconds(), part.audio_findings()
    clipped, warnings = dict[str, int](), dict[str, list[str]]()
    for clip_id, finding in (findings or {}).items():
        if finding["clipped"]:
            clipped[clip_id] = finding["clipped"]
        for warning in finding["warnings"]:
            warnings.setdefault(warning, []).append(clip_id)
    return Answers(
        part.count_expected(model),
        *part.count_responses(model),
        converted_clips=part.count_converted_clips(),
        max_audio_seconds=seconds,
        cut_clips=0 if seconds is None else part.count_longer_clips(seconds),
        runtime=part.runtime(),
        clipped=None if findings is None else clipped,
        audio_warnings=warnings,
        reasons=part.reasons(model),
    )


def _exam(
    run: RunReader, judge: int, identity: Mapping[str, Any], served: tuple[str, ...]
) -> tuple[Mapping[str, Any] | None, tuple[str, ...]]:
    """Find a judge's exam, or the run's copy of an exam taken on another machine.

    Returns
    -------
    exam : mapping or None
        An exam of the model that judged in this run, as far as both are known.
    examined_as : tuple of str
        The server's names of the model in an exam of a different one; empty if there is none.
    """
    copy = run.json_fact(judge_fact("exam", judge))
    exams = [exam for exam in (find_exam(run, identity, served), copy) if exam]
    for exam in exams:
        if is_of(exam, served):
            return exam, ()
    return None, tuple(map(served_name, exams[0]["served"])) if exams else ()


# --- combining ---


def combine(parts: Sequence[PartFacts], folder: Path, clips: Sequence[ClipHash]) -> PartFacts:
    """Return the facts of a whole run, given those of its parts.

    Parameters
    ----------
    parts : sequence of PartFacts
        The facts of the parts.
    folder : pathlib.Path
        The run's folder, for messages.
    clips : sequence of ClipHash
        The clips of the whole run, in order.

    Raises
    ------
    RunConflictError
        Two shards hold verdicts of different judges with the same label.
    """
    if len(parts) == 1:
        return parts[0]
    judges = {
        label: _combined_judge(label, parts, folder)
        for label in _union(part.judges for part in parts)
    }
    without = _union(part.reasons_without_verdict for part in parts)
    return PartFacts(
        _combined_answers([part.answers for part in parts], clips),
        judges,
        {
            label: combined_reasons(part.reasons_without_verdict.get(label, ()) for part in parts)
            for label in without
            if label not in judges
        },
        _distinct(part.served for part in parts),
        _union(part.adaptations for part in parts),
        Spending.sum([part.spent for part in parts]),
        _union(part.audio for part in parts),
    )


def combined_audio_sha256(audio: Mapping[str, str | None], clips: Sequence[ClipHash]) -> str | None:
    """Return the hash of the audio of clips; None if the audio of some was not read."""
    hashes = {clip.id: sha256 for clip in clips if (sha256 := audio.get(clip.id))}
    return combined_sha256(hashes) if len(hashes) == len(clips) else None


def _combined_judge(label: str, runs: Sequence[PartFacts], folder: Path) -> JudgeFacts:
    parts = [run.judges[label] for run in runs if label in run.judges]
    if len({identity_key(facts.identity) for facts in parts}) > 1:
        raise RunConflictError(
            f"{folder}: its shards hold verdicts of different judges with the name {label}; remove "
            f"them (jasco forget {folder} --judge {label}) and judge again"
        )
    only_failed = [run.reasons_without_verdict.get(label, ()) for run in runs]
    return replace(
        parts[0],
        proxy=any(facts.proxy for facts in parts),
        verdicts=sum(facts.verdicts for facts in parts),
        cut_off=sum(facts.cut_off for facts in parts),
        repeats=max(facts.repeats for facts in parts),
        served=_distinct(facts.served for facts in parts),
        exam=next((facts.exam for facts in parts if facts.exam), None),
        examined_as=_distinct(facts.examined_as for facts in parts),
        reasons=combined_reasons([*(facts.reasons for facts in parts), *only_failed]),
        check=next((facts.check for facts in parts if facts.check), None),
        adaptations=_union(facts.adaptations for facts in parts),
    )


def _combined_answers(parts: Sequence[Answers], clips: Sequence[ClipHash]) -> Answers:
    found = [answers.clipped for answers in parts if answers.clipped is not None]
    warnings: dict[str, list[str]] = {}
    for answers in parts:
        for warning, ids in answers.audio_warnings.items():
            warnings.setdefault(warning, []).extend(ids)
    clipped: dict[str, int] = _union(found)
    noticed = {*clipped, *(id_ for ids in warnings.values() for id_ in ids)}
    ordered = [clip.id for clip in clips if clip.id in noticed] if noticed else []
    runtime = [facts for answers in parts for facts in answers.runtime]
    seconds = [answers.max_audio_seconds for answers in parts if answers.max_audio_seconds]
    return Answers(
        sum(answers.expected for answers in parts),
        sum(answers.answered for answers in parts),
        sum(answers.truncated for answers in parts),
        converted_clips=sum(answers.converted_clips for answers in parts),
        max_audio_seconds=min(seconds, default=None),
        cut_clips=sum(answers.cut_clips for answers in parts),
        runtime=[facts for place, facts in enumerate(runtime) if facts not in runtime[:place]],
        clipped={id_: clipped[id_] for id_ in ordered if id_ in clipped} if found else None,
        audio_warnings={
            warning: [id_ for id_ in ordered if id_ in {*ids}] for warning, ids in warnings.items()
        },
        reasons=combined_reasons(answers.reasons for answers in parts),
    )


def _distinct(names: Iterable[Iterable[str]]) -> tuple[str, ...]:
    return tuple(sorted({name for some in names for name in some}))


def _union(mappings: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {key: value for mapping in mappings for key, value in mapping.items()}
