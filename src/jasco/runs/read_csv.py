"""The results of judged CSV files: several files are several judges of one model."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from jasco.data.dataset import name_of
from jasco.data.responses_csv import (
    Key,
    ResponsesCsv,
    read_judged_rows,
    read_responses_csv,
)
from jasco.errors import IncompleteError, InputError, RunConflictError, whole_text
from jasco.metrics.compat import count_judged
from jasco.metrics.verdict_matrix import VerdictMatrix
from jasco.protocol.clips import Clip
from jasco.protocol.instructions import INSTRUCTIONS
from jasco.runs.part_facts import judge_facts
from jasco.runs.part_verdicts import PartVerdicts
from jasco.runs.read_run import model_of
from jasco.runs.reader import RunReader
from jasco.runs.results import Answers, Data, JudgedItems, JudgeFacts, Results

JUDGING_RUN = ".run"
"""The suffix, instead of ``.csv``, of the folder in which a responses CSV is judged."""


def results_of_files(paths: Sequence[Path], *, compat: bool = False) -> Results:
    """Score judged CSV files.

    Raises
    ------
    InputError
        A file cannot be read, or the files contain different clips or answers.
    """
    if compat:
        return _published_results(paths)
    files, clips, answers = _read(paths)
    data = Data.of(name_of(clips, paths[0].stem), clips)
    judged = {label: _protocol_and_judge(file) for label, file in files.items()}
    protocols = {protocol for protocol, _ in judged.values()}
    return Results(
        model="+".join(files),
        data=data,
        protocol=protocols.pop() if len(protocols) == 1 else "unknown",
        answers=Answers(data.items, len(answers)),
        judges={label: facts for label, (_, facts) in judged.items()},
        clips=clips,
        matrices={label: _matrix(file, clips) for label, file in files.items()},
        source=tuple(paths),
    )


def judged_items_of_files(paths: Sequence[Path]) -> JudgedItems:
    """Return what judges wrote in judged CSV files (``InputError`` as for their results)."""
    files, clips, answers = _read(paths)
    judges = {}
    for label, file in files.items():
        verdicts = file.verdicts()
        judges[label] = {key: ([text], verdicts[key]) for key, text in file.judge_texts().items()}
    return JudgedItems(clips, answers, judges)


def _published_results(paths: Sequence[Path]) -> Results:
    """Read files as the published script does: they need not be complete responses CSVs."""
    files = {label: read_judged_rows(path) for label, path in _labels(paths).items()}
    rows = {label: judged for label, (judged, _) in files.items()}
    ids = {row.id for judged in rows.values() for row in judged}
    expected = len(ids) * len(INSTRUCTIONS)
    data = Data(paths[0].stem, None, None, len(ids), expected)
    with suppress(InputError):
        file = read_responses_csv(paths[0])
        annotated = Data.of(file.data.name, file.clips)
        data = annotated if annotated.items == expected else data
    return Results(
        model="+".join(files),
        data=data,
        protocol="as published",
        answers=Answers(expected, max(map(count_judged, rows.values()))),
        judges={
            label: JudgeFacts(proxy=proxy, verdicts=count_judged(judged))
            for label, (judged, proxy) in files.items()
        },
        rows=rows,
        source=tuple(paths),
    )


def _protocol_and_judge(file: ResponsesCsv) -> tuple[str, JudgeFacts]:
    """Return the protocol of a judged file, and facts about its judge.

    They are known if the run in which ``jasco judge FILE -o JUDGED.csv`` judged is next to the
    file, and holds exactly the texts of the file.
    """
    texts = file.judge_texts()
    folder = file.path.with_suffix(JUDGING_RUN)
    with suppress(InputError, IncompleteError, RunConflictError), RunReader.open(folder) as run:
        model = model_of(run)[0]
        authors = [
            (number, identity)
            for number, _, identity in run.judges_of(model)
            if {key: written[0] for key, (written, _) in run.judgements(model, number).items()}
            == texts
        ]
        if len(authors) == 1:
            verdicts, facts = (
                PartVerdicts(run, single_prompt=False),
                judge_facts(run, model, *authors[0]),
            )
            verdicts.add(run, model, authors[0][0], folder.name, facts.repeats)
            agreement = verdicts.self_agreement(folder.name)
            return run.fact("protocol") or "unknown", replace(facts, self_agreement=agreement)
    return "unknown", JudgeFacts(proxy=file.proxy, verdicts=len(texts))


def _read(
    paths: Sequence[Path],
) -> tuple[dict[str, ResponsesCsv], tuple[Clip, ...], dict[Key, str]]:
    """Read files by label, and the clips and answers in them."""
    files = {label: read_responses_csv(path) for label, path in _labels(paths).items()}
    clips = {clip.id: clip for file in files.values() for clip in file.clips}
    answers: dict[Key, str] = {}
    for file in files.values():
        for clip in file.clips:
            if clips[clip.id] != clip:
                raise InputError(
                    f"{file.path}: clip {clip.id}: its annotations differ from those in another "
                    "file; give files about the same data set"
                )
        for key, text in file.answers().items():
            if answers.setdefault(key, text) != text:
                raise InputError(
                    f"{file.path}: clip {key[0]}, instruction {key[1]}: the answer differs "
                    "from that in another file; several files must be several judges of one model"
                )
    return files, tuple(clips.values()), answers


def _labels(paths: Sequence[Path]) -> dict[str, Path]:
    stems = [path.stem for path in paths]
    labels = [whole_text(path.stem if stems.count(path.stem) == 1 else str(path)) for path in paths]
    if twice := [label for label in labels if labels.count(label) > 1]:
        raise InputError(f"{twice[0]}: the same file is given twice; give it once")
    return dict(zip(labels, paths, strict=True))


def _matrix(file: ResponsesCsv, clips: Sequence[Clip]) -> VerdictMatrix:
    places = {clip.id: place for place, clip in enumerate(clips)}
    matrix = VerdictMatrix.none_yet(len(clips))
    for (id_, number), verdict in file.verdicts().items():
        matrix.enter(places[id_], number, verdict)
    return matrix
