"""The results of a run, read from its file as of one moment."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from jasco.data.responses_csv import Key
from jasco.errors import InputError
from jasco.metrics.agreement import Agreement
from jasco.metrics.compat import JudgedRow
from jasco.metrics.scoring import self_agreement
from jasco.metrics.verdict_matrix import VerdictMatrix
from jasco.protocol.instructions import INSTRUCTIONS
from jasco.protocol.responses import Failure, served_name
from jasco.protocol.verdicts import Verdict
from jasco.runs.exam_records import find_exam, is_of
from jasco.runs.participants import is_single_prompt
from jasco.runs.reader import Entry, RunReader
from jasco.runs.results import Answers, Data, JudgedItems, JudgeFacts, Results
from jasco.runs.schema import PREFLIGHT, judge_fact
from jasco.runs.spending import spending_of


def results_of_run(folder: Path, *, compat: bool = False) -> Results:
    """Score a run (``InputError`` if there is none, or it is empty)."""
    with RunReader.open(folder) as run:
        return _results(run, compat=compat)


def judged_items_of_run(folder: Path) -> JudgedItems:
    """Return what a run's judges wrote (``InputError`` if there are no answers)."""
    with RunReader.open(folder) as run:
        return _judged_items(run)


def read_run(folder: Path, *, compat: bool = False) -> tuple[Results, JudgedItems]:
    """Score a run and return its items, both as of one moment.

    Raises
    ------
    InputError
        There is no run, or it is empty.
    """
    with RunReader.open(folder) as run:
        return _results(run, compat=compat), _judged_items(run)


def model_of(run: RunReader) -> Entry:
    """Return number, label and identity of a run's model (``InputError`` if it has none)."""
    models = run.models()
    if not models:
        raise InputError(f"{run.folder}: the run holds no answers; see: jasco eval --help")
    return models[0]


def _results(run: RunReader, *, compat: bool) -> Results:
    clips = run.data().clips[: run.covered]
    model, label, identity = model_of(run)
    single_prompt = is_single_prompt(identity)
    if compat:
        _check_compat(run, label, single_prompt=single_prompt)
    judges, matrices, rows = {}, {}, {}
    for judge, name, judge_identity in run.judges_of(model):
        judges[name] = judge_facts(run, model, judge, judge_identity)
        if compat:
            rows[name] = _judged_rows(run.judgements(model, judge))
        else:
            matrices[name] = _matrix(run, model, judge, single_prompt=single_prompt)
    reasons = {
        name: found
        for judge, name, _ in run.judges()
        if name not in judges and (found := run.reasons(model, judge))
    }
    instructions, samples = run.instructions, run.samples
    data = Data.of(
        run.data_name,
        clips,
        run.audio_sha256(),
        single_prompt=single_prompt,
        instructions=instructions,
    )
    return Results(
        model=label,
        data=data,
        protocol=run.fact("protocol") or "",
        answers=_answers(run, model, data.items * samples),
        judges=judges,
        clips=clips,
        matrices=matrices,
        identity=identity,
        served=run.served("responses", model),
        rows=rows if compat else None,
        spent=spending_of(run),
        reasons_without_verdict=reasons,
        adaptations=run.adaptations("models", model),
        name=run.name_of(model),
        tags=run.tags,
        source=(run.folder,),
        instructions=instructions,
        samples=samples,
    )


def _check_compat(run: RunReader, label: str, *, single_prompt: bool) -> None:
    """Raise ``InputError`` for a run that the published script cannot score."""
    problem = ""
    if single_prompt:
        problem = f"{label} answers one prompt per clip; the published script uses the best of 8"
    elif run.instructions != INSTRUCTIONS:
        problem = "its instructions are not the published ones"
    elif run.samples > 1:
        problem = f"it holds {run.samples} answers to each item; the published script uses one"
    if problem:
        raise InputError(f"{run.folder}: --compat cannot score this run: {problem}; omit --compat")


def _matrix(
    run: RunReader, model: int, judge: int, repeat: int = 0, *, single_prompt: bool = False
) -> VerdictMatrix:
    """Return a judge's verdicts on all samples."""
    samples = []
    for sample in range(run.samples):
        matrix = VerdictMatrix.none_yet(
            run.covered, single_prompt=single_prompt, instructions=run.instructions
        )
        matrix.enter_packed(run.verdict_table(model, judge, repeat, sample))
        samples.append(matrix)
    return VerdictMatrix.of_samples(samples)


def _judged_rows(judgements: Mapping[Key, tuple[Sequence[str], Verdict]]) -> list[JudgedRow]:
    return [
        JudgedRow(clip_id, texts[0], texts[1] if len(texts) > 1 else "")
        for (clip_id, _), (texts, _) in judgements.items()
    ]


def judge_facts(run: RunReader, model: int, judge: int, identity: Mapping[str, Any]) -> JudgeFacts:
    """Return facts about one of a run's judges and its verdicts."""
    counts = run.verdict_counts(model, judge)
    exam, examined_as = _exam(run, judge, identity, counts.served)
    return JudgeFacts(
        proxy=run.is_proxy(judge),
        verdicts=counts.verdicts,
        cut_off=counts.cut_off,
        identity=identity,
        served=counts.served,
        self_agreement=_self_agreement(run, model, judge, counts.repeats),
        exam=exam,
        examined_as=examined_as,
        reasons=run.reasons(model, judge) if counts.failed else (),
        check=run.json_fact(judge_fact("check", judge)),
        adaptations=run.adaptations("judges", judge),
    )


def _answers(run: RunReader, model: int, expected: int) -> Answers:
    seconds, findings = run.max_audio_seconds(), run.audio_findings()
    clipped, warnings = dict[str, int](), dict[str, list[str]]()
    for clip_id, finding in (findings or {}).items():
        if finding["clipped"]:
            clipped[clip_id] = finding["clipped"]
        for warning in finding["warnings"]:
            warnings.setdefault(warning, []).append(clip_id)
    return Answers(
        expected,
        *run.count_responses(model),
        converted_clips=run.count_converted_clips(),
        max_audio_seconds=seconds,
        cut_clips=0 if seconds is None else run.count_longer_clips(seconds),
        runtime=run.runtime(),
        preflight=run.json_fact(PREFLIGHT),
        clipped=None if findings is None else clipped,
        audio_warnings=warnings,
        reasons=run.reasons(model),
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


def _self_agreement(run: RunReader, model: int, judge: int, repeats: int) -> Agreement | None:
    if repeats == 1:
        return None
    return self_agreement([_matrix(run, model, judge, repeat) for repeat in range(repeats)])


def _judged_items(run: RunReader) -> JudgedItems:
    first, *further = [_items_of_sample(run, sample) for sample in range(run.samples)]
    return replace(first, further=tuple(further))


def _items_of_sample(run: RunReader, sample: int) -> JudgedItems:
    clips = run.data().clips[: run.covered]
    model = model_of(run)[0]
    answers, failures, cut_off = {}, {}, set()
    for index, clip in enumerate(clips):
        for number, response in run.responses(model, index, sample).items():
            key = clip.id, number
            if isinstance(response, Failure):
                failures[key] = response
                continue
            answers[key] = response.text
            if response.finish_reason == "length":
                cut_off.add(key)
    judge_failures = {label: run.failures(model, judge, sample) for judge, label, _ in run.judges()}
    return JudgedItems(
        clips,
        answers,
        {label: run.judgements(model, judge, sample) for judge, label, _ in run.judges_of(model)},
        failures,
        frozenset(cut_off),
        run.audio_files(),
        {label: failed for label, failed in judge_failures.items() if failed},
        frozenset(label for judge, label, _ in run.judges() if run.is_proxy(judge)),
        run.instructions,
    )
