"""The CSV that a user fills in with a model's answers, and that a judge's answers are added to.

Conventions
-----------
One row an item, in the columns of the published ``evaluation/example.csv``. An empty
``allm_output`` is an item that was not answered; any other text, "nan" and blanks included, is
an answer. The judge's text stands in ``judge_output`` or, in files of the published script, in
``llama3_extract``.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from jasco.data.csv_files import Table, read_table
from jasco.data.dataset import DataSet, name_of
from jasco.errors import InputError
from jasco.metrics.compat import JudgedRow
from jasco.protocol.clips import Clip, items_of
from jasco.protocol.instructions import INSTRUCTIONS
from jasco.protocol.verdicts import (
    PROXY_MARK,
    Orientation,
    Verdict,
    read_orientation,
    read_rating,
    read_verdict,
)

COLUMNS = (
    "id", "audio", "n_frames", "audio_sound", "spoken_text", "prompt", "with_speech",
    "audio_only_target", "speech_only_target", "target_keywords", "tgt_text", "allm_output",
)  # fmt: skip
VERDICT_COLUMNS = ("judge_output", "rating", "orientation")
PROXY_COLUMN = "proxy"
"""1 in each row of a file whose verdicts are of a proxy, which only stands in for a judge."""
_CLIP_COLUMNS = (
    "id", "audio_sound", "spoken_text", "audio_only_target", "speech_only_target",
    "tgt_text", "target_keywords",
)  # fmt: skip
_REMEDY = "; a file to fill in: jasco data template DATA -o FILE.csv"
_JUDGE_COLUMNS = ("judge_output", "llama3_extract")

Key = tuple[str, int]
"""A clip's id and the number of the instruction."""


def template_rows(data: DataSet, n_frames: Mapping[str, int]) -> Iterator[dict[str, object]]:
    """Lay out the file to fill in: ``n_frames`` gives the length of each clip's audio file."""
    for clip in data.clips:
        for item in items_of(clip):
            yield {
                "id": clip.id,
                "audio": f"{{data_folder}}/dataset/v0/{clip.id}.wav",
                "n_frames": n_frames[clip.id],
                "audio_sound": clip.sound,
                "spoken_text": clip.speech,
                "prompt": item.instruction,
                "with_speech": True,
                "audio_only_target": clip.audio_only,
                "speech_only_target": clip.speech_only,
                "target_keywords": clip.keywords,
                "tgt_text": clip.reference,
                "allm_output": "",
            }


@dataclass(frozen=True)
class ResponsesCsv:
    """A filled CSV, checked.

    Attributes
    ----------
    path : pathlib.Path
        Where it was read.
    table : Table
        The file as it stands.
    keys : list of (str, int)
        Clip id and instruction number of each row.
    clips : tuple of Clip
        The clips that it names, in order of their first row.
    """

    path: Path
    table: Table
    keys: list[Key]
    clips: tuple[Clip, ...]

    @property
    def data(self) -> DataSet:
        """The file as a data set without audio."""
        return DataSet(name_of(self.clips, self.path.stem), self.clips)

    def answers(self) -> dict[Key, str]:
        """Give the answers; an item with an empty cell is left out."""
        return {key: text for key, text in self._column("allm_output") if text}

    def judge_texts(self) -> dict[Key, str]:
        """Give what the judge wrote about the items that were answered, where it wrote anything."""
        answers = self.answers()
        return {k: text for k, text in self._column(self.judge_column) if text and k in answers}

    def verdicts(self) -> dict[Key, Verdict]:
        """Read the judge's texts. Where one cannot be read, its row's own columns may tell.

        Raises
        ------
        InputError
            A row's ``rating`` or ``orientation`` is none, or contradicts the judge's text.
        """
        rows = dict(zip(self.keys, self.table.rows, strict=True))
        return {
            key: self._verdict(key, rows[key], text) for key, text in self.judge_texts().items()
        }

    @property
    def proxy(self) -> bool:
        """Whether the file's verdicts are those of a proxy."""
        return _is_proxy(self.table, self.judge_column)

    @property
    def judge_column(self) -> str:
        """The column that holds the judge's text (``InputError`` where there is none)."""
        return _judge_column(self.path, self.table)

    def _column(self, name: str) -> Iterator[tuple[Key, str]]:
        return zip(self.keys, (row[name] for row in self.table.rows), strict=True)

    def _verdict(self, key: Key, row: Mapping[str, str], text: str) -> Verdict:
        read = read_verdict(text)
        told = self._told(key, row)
        for field, by_text, by_column in (
            ("rating", read.rating, told.rating),
            ("orientation", read.orientation, told.orientation),
        ):
            if None not in (by_text, by_column) and by_text != by_column:
                raise InputError(
                    f"{self.path}: clip {key[0]}, prompt {key[1]}: {field} says {by_column}, the "
                    f"judge's text says {by_text}; correct or empty the cell"
                )
        return Verdict(
            told.rating if read.rating is None else read.rating,
            told.orientation if read.orientation is None else read.orientation,
        )

    def _told(self, key: Key, row: Mapping[str, str]) -> Verdict:
        rating, orientation = row.get("rating", ""), row.get("orientation", "")
        told = Verdict(read_rating(rating), read_orientation(orientation))
        for name, cell, value in (
            ("rating", rating, told.rating),
            ("orientation", orientation, told.orientation),
        ):
            if cell and value is None:
                raise InputError(
                    f"{self.path}: clip {key[0]}, prompt {key[1]}: {name} {cell[:40]!r} is none of "
                    f"{'0, 1, 2' if name == 'rating' else ', '.join(Orientation)}"
                )
        return told


def read_responses_csv(path: Path) -> ResponsesCsv:
    """Read a filled (or judged) CSV.

    Raises
    ------
    InputError
        A column is missing, a prompt is unknown, an item occurs twice, or two rows of a clip
        differ in its annotations.
    """
    table = read_table(path, (*_CLIP_COLUMNS, "prompt", "allm_output"), _REMEDY)
    if not table.rows:
        raise InputError(f"{path}: no rows in it, only a header{_REMEDY}")
    numbers = {instruction: number for number, instruction in enumerate(INSTRUCTIONS, start=1)}
    clips: dict[str, Clip] = {}
    rows: dict[Key, int] = {}
    for number, row in enumerate(table.rows, start=1):
        where = f"{path}, row {number} (clip {row['id']!r})"
        if row["prompt"] not in numbers:
            raise InputError(
                f"{where}: prompt {row['prompt'][:60]!r} is none of the 8 instructions; "
                "leave the column as jasco data template wrote it"
            )
        try:
            clip = Clip(*(row[column] for column in _CLIP_COLUMNS))
        except InputError as error:
            raise InputError(f"{path}, row {number}: {error}") from None
        if clips.setdefault(clip.id, clip) != clip:
            raise InputError(f"{where}: other annotations than in the clip's first row")
        key = clip.id, numbers[row["prompt"]]
        if key in rows:
            raise InputError(
                f"{where}: prompt {key[1]} stands in row {rows[key]} already; leave one"
            )
        rows[key] = number
    return ResponsesCsv(path, table, list(rows), tuple(clips.values()))


def read_judged_rows(path: Path) -> list[JudgedRow]:
    """Read a judged CSV as the published script does: any prompts, any number of rows."""
    table = read_table(path, required=("id",))
    column = _judge_column(path, table)
    return [JudgedRow(row["id"], row[column], row.get("repair_output", "")) for row in table.rows]


def is_proxy_file(path: Path) -> bool:
    """Return whether the verdicts of a judged CSV are those of a proxy."""
    table = read_table(path, required=("id",))
    return _is_proxy(table, _judge_column(path, table))


def _is_proxy(table: Table, judge_column: str) -> bool:
    # Files made before there was the column have the mark in the judge's texts.
    return any(
        row.get(PROXY_COLUMN) == "1" or row[judge_column].startswith(PROXY_MARK)
        for row in table.rows
    )


def _judge_column(path: Path, table: Table) -> str:
    column = next((name for name in _JUDGE_COLUMNS if name in table.columns), None)
    if column is None:
        raise InputError(
            f"{path}: no column {' or '.join(map(repr, _JUDGE_COLUMNS))}; judge the file first: "
            f"jasco judge {path} --judge JUDGE -o JUDGED.csv"
        )
    return column


def judged_columns(file: ResponsesCsv, *, proxy: bool = False) -> list[str]:
    """Return the columns of a file with a judge's verdicts: those of a proxy are marked so."""
    added = (*VERDICT_COLUMNS, PROXY_COLUMN)
    columns = [name for name in file.table.columns if name not in added]
    return [*columns, *(added if proxy else VERDICT_COLUMNS)]


def judged_rows(
    file: ResponsesCsv, judged: Mapping[Key, tuple[list[str], Verdict]], *, proxy: bool = False
) -> Iterable[dict[str, object]]:
    """Add a judge's first texts and its verdicts to the rows of a filled file."""
    for key, row in zip(file.keys, file.table.rows, strict=True):
        texts, verdict = judged.get(key, ([""], Verdict(None, None)))
        rating, orientation = verdict.rating, verdict.orientation
        yield {
            **{name: cell for name, cell in row.items() if name != PROXY_COLUMN},
            "judge_output": texts[0],
            "rating": "" if rating is None else rating,
            "orientation": orientation or "",
            **({PROXY_COLUMN: 1} if proxy else {}),
        }


def check_against(file: ResponsesCsv, data: DataSet) -> None:
    """Make sure that a file's answers belong to a data set.

    Raises
    ------
    InputError
        The file names a clip that the data set does not have, or has other annotations for it.
    """
    known = {clip.id: clip for clip in data.clips}
    for clip in file.clips:
        if clip.id not in known:
            raise InputError(f"{file.path}: clip {clip.id} is not in the data set {data.name}")
        if clip != known[clip.id]:
            raise InputError(
                f"{file.path}: clip {clip.id} has other annotations than in the data {data.name}"
            )
