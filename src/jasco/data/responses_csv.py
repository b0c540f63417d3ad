"""The CSV that a user fills in with a model's responses, and to which a judge's texts are added.

Conventions
-----------
One row per item, in the columns of the published ``evaluation/example.csv``. An item with an empty
``allm_output`` has no response; any other text, including "nan" and blanks, is a response. The
judge's text is in ``judge_output`` or, in files of the published script, in ``llama3_extract``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from jasco.data.csv_files import CsvTable, read_table, write_table
from jasco.data.dataset import DataSet, clip_of_row, name_of
from jasco.errors import InputError, invalid_value
from jasco.metrics.compat import JudgedRow
from jasco.protocol.clips import Clip, Item, items_of
from jasco.protocol.instructions import INSTRUCTIONS
from jasco.protocol.verdicts import PROXY_MARK, Orientation, Verdict

COLUMNS = (
    "id", "audio", "n_frames", "audio_sound", "spoken_text", "prompt", "with_speech",
    "audio_only_target", "speech_only_target", "target_keywords", "tgt_text", "allm_output",
)  # fmt: skip
VERDICT_COLUMNS = ("judge_output", "rating", "orientation")
PROXY_COLUMN = "proxy"
"""1 in each row of a file whose verdicts are those of a proxy."""
_CLIP_COLUMNS = (
    "id", "audio_sound", "spoken_text", "audio_only_target", "speech_only_target",
    "tgt_text", "target_keywords",
)  # fmt: skip
_REMEDY = "; create a file to fill in with: jasco data template DATA -o FILE.csv"
_OTHER_DATA = "use the data set that the file was created for"
_JUDGE_COLUMNS = ("judge_output", "llama3_extract")

Key = tuple[str, int]
"""A clip's id and the number of the instruction."""


def template_rows(data: DataSet, n_frames: Mapping[str, int]) -> Iterator[dict[str, object]]:
    """Yield the rows of the file to fill in.

    Parameters
    ----------
    data : DataSet
        The data set; each clip has eight rows.
    n_frames : mapping of str to int
        Samples per channel in each clip's audio file, by clip id.
    """
    for clip in data.clips:
        for item in items_of(clip):
            yield _row(item, n_frames[clip.id])


def _row(item: Item, n_frames: int | str, answer: str = "") -> dict[str, object]:
    clip = item.clip
    return {
        **dict(zip(_CLIP_COLUMNS, clip.cells, strict=True)),
        "audio": f"{{data_folder}}/dataset/v0/{clip.id}.wav",
        "n_frames": n_frames,
        "prompt": item.instruction,
        "with_speech": True,
        "allm_output": answer,
    }


@dataclass(frozen=True)
class ResponsesCsv:
    """A valid responses CSV.

    Attributes
    ----------
    path : pathlib.Path
        The file.
    table : CsvTable
        Its columns and rows.
    keys : list of (str, int)
        Clip id and instruction number of each row.
    clips : tuple of Clip
        The clips in the file, in order of their first row.
    model : str
        The name of the model, if the file states it; else empty.
    empty : int
        Number of answers that are known to be an empty text; they count as not answered.
    """

    path: Path
    table: CsvTable
    keys: list[Key]
    clips: tuple[Clip, ...]
    model: str = ""
    empty: int = 0

    @property
    def data(self) -> DataSet:
        """The file as a data set without audio."""
        return DataSet(name_of(self.clips, self.path.stem), self.clips)

    def answers(self) -> dict[Key, str]:
        """Return the responses, without items whose cell is empty."""
        return self._texts("allm_output")

    def judge_texts(self) -> dict[Key, str]:
        """Return the judge's non-empty texts for the items that have a response."""
        texts, answers = self._texts(_judge_column(self.path, self.table)), self.answers()
        return {key: text for key, text in texts.items() if key in answers}

    def verdicts(self) -> dict[Key, Verdict]:
        """Parse the judge's texts; columns of the row replace what cannot be parsed.

        Raises
        ------
        InputError
            A row's ``rating`` or ``orientation`` is invalid, or contradicts the judge's text.
        """
        texts, rows = self.judge_texts(), zip(self.keys, self.table.rows, strict=True)
        return {key: self._verdict(key, row, texts[key]) for key, row in rows if key in texts}

    def _texts(self, column: str) -> dict[Key, str]:
        cells = (row[column] for row in self.table.rows)
        return {key: text for key, text in zip(self.keys, cells, strict=True) if text}

    @property
    def proxy(self) -> bool:
        """Whether the file's verdicts are those of a proxy."""
        return _is_proxy(self.table, _judge_column(self.path, self.table))

    def _verdict(self, key: Key, row: Mapping[str, str], text: str) -> Verdict:
        # Imported here: compiling the patterns takes as long as reading a run.
        from jasco.protocol.verdict_parser import read_orientation, read_rating, read_verdict

        where = f"{self.path}: clip {key[0]}, instruction {key[1]}"
        cells = {name: row.get(name, "") for name in ("rating", "orientation")}
        by_text = read_verdict(text)
        by_cells = Verdict(read_rating(cells["rating"]), read_orientation(cells["orientation"]))
        for name, allowed in (("rating", "0, 1, 2"), ("orientation", ", ".join(Orientation))):
            in_text, in_cell = getattr(by_text, name), getattr(by_cells, name)
            if cells[name] and in_cell is None:
                raise InputError(
                    invalid_value(f"{where}: {name}", cells[name], f"expected one of {allowed}")
                )
            if None not in (in_text, in_cell) and in_text != in_cell:
                raise InputError(
                    f"{where}: {name} is {in_cell}, but the judge's text says {in_text}; correct "
                    "or clear the cell"
                )
        return Verdict(
            by_cells.rating if by_text.rating is None else by_text.rating,
            by_cells.orientation if by_text.orientation is None else by_text.orientation,
        )


def read_responses_csv(path: Path) -> ResponsesCsv:
    """Read a responses CSV, judged or not.

    Raises
    ------
    InputError
        A column is missing, an instruction is unknown, an item is duplicate, or two rows of a clip
        differ in its annotations.
    """
    table = read_table(path, (*_CLIP_COLUMNS, "prompt", "allm_output"), _REMEDY)
    if not table.rows:
        raise InputError(f"{path}: no rows, only a header{_REMEDY}")
    numbers = {instruction: number for number, instruction in enumerate(INSTRUCTIONS, start=1)}
    clips: dict[str, Clip] = {}
    rows: dict[Key, int] = {}
    for number, row in enumerate(table.rows, start=1):
        where = f"{path}, row {number} (clip {row['id']!r})"
        if row["prompt"] not in numbers:
            raise InputError(
                f"{where}: prompt {row['prompt'][:60]!r} is not one of the 8 instructions; "
                "do not change this column of the template"
            )
        clip = clip_of_row(row, _CLIP_COLUMNS, f"{path}, row {number}")
        if clips.setdefault(clip.id, clip) != clip:
            raise InputError(f"{where}: annotations differ from the clip's first row; correct one")
        key = clip.id, numbers[row["prompt"]]
        if key in rows:
            raise InputError(
                f"{where}: duplicate of row {rows[key]} (instruction {key[1]}); remove one"
            )
        rows[key] = number
    return ResponsesCsv(path, table, list(rows), tuple(clips.values()))


def responses_of_items(
    path: Path, answers: Mapping[Item, str], model: str, empty: int = 0
) -> ResponsesCsv:
    """Return answers from elsewhere as those of a responses CSV.

    Parameters
    ----------
    path : pathlib.Path
        The file that they are from.
    answers : mapping of Item to str
        The answers; an empty one is an item without an answer.
    model : str
        The name of the model; empty if it is not known.
    empty : int
        Number of answers that are an empty text.
    """
    rows = [
        {name: str(cell) for name, cell in _row(item, "", answer).items()}
        for item, answer in answers.items()
    ]
    keys = [(item.clip.id, item.number) for item in answers]
    clips = dict.fromkeys(item.clip for item in answers)
    return ResponsesCsv(path, CsvTable(COLUMNS, rows), keys, tuple(clips), model, empty)


def read_judged_rows(path: Path) -> tuple[list[JudgedRow], bool]:
    """Read a judged CSV like the published script: any instructions, any number of rows.

    Returns
    -------
    rows : list of JudgedRow
        In the order of the file.
    proxy : bool
        Whether the verdicts are those of a proxy.
    """
    table = read_table(path, required=("id",))
    column = _judge_column(path, table)
    rows = [JudgedRow(row["id"], row[column], row.get("repair_output", "")) for row in table.rows]
    return rows, _is_proxy(table, column)


def _is_proxy(table: CsvTable, judge_column: str) -> bool:
    # Files from before the column existed have the mark in the judge's texts.
    return any(
        row.get(PROXY_COLUMN) == "1" or row[judge_column].startswith(PROXY_MARK)
        for row in table.rows
    )


def _judge_column(path: Path, table: CsvTable) -> str:
    column = next((name for name in _JUDGE_COLUMNS if name in table.columns), None)
    if column is None:
        raise InputError(
            f"{path}: no column {' or '.join(map(repr, _JUDGE_COLUMNS))}; judge the file first: "
            f"jasco judge {path} --judge JUDGE -o JUDGED.csv"
        )
    return column


def write_judged(
    path: Path,
    file: ResponsesCsv,
    judged: Mapping[Key, tuple[list[str], Verdict]],
    *,
    proxy: bool = False,
) -> None:
    """Write a responses CSV with a judge's first texts and its verdicts.

    Parameters
    ----------
    path : pathlib.Path
        The file to write.
    file : ResponsesCsv
        The responses.
    judged : mapping of (str, int) to (list of str, Verdict)
        The judge's texts and the verdict on each response.
    proxy : bool
        Whether the verdicts are those of a proxy, and are to be marked.
    """
    added = (*VERDICT_COLUMNS, PROXY_COLUMN)
    columns = [name for name in file.table.columns if name not in added]

    def rows() -> Iterator[dict[str, object]]:
        for key, row in zip(file.keys, file.table.rows, strict=True):
            texts, verdict = judged.get(key, ([""], Verdict(None, None)))
            yield {
                **{name: row[name] for name in columns},
                "judge_output": texts[0],
                "rating": "" if verdict.rating is None else verdict.rating,
                "orientation": verdict.orientation or "",
                **({PROXY_COLUMN: 1} if proxy else {}),
            }

    write_table(path, [*columns, *(added if proxy else VERDICT_COLUMNS)], rows())


def check_against(file: ResponsesCsv, data: DataSet) -> None:
    """Check that the responses in a file belong to a data set.

    Raises
    ------
    InputError
        A clip in the file is not in the data set, or has other annotations. Of a part of a data
        set, other clips are ignored.
    """
    known = {clip.id: clip for clip in data.clips}
    for clip in file.clips:
        if clip.id not in known:
            if len(known) < data.total:  # it may belong to another shard
                continue
            raise InputError(
                f"{file.path}: clip {clip.id} is not in the data set {data.name}; {_OTHER_DATA}"
            )
        if clip != known[clip.id]:
            raise InputError(
                f"{file.path}: annotations of clip {clip.id} differ from the data set {data.name}; "
                f"{_OTHER_DATA}"
            )
