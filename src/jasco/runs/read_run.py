"""The results of a run, read from its file as of one moment, or from the files of its shards."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from jasco.data.dataset import name_with_audio
from jasco.data.responses_csv import Key
from jasco.errors import InputError
from jasco.metrics.attribution import WITHOUT_A_CUE, attribution
from jasco.metrics.compat import JudgedRow
from jasco.protocol.clips import Clip
from jasco.protocol.instructions import INSTRUCTIONS
from jasco.protocol.responses import Failure
from jasco.protocol.verdicts import Verdict
from jasco.runs.condition_runs import condition_folder, conditions_of, gates_of
from jasco.runs.part_facts import PartFacts, combine, combined_audio_sha256
from jasco.runs.part_verdicts import PartVerdicts
from jasco.runs.participants import is_single_prompt
from jasco.runs.reader import Entry, RunReader
from jasco.runs.results import Data, JudgedItems, Results
from jasco.runs.schema import PREFLIGHT, STEMS_FACT

K = TypeVar("K")
V = TypeVar("V")


def results_of_run(folder: Path, *, compat: bool = False) -> Results:
    """Score a run (``InputError`` if there is none, or it is empty)."""
    with RunReader.open(folder) as run:
        return _with_attribution(_results(run, compat=compat))


def results_of_condition(folder: Path) -> Results:
    """Score a run by itself: without attribution, which requires the runs of other conditions."""
    with RunReader.open(folder) as run:
        return _results(run, compat=False)


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
        return _with_attribution(_results(run, compat=compat)), _judged_items(run)


def _with_attribution(results: Results) -> Results:
    """Add how often judges attribute answers to a cue that the model was not given, if known."""
    [folder] = results.source
    keys = [each.key for each in conditions_of(folder) if each.key in WITHOUT_A_CUE]
    if not keys or not results.matrices:
        return results
    clips = len(results.clips)
    conditions = {}
    for key in keys:
        with RunReader.open(condition_folder(folder, key)) as run:
            if run.models():
                matrices = _results(run, compat=False).matrices
                conditions[key] = {
                    judge: matrix.resized(clips)
                    for judge, matrix in matrices.items()
                    if judge in results.judges
                }
    with RunReader.open(folder) as run:
        stems = run.json_fact(STEMS_FACT) or {}
    gates = gates_of(stems, [clip.id for clip in results.clips])
    return replace(results, attribution=attribution(conditions, gates))


def model_of(run: RunReader) -> Entry:
    """Return number, label and identity of a run's model (``InputError`` if it has none)."""
    models = run.models()
    if not models:
        raise InputError(f"{run.folder}: the run holds no answers; see: jasco eval --help")
    return models[0]


def _results(run: RunReader, *, compat: bool) -> Results:
    model, label, identity = model_of(run)
    single_prompt = is_single_prompt(identity)
    if compat:
        _check_compat(run, label, single_prompt=single_prompt)
    verdicts = PartVerdicts(run, single_prompt=single_prompt)
    rows: dict[str, list[JudgedRow]] = {}
    parts = []
    for part in run.parts():
        parts.append(PartFacts.of(part, model))
        for judge, name, _ in part.judges():
            if name not in parts[-1].judges:
                continue
            if compat:
                rows.setdefault(name, []).extend(_judged_rows(part.judgements(model, judge)))
            else:
                verdicts.add(part, model, judge, name, parts[-1].judges[name].repeats)
    clips = tuple(run.clip_hashes())
    facts = combine(parts, run.folder, clips)
    data = Data.of(
        name_with_audio(run.data_name, {id_: sha for id_, sha in facts.audio.items() if sha}),
        clips,
        combined_audio_sha256(facts.audio, clips),
        single_prompt=single_prompt,
        instructions=run.instructions,
    )
    return Results(
        model=label,
        data=data,
        protocol=run.fact("protocol") or "",
        answers=replace(
            facts.answers,
            expected=data.items * run.samples,
            preflight=run.json_fact(PREFLIGHT),
        ),
        judges={
            name: replace(judge, self_agreement=verdicts.self_agreement(name))
            for name, judge in facts.judges.items()
        },
        clips=clips,
        matrices={} if compat else verdicts.matrices(facts.judges),
        identity=identity,
        served=facts.served,
        rows=rows if compat else None,
        spent=facts.spent,
        reasons_without_verdict=facts.reasons_without_verdict,
        adaptations=facts.adaptations,
        name=run.name_of(model),
        tags=run.tags,
        source=(run.folder,),
        instructions=run.instructions,
        samples=run.samples,
        condition=run.condition.key,
    )


def _check_compat(run: RunReader, label: str, *, single_prompt: bool) -> None:
    """Raise ``InputError`` for a run that the published script cannot score."""
    problem = ""
    if single_prompt:
        problem = (
            f"{label} was given one instruction per clip; the published script uses the best of 8"
        )
    elif run.instructions != INSTRUCTIONS:
        problem = "its instructions are not the published ones"
    elif run.samples > 1:
        problem = f"it holds {run.samples} answers to each item; the published script uses one"
    if problem:
        raise InputError(f"{run.folder}: --compat cannot score this run: {problem}; omit --compat")


def _judged_rows(judgements: Mapping[Key, tuple[Sequence[str], Verdict]]) -> list[JudgedRow]:
    return [
        JudgedRow(clip_id, texts[0], texts[1] if len(texts) > 1 else "")
        for (clip_id, _), (texts, _) in judgements.items()
    ]


def _judged_items(run: RunReader) -> JudgedItems:
    model, clips = model_of(run)[0], run.clips()
    samples: list[list[JudgedItems]] = [[] for _ in range(run.samples)]
    for part in run.parts():
        for sample, of_sample in enumerate(samples):
            of_sample.append(_items_of_part(part, model, sample))
    first, *further = [_joined(of_sample, clips, run.instructions) for of_sample in samples]
    return replace(first, further=tuple(further))


def _items_of_part(part: RunReader, model: int, sample: int) -> JudgedItems:
    answers, failures, cut_off = {}, {}, set()
    for place, clip in zip(part.places, part.clips(), strict=True):
        for number, response in part.responses(model, place, sample).items():
            key = clip.id, number
            if isinstance(response, Failure):
                failures[key] = response
                continue
            answers[key] = response.text
            if response.finish_reason == "length":
                cut_off.add(key)
    judge_failures = {
        label: part.failures(model, judge, sample) for judge, label, _ in part.judges()
    }
    return JudgedItems(
        (),
        answers,
        {label: part.judgements(model, judge, sample) for judge, label, _ in part.judges_of(model)},
        failures,
        frozenset(cut_off),
        part.audio_files(),
        {label: failed for label, failed in judge_failures.items() if failed},
        frozenset(label for judge, label, _ in part.judges() if part.is_proxy(judge)),
    )


def _joined(
    parts: Sequence[JudgedItems], clips: tuple[Clip, ...], instructions: tuple[str, ...]
) -> JudgedItems:
    """Return the items of all parts, which are about different clips."""
    return JudgedItems(
        clips,
        _union(part.answers for part in parts),
        {
            label: _union(part.judges.get(label, {}) for part in parts)
            for label in _union(part.judges for part in parts)
        },
        _union(part.failures for part in parts),
        frozenset().union(*(part.cut_off for part in parts)),
        _union(part.audio for part in parts),
        {
            label: _union(part.judge_failures.get(label, {}) for part in parts)
            for label in _union(part.judge_failures for part in parts)
        },
        frozenset().union(*(part.proxies for part in parts)),
        instructions,
    )


def _union(mappings: Iterable[Mapping[K, V]]) -> dict[K, V]:
    union: dict[K, V] = {}
    for mapping in mappings:
        union.update(mapping)
    return union
