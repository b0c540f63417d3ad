"""What a run, or judged CSV files, hold: verdicts in a shape that can be scored."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jasco.benchmark.clips import Clip, annotations_sha256
from jasco.benchmark.compat import JudgedRow, score_as_published
from jasco.benchmark.dataset import name_of
from jasco.benchmark.errors import InputError, whole_text
from jasco.benchmark.filled import FilledFile, Key, read_filled, read_judged_rows
from jasco.benchmark.instructions import INSTRUCTIONS
from jasco.benchmark.scoring import Marks, Score, score_judge
from jasco.benchmark.verdicts import PROXY_MARK, Verdict
from jasco.evaluation.store import Store


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
        How many.
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
    """

    expected: int
    answered: int
    truncated: int = 0
    failed: Mapping[str, int] = field(default_factory=dict)
    treated_clips: int = 0


@dataclass(frozen=True)
class Judged:
    """One judge's figures, its failures by kind, and whether it only stands in for a judge."""

    score: Score
    proxy: bool = False
    failed: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Results:
    """One model's results: its answers, and each judge's figures by the judge's label."""

    model: str
    data: Data
    protocol: str
    answers: Answers
    judges: Mapping[str, Judged]

    @property
    def complete(self) -> bool:
        """Whether every item is answered, and every answer has a readable verdict."""
        return self.answers.answered == self.answers.expected and all(
            judged.score.complete for judged in self.judges.values()
        )


def results_of_run(folder: Path, *, compat: bool = False) -> Results:
    """Score a run (``InputError`` where there is none, or nothing in it)."""
    with Store.to_read(folder) as store:
        clips = store.data().clips[: store.covered]
        if not store.models():
            raise InputError(f"{folder}: the run holds no answers; see: jasco eval --help")
        model, label, _ = store.models()[0]
        answered, truncated, failed = store.count_responses(model)
        return Results(
            model=label,
            data=_data(store.fact("data") or "", clips, store.audio_sha256()),
            protocol=store.fact("protocol") or "",
            answers=Answers(_items(clips), answered, truncated, failed, store.treated_clips()),
            judges={
                name: Judged(
                    score_as_published(_rows(store, model, judge, clips))
                    if compat
                    else score_judge(_marks(store, model, judge, len(clips))),
                    store.writes(model, judge, PROXY_MARK),
                    store.count_verdicts(model, judge)[1],
                )
                for judge, name, _ in store.judges()
            },
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
        expected = max(len(each) for each in rows.values())
        ids = {row.id for each in rows.values() for row in each}
        return Results(
            model="+".join(labels),
            data=_annotated(paths[0]) or Data(paths[0].stem, None, None, len(ids), expected),
            protocol="as published",
            answers=Answers(expected, expected),
            judges={
                label: Judged(_as_published(label, each), _is_proxy(row.text for row in each))
                for label, each in rows.items()
            },
        )
    files = {label: read_filled(path) for label, path in labels.items()}
    clips = {clip.id: clip for file in files.values() for clip in file.clips}
    answers: dict[tuple[str, int], str] = {}
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
    return Results(
        model="+".join(labels),
        data=_data(name_of(ordered, paths[0].stem), ordered, None),
        protocol="unknown",
        answers=Answers(_items(ordered), len(answers)),
        judges={
            label: Judged(
                score_judge(_file_marks(file, ordered)), _is_proxy(file.judge_texts().values())
            )
            for label, file in files.items()
        },
    )


def judged_items(folder: Path, label: str) -> dict[Key, tuple[str, Verdict]]:
    """Give what one of a run's judges wrote about each item, and how it was read."""
    with Store.to_read(folder) as store:
        ids = [clip.id for clip in store.data().clips]
        model = store.models()[0][0]
        judge = next(number for number, name, _ in store.judges() if name == label)
        verdicts = {(clip, n): verdict for clip, n, verdict in store.verdicts(model, judge)}
        return {
            (ids[clip], n): (attempts[0].get("text", ""), verdicts[clip, n])
            for clip, n, attempts in store.judge_texts(model, judge)
        }


def _is_proxy(texts: Iterable[str]) -> bool:
    return any(text.startswith(PROXY_MARK) for text in texts)


def _annotated(path: Path) -> Data | None:
    try:
        file = read_filled(path)
    except InputError:  # what the published script reads need not be a whole filled file
        return None
    return _data(file.data.name, file.clips, None)


def _as_published(label: str, rows: list[JudgedRow]) -> Score:
    try:
        return score_as_published(rows)
    except InputError as error:
        raise InputError(f"{label}: {error}") from None


def _labels(paths: Sequence[Path]) -> dict[str, Path]:
    stems = [path.stem for path in paths]
    labels = {
        whole_text(path.stem if stems.count(path.stem) == 1 else str(path)): path for path in paths
    }
    if len(labels) < len(paths):
        raise InputError("the same file is given twice")
    return labels


def _data(name: str, clips: Sequence[Clip], audio_sha256: str | None) -> Data:
    return Data(name, annotations_sha256(clips), audio_sha256, len(clips), _items(clips))


def _items(clips: Sequence[Clip]) -> int:
    return len(clips) * len(INSTRUCTIONS)


def _marks(store: Store, model: int, judge: int, clips: int) -> Marks:
    marks = Marks.none_yet(clips)
    for clip, number, verdict in store.verdicts(model, judge):
        marks.enter(clip, number, verdict)
    return marks


def _file_marks(file: FilledFile, clips: Sequence[Clip]) -> Marks:
    places = {clip.id: place for place, clip in enumerate(clips)}
    marks = Marks.none_yet(len(clips))
    for (id_, number), verdict in file.verdicts().items():
        marks.enter(places[id_], number, verdict)
    return marks


def _rows(store: Store, model: int, judge: int, clips: Sequence[Clip]) -> list[JudgedRow]:
    return [
        JudgedRow(
            clips[clip].id,
            attempts[0].get("text", ""),
            attempts[1].get("text", "") if len(attempts) > 1 else "",
        )
        for clip, _, attempts in store.judge_texts(model, judge)
    ]
