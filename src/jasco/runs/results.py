"""What a run, or judged CSV files, hold: verdicts in a shape that can be scored."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from jasco.data.dataset import name_of
from jasco.data.known_issues import KnownIssue, known_issues
from jasco.data.responses_csv import Key, ResponsesCsv, read_judged_rows, read_responses_csv
from jasco.errors import (
    IncompleteError,
    InputError,
    RunConflictError,
    did_you_mean,
    did_you_mean_path,
    one_line,
    whole_text,
)
from jasco.metrics.agreement import Agreement
from jasco.metrics.bootstrap import NO_ESTIMATE
from jasco.metrics.compat import JudgedRow, count_judged, score_as_published
from jasco.metrics.scoring import PanelScore, Score, average, score_agreement, score_panel
from jasco.metrics.verdict_matrix import VerdictMatrix
from jasco.protocol.clips import Clip, annotations_sha256
from jasco.protocol.failure_reasons import Reason
from jasco.protocol.instructions import INSTRUCTIONS
from jasco.protocol.responses import Failure, Response, served_name
from jasco.protocol.verdicts import PROXY_MARK, Verdict
from jasco.runs.exam_records import exam_fact, exam_taken, is_of
from jasco.runs.participants import is_single_prompt
from jasco.runs.spending import Spending, spending_of
from jasco.runs.store import PREFLIGHT, Store, check_fact


@dataclass(frozen=True)
class Data:
    """Which clips the figures are about.

    Attributes
    ----------
    name : str
        The data set's.
    annotations_sha256, audio_sha256 : str or None
        Hashes over these clips; None where they are not known.
    clips, items : int
        How many; people are asked about a clip once, so that theirs are as many as the clips.
    """

    name: str
    annotations_sha256: str | None
    audio_sha256: str | None
    clips: int
    items: int


@dataclass(frozen=True)
class Answers:
    """How the answering went.

    Attributes
    ----------
    expected, answered, truncated : int
        Items; truncated answers are answers.
    failed : mapping of str to int
        Failures by kind.
    treated_clips : int
        Clips whose audio had to be resampled, mixed down or converted.
    max_audio_seconds : float or None
        Seconds of a clip that the model hears; None: all, or nobody knows.
    cut_clips : int
        Clips that are longer than that.
    runtime : sequence of mapping
        How the answers came about (precision, device, versions), each combination once.
    preflight : mapping or None
        What was seen of the model beforehand; None where there was nothing to see.
    clipped : mapping of str to int, or None
        Clipped samples of the clips that have any, by clip id; None if not counted.
    audio_warnings : mapping of str to list of str
        Ids of clips by what is odd about their audio: they are silent, say.
    reasons : sequence of Reason
        The commonest message of each kind of failure.
    """

    expected: int
    answered: int
    truncated: int = 0
    failed: Mapping[str, int] = field(default_factory=dict)
    treated_clips: int = 0
    max_audio_seconds: float | None = None
    cut_clips: int = 0
    runtime: Sequence[Mapping[str, str]] = ()
    preflight: Mapping[str, Any] | None = None
    clipped: Mapping[str, int] | None = None
    audio_warnings: Mapping[str, Sequence[str]] = field(default_factory=dict)
    reasons: Sequence[Reason] = ()


@dataclass(frozen=True)
class JudgeFacts:
    """What is to be known of a judge beside its figures.

    Attributes
    ----------
    proxy : bool
        Whether it only stands in for a judge.
    given : int
        Its verdicts, unreadable ones among them.
    failed : mapping of str to int
        Calls that failed, by kind.
    final : int
        How many of them a repeat cannot mend.
    cut_off : int
        Unreadable verdicts that ended at the longest length allowed.
    identity : mapping
        What may change its verdicts; empty where it is not known.
    served : tuple of str
        What its server called it.
    with_itself : Agreement or None
        How its verdicts on the same answers agree, where it was asked repeatedly.
    exam : mapping or None
        Its exam, in the schema of ``jasco exam --json``; None where it has taken none.
    examined_as : tuple of str
        What its server called it in an exam that is not of what judged here; empty without one.
    reasons : sequence of Reason
        The commonest message of each kind of failure.
    check : mapping or None
        How it answered the question with a known verdict; None where it was not asked.
    adaptations : mapping
        How its requests differ from the usual because its server asked for it.
    """

    proxy: bool = False
    given: int = 0
    failed: Mapping[str, int] = field(default_factory=dict)
    final: int = 0
    cut_off: int = 0
    identity: Mapping[str, Any] = field(default_factory=dict)
    served: tuple[str, ...] = ()
    with_itself: Agreement | None = None
    exam: Mapping[str, Any] | None = None
    examined_as: tuple[str, ...] = ()
    reasons: Sequence[Reason] = ()
    check: Mapping[str, Any] | None = None
    adaptations: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Results:
    """One model's results.

    Attributes
    ----------
    model : str
        Its label.
    identity : mapping
        What may change its answers; empty where it is not known.
    served : tuple of str
        What its server called it.
    data : Data
        What the figures are about.
    protocol : str
        How it was judged.
    answers : Answers
        How the answering went.
    judges : mapping of str to JudgeFacts
        By the judge's label; those that gave a verdict.
    without_verdict : mapping of str to (mapping of str to int)
        Judges that gave none, and how often their calls failed, by kind: they do not count.
    spent : Spending or None
        What was spent on the run, by model and judge; None for files.
    reasons_without_verdict : mapping of str to sequence of Reason
        The commonest messages of their failures.
    adaptations : mapping
        How the model's requests differ from the usual because its server asked for it.
    clips : tuple of Clip
        In the order of the verdict matrices.
    matrix : mapping of str to VerdictMatrix
        By the judge's label; empty with the published arithmetic.
    rows : mapping of str to list of JudgedRow, or None
        By the judge's label, where the published script's arithmetic was asked for.
    """

    model: str
    data: Data
    protocol: str
    answers: Answers
    judges: Mapping[str, JudgeFacts]
    clips: tuple[Clip, ...] = ()
    matrices: Mapping[str, VerdictMatrix] = field(default_factory=dict)
    identity: Mapping[str, Any] = field(default_factory=dict)
    served: tuple[str, ...] = ()
    rows: Mapping[str, list[JudgedRow]] | None = None
    without_verdict: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    spent: Spending | None = None
    reasons_without_verdict: Mapping[str, Sequence[Reason]] = field(default_factory=dict)
    adaptations: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def figures(self) -> PanelScore | None:
        """The panel's figures and each judge's; None where there is no verdict.

        Of a mixed panel, the panel itself has no figures but its coverage.
        """
        if self.rows is None:
            figures = score_panel(self.matrices) if self.matrices else None
        else:
            figures = _as_published(self.rows, self.data.items)
        return without_panel(figures) if figures and self.mixed else figures

    @property
    def mixed(self) -> bool:
        """Whether a proxy stands beside a real judge: the two are never averaged."""
        return len({facts.proxy for facts in self.judges.values()}) > 1

    def judged_by(self, names: Sequence[str]) -> Self:
        """Keep the figures of some judges only; of all, where none is named.

        Raises
        ------
        InputError
            There is no judge of that name, or more than one.
        """
        if not names:
            return self
        labels = list(dict.fromkeys(judge_named(name, self.judges, self.model) for name in names))
        return replace(
            self,
            judges={label: self.judges[label] for label in labels},
            matrices={label: self.matrices[label] for label in labels if label in self.matrices},
            rows=None if self.rows is None else {label: self.rows[label] for label in labels},
            without_verdict={},
            reasons_without_verdict={},
        )

    @property
    def single_prompt(self) -> bool:
        """Whether it was asked about each clip with one instruction only, as people are."""
        return is_single_prompt(self.identity)

    @property
    def complete(self) -> bool:
        """Whether every item is answered, and every answer has a readable verdict."""
        return (
            self.answers.answered == self.answers.expected
            and self.figures is not None
            and self.figures.panel.complete
        )

    @cached_property
    def faults(self) -> tuple[KnownIssue, ...]:
        """What is known to be wrong with the data."""
        return known_issues(self.clips)

    @cached_property
    def without_faults(self) -> Score | None:
        """The panel's figures without the clips that have known faults; None where none has."""
        faulty = {fault.clip for fault in self.faults}
        kept = np.array([clip.id not in faulty for clip in self.clips])
        if not faulty or not self.matrices or not kept.any() or self.mixed:
            return None
        return score_panel(
            {name: matrix.of_clips(kept) for name, matrix in self.matrices.items()}
        ).panel


def judge_named(name: str, judges: Iterable[str], model: str) -> str:
    """Find a judge by its label or, where that is enough to tell it, by ``provider/name``."""
    labels = list(judges)
    if name in labels:
        return name
    found = [label for label in labels if label.split(",")[0] == name]
    if len(found) == 1:
        return found[0]
    by_name = [label.split(",")[0] for label in labels]
    known = f"there are: {', '.join(labels)}" if labels else "it has no verdicts"
    what = "more than one judge of that name" if found else "no such judge"
    meant = "" if found else did_you_mean(name, dict.fromkeys([*labels, *by_name]))
    raise InputError(f"--judge {one_line(name)}: {what} of {model}; {known}{meant}")


def without_panel(figures: PanelScore) -> PanelScore:
    """Leave out what is averaged over judges, or computed from all of them."""
    panel, agreement = figures.panel, figures.agreement
    return PanelScore(
        Score(
            neither_rate=None,
            unreadable_rate=panel.unreadable_rate,
            coverage=panel.coverage,
            complete=panel.complete,
            bounds=None,
            mean_bounds=None,
        ),
        figures.judges,
        agreement and replace(agreement, rating_alpha=NO_ESTIMATE, orientation_alpha=NO_ESTIMATE),
    )


def results_of_run(folder: Path, *, compat: bool = False) -> Results:
    """Score a run (``InputError`` where there is none, or nothing in it)."""
    with Store.to_read(folder) as store:
        return _results(store, compat=compat)


def read_run(folder: Path, *, compat: bool = False) -> "tuple[Results, JudgedItems]":
    """Score a run and give each of its items, both as of one moment.

    Raises
    ------
    InputError
        There is no run, or nothing in it.
    """
    with Store.to_read(folder) as store:
        return _results(store, compat=compat), _judged_items(store)


def results_of(
    targets: Sequence[Path],
    *,
    together: bool = False,
    compat: bool = False,
    judges: Sequence[str] = (),
) -> list[Results]:
    """Score runs, or judged CSV files.

    Parameters
    ----------
    targets : sequence of Path
        Folders of runs, or files; ``NAME=A.csv+B.csv`` are the judges of one model.
    together : bool
        Whether all files are judges of one model; else each is a model.
    compat : bool
        Whether to take the arithmetic of the published script.
    judges : sequence of str
        Whose verdicts to count; all, where none is named.

    Raises
    ------
    InputError
        A target is given twice or cannot be read, runs stand beside files, or a judge is not
        there.
    """
    see_targets(targets, together=together)
    places = [os.path.realpath(target) for target in targets]
    for number, place in enumerate(places):
        if place in places[:number]:
            what = "run" if targets[number].is_dir() else "file"
            raise InputError(f"{targets[number]}: the same {what} is given twice")
    if all(target.is_dir() for target in targets):
        results = [results_of_run(target, compat=compat) for target in targets]
    elif any(target.is_dir() for target in targets):
        run = next(target for target in targets if target.is_dir())
        file = next(target for target in targets if not target.is_dir())
        raise InputError(
            f"{run} is a folder, {file} a file: give runs or judged CSV files, not both"
        )
    elif together:
        results = [results_of_files(targets, compat=compat)]
    else:
        results = [results_of_model(target, compat=compat) for target in targets]
    return [each.judged_by(judges) for each in results]


def see_targets(targets: Iterable[Path], *, together: bool = False) -> None:
    """Raise ``InputError``, with near names, for a target that is neither a folder nor a file.

    Unless they are ``together``, a target may be ``NAME=A.csv+B.csv``.
    """
    for target in targets:
        for path in [target] if together else files_of_model(target)[1]:
            if not path.exists():
                raise InputError(f"{path}: no such run or CSV file{did_you_mean_path(path)}")


def results_of_model(target: Path, *, compat: bool = False) -> Results:
    """Score one model's judged CSV file, or ``NAME=A.csv+B.csv``: several judges of one model."""
    name, paths = files_of_model(target)
    results = results_of_files(paths, compat=compat)
    return replace(results, model=name) if name else results


def files_of_model(target: Path) -> tuple[str, list[Path]]:
    """Read ``NAME=A.csv+B.csv``; what is there under the whole of it is one file without a name."""
    name, equals, files = str(target).partition("=")
    if target.exists() or not equals or not name or not files:
        return "", [target]
    return whole_text(name), [Path(file) for file in files.split("+")]


def _results(store: Store, *, compat: bool) -> Results:
    clips = store.data().clips[: store.covered]
    model, label, model_identity = _model(store)
    judging = store.judging(model)
    judges = {name: number for number, name, _ in judging}
    single_prompt = is_single_prompt(model_identity)
    expected = _items(clips, single_prompt=single_prompt)
    matrices, rows = {}, None
    if compat:
        if single_prompt:
            raise InputError(
                f"{store.folder}: {label} answers one prompt a clip; the published script takes "
                "the best of 8, so --compat has no number for it"
            )
        rows = {name: _rows(store, model, judge, clips) for name, judge in judges.items()}
    else:
        matrices = {
            name: VerdictMatrix.of(
                len(clips), store.verdict_table(model, judge), single_prompt=single_prompt
            )
            for name, judge in judges.items()
        }
    return Results(
        model=label,
        data=_data(store.data_name, clips, store.audio_sha256(), single_prompt=single_prompt),
        protocol=store.fact("protocol") or "",
        answers=_answers(store, model, expected),
        judges={
            name: _judge_facts(store, model, judge, identity, len(clips))
            for judge, name, identity in judging
        },
        without_verdict={
            name: failed
            for judge, name, _ in store.judges()
            if name not in judges and (failed := store.count_verdicts(model, judge)[1])
        },
        reasons_without_verdict={
            name: reasons
            for judge, name, _ in store.judges()
            if name not in judges and (reasons := store.reasons(model, judge))
        },
        clips=clips,
        identity=model_identity,
        served=store.served("responses", model),
        adaptations=store.adaptations("models", model),
        matrices=matrices,
        rows=rows,
        spent=spending_of(store),
    )


def _model(store: Store) -> tuple[int, str, Mapping[str, Any]]:
    models = store.models()
    if not models:
        raise InputError(f"{store.folder}: the run holds no answers; see: jasco eval --help")
    return models[0]


def _judge_facts(
    store: Store, model: int, judge: int, identity: Mapping[str, Any], clips: int
) -> JudgeFacts:
    served = store.served("verdicts", model, judge)
    exam, examined_as = _exam(store, judge, identity, served)
    return JudgeFacts(
        store.writes(model, judge, PROXY_MARK),
        *store.count_verdicts(model, judge),
        store.count_final_verdicts(model, judge),
        store.count_cut_off(model, judge),
        identity,
        served,
        _with_itself(store, model, judge, clips),
        exam,
        examined_as,
        store.reasons(model, judge),
        json.loads(store.fact(check_fact(judge)) or "null"),
        store.adaptations("judges", judge),
    )


def _answers(store: Store, model: int, expected: int) -> Answers:
    answered, truncated, failed = store.count_responses(model)
    max_audio_seconds = store.max_audio_seconds()
    found = store.audio_found()
    clipped = {id_: each["clipped"] for id_, each in (found or {}).items() if each["clipped"]}
    warnings = dict[str, list[str]]()
    for id_, each in (found or {}).items():
        for warning in each["warnings"]:
            warnings.setdefault(warning, []).append(id_)
    return Answers(
        expected,
        answered,
        truncated,
        failed,
        store.treated_clips(),
        max_audio_seconds,
        0 if max_audio_seconds is None else store.clips_longer_than(max_audio_seconds),
        store.runtime(),
        json.loads(store.fact(PREFLIGHT) or "null"),
        None if found is None else clipped,
        warnings,
        store.reasons(model),
    )


def results_of_files(paths: Sequence[Path], *, compat: bool = False) -> Results:
    """Score judged CSV files: several files are several judges of one model.

    Raises
    ------
    InputError
        A file cannot be read, or the files are about different clips or answers.
    """
    labels = _labels(paths)
    if compat:
        rows = {label: read_judged_rows(path) for label, path in labels.items()}
        ids = {row.id for each in rows.values() for row in each}
        expected = len(ids) * len(INSTRUCTIONS)
        data = _annotated(paths[0])
        if data is None or data.items != expected:
            data = Data(paths[0].stem, None, None, len(ids), expected)
        return Results(
            model="+".join(labels),
            data=data,
            protocol="as published",
            answers=Answers(expected, max(map(count_judged, rows.values()))),
            judges={
                label: JudgeFacts(_is_proxy(row.text for row in each), count_judged(each))
                for label, each in rows.items()
            },
            rows=rows,
        )
    files = {label: read_responses_csv(path) for label, path in labels.items()}
    clips = {clip.id: clip for file in files.values() for clip in file.clips}
    answers: dict[Key, str] = {}
    for file in files.values():
        for clip in file.clips:
            if clips[clip.id] != clip:
                raise InputError(f"{file.path}: clip {clip.id} differs from that of another file")
        for key, text in file.answers().items():
            if answers.setdefault(key, text) != text:
                raise InputError(
                    f"{file.path}: clip {key[0]}, prompt {key[1]}: another answer than in "
                    "another file; several files must be several judges of one model"
                )
    ordered = tuple(clips.values())
    made_by = {label: _made_by(file) for label, file in files.items()}
    [protocol, *others] = {protocol for protocol, _ in made_by.values()}
    return Results(
        model="+".join(labels),
        data=_data(name_of(ordered, paths[0].stem), ordered, None),
        protocol="unknown" if others else protocol,
        answers=Answers(_items(ordered), len(answers)),
        judges={label: facts for label, (_, facts) in made_by.items()},
        clips=ordered,
        matrices={label: _file_marks(file, ordered) for label, file in files.items()},
    )


@dataclass(frozen=True)
class JudgedItems:
    """What judges wrote about each item.

    Attributes
    ----------
    clips : tuple of Clip
        Which clips the items are about.
    answers : mapping of (str, int) to str
        By clip id and instruction.
    judges : mapping
        By judge and item: all that the judge wrote, and how it was read.
    failures : mapping of (str, int) to Failure
        Why an item has no answer, where that is known.
    cut_off : frozenset of (str, int)
        Items whose answer ended at the longest length allowed.
    audio : mapping of str to (str, str)
        By clip id: path and SHA-256 of what was heard.
    judge_failures : mapping
        By judge and item: why there is no verdict, where that is known; also of judges that gave
        no verdict at all.
    """

    clips: tuple[Clip, ...]
    answers: Mapping[Key, str]
    judges: Mapping[str, Mapping[Key, tuple[list[str], Verdict]]]
    failures: Mapping[Key, Failure] = field(default_factory=dict)
    cut_off: frozenset[Key] = frozenset()
    audio: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    judge_failures: Mapping[str, Mapping[Key, Failure]] = field(default_factory=dict)

    def judged_by(self, labels: Iterable[str]) -> Self:
        """Keep what some judges wrote only."""
        kept = list(labels)
        return replace(
            self,
            judges={label: self.judges[label] for label in kept if label in self.judges},
            judge_failures={
                label: self.judge_failures[label] for label in kept if label in self.judge_failures
            },
        )


def judged_items_of_run(folder: Path) -> JudgedItems:
    """Give what a run's judges wrote (``InputError`` where there is no answer)."""
    with Store.to_read(folder) as store:
        return _judged_items(store)


def _judged_items(store: Store) -> JudgedItems:
    clips = store.data().clips[: store.covered]
    model = _model(store)[0]
    judges = {}
    for judge, label, _ in store.judging(model):
        verdicts = {(clip, n): verdict for clip, n, verdict in store.verdicts(model, judge)}
        judges[label] = {
            (clips[clip].id, n): ([each.get("text", "") for each in said], verdicts[clip, n])
            for clip, n, said in store.judge_texts(model, judge)
        }
    failures = {
        label: {
            (clips[clip].id, n): failure
            for clip, n, failure in store.verdict_failures(model, judge)
        }
        for judge, label, _ in store.judges()
    }
    given = {
        (clip.id, number): answer
        for place, clip in enumerate(clips)
        for number, answer in store.responses(model, place).items()
    }
    answers = {key: each for key, each in given.items() if isinstance(each, Response)}
    return JudgedItems(
        clips,
        {key: answer.text for key, answer in answers.items()},
        judges,
        {key: each for key, each in given.items() if isinstance(each, Failure)},
        frozenset(key for key, each in answers.items() if each.finish_reason == "length"),
        store.audio_files(),
        {label: each for label, each in failures.items() if each},
    )


def judged_items_of_files(paths: Sequence[Path]) -> JudgedItems:
    """Give what stands in judged CSV files: several files are several judges."""
    files = {label: read_responses_csv(path) for label, path in _labels(paths).items()}
    clips = {clip.id: clip for file in files.values() for clip in file.clips}
    answers = {key: text for file in files.values() for key, text in file.answers().items()}
    judges = {}
    for label, file in files.items():
        verdicts = file.verdicts()
        judges[label] = {key: ([text], verdicts[key]) for key, text in file.judge_texts().items()}
    return JudgedItems(tuple(clips.values()), answers, judges)


def _made_by(file: ResponsesCsv) -> tuple[str, JudgeFacts]:
    """Tell the protocol and the judge of a judged file.

    They are known where the run lies beside it in which ``jasco judge FILE -o JUDGED.csv`` judged,
    and that run holds the very texts of the file.
    """
    texts = file.judge_texts()
    run = file.path.with_suffix(JUDGING_RUN)
    with suppress(InputError, IncompleteError, RunConflictError), Store.to_read(run) as store:
        model = _model(store)[0]
        items = _judged_items(store)
        wrote = [
            (number, identity)
            for number, label, identity in store.judging(model)
            if {key: said[0] for key, (said, _) in items.judges[label].items()} == texts
        ]
        if len(wrote) == 1:
            [(number, identity)] = wrote
            facts = _judge_facts(store, model, number, identity, len(items.clips))
            return store.fact("protocol") or "unknown", facts
    return "unknown", JudgeFacts(_is_proxy(texts.values()), len(texts))


JUDGING_RUN = ".run"
"""What the folder ends in, instead of ``.csv``, in which a filled CSV is judged."""


def _is_proxy(texts: Iterable[str]) -> bool:
    return any(text.startswith(PROXY_MARK) for text in texts)


def _annotated(path: Path) -> Data | None:
    try:
        file = read_responses_csv(path)
    except InputError:  # what the published script reads need not be a whole filled file
        return None
    return _data(file.data.name, file.clips, None)


def _exam(
    store: Store, judge: int, identity: Mapping[str, Any], served: tuple[str, ...]
) -> tuple[Mapping[str, Any] | None, tuple[str, ...]]:
    """Look up the latest exam, or the copy that the run has of one taken elsewhere.

    Returns
    -------
    exam : mapping or None
        One of the model that judged here, as far as both tell.
    examined_as : tuple of str
        What the server called the model in an exam of another one; empty where there is none.
    """
    protocol, data = store.fact("protocol") or "", store.fact("annotations_sha256") or ""
    held = json.loads(store.fact(exam_fact(judge)) or "null")
    taken = [each for each in (exam_taken(identity, served, protocol, data), held) if each]
    for exam in taken:
        if is_of(exam, served):
            return exam, ()
    return None, tuple(map(served_name, taken[0]["served"])) if taken else ()


def _with_itself(store: Store, model: int, judge: int, clips: int) -> Agreement | None:
    repeats = [
        VerdictMatrix.of(clips, store.verdict_table(model, judge, repeat))
        for repeat in range(store.repeats(model, judge))
    ]
    if len(repeats) < 2:
        return None
    sampled = np.asarray(repeats[1].readable.any(axis=1))
    if not sampled.any():  # none of the repeats can be read
        return None
    return score_agreement({str(n): matrix.of_clips(sampled) for n, matrix in enumerate(repeats)})


def _as_published(rows: Mapping[str, list[JudgedRow]], expected: int) -> PanelScore | None:
    scores = {}
    for label, each in rows.items():
        try:
            scores[label] = score_as_published(each, expected)
        except InputError as error:
            raise InputError(f"{label}: {error}") from None
    return PanelScore(average(list(scores.values())), scores) if scores else None


def _labels(paths: Sequence[Path]) -> dict[str, Path]:
    stems = [path.stem for path in paths]
    labels = {
        whole_text(path.stem if stems.count(path.stem) == 1 else str(path)): path for path in paths
    }
    if len(labels) < len(paths):
        raise InputError("the same file is given twice")
    return labels


def _data(
    name: str, clips: Sequence[Clip], audio_sha256: str | None, *, single_prompt: bool = False
) -> Data:
    items = _items(clips, single_prompt=single_prompt)
    return Data(name, annotations_sha256(clips), audio_sha256, len(clips), items)


def _items(clips: Sequence[Clip], *, single_prompt: bool = False) -> int:
    return len(clips) * (1 if single_prompt else len(INSTRUCTIONS))


def _file_marks(file: ResponsesCsv, clips: Sequence[Clip]) -> VerdictMatrix:
    places = {clip.id: place for place, clip in enumerate(clips)}
    matrix = VerdictMatrix.none_yet(len(clips))
    for (id_, number), verdict in file.verdicts().items():
        matrix.enter(places[id_], number, verdict)
    return matrix


def _rows(store: Store, model: int, judge: int, clips: Sequence[Clip]) -> list[JudgedRow]:
    return [
        JudgedRow(
            clips[clip].id,
            attempts[0].get("text", ""),
            attempts[1].get("text", "") if len(attempts) > 1 else "",
        )
        for clip, _, attempts in store.judge_texts(model, judge)
    ]
