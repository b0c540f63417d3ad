"""Where judges differ most: a table for a person to read in a spreadsheet."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from jasco.data.csv_files import whole_file, write_rows
from jasco.errors import InputError
from jasco.protocol.clips import Item
from jasco.protocol.verdicts import Verdict
from jasco.reports.disagreements_found import Apart, apart
from jasco.runs.results import JudgedItems

_ITEM = (
    "difference", "id", "prompt_index", "prompt", "audio_sound", "spoken_text",
    "audio_only_target", "speech_only_target", "tgt_text", "allm_output",
)  # fmt: skip
_JUDGE = ("rating", "orientation", "text")


def write_disagreements(path: Path, items: JudgedItems) -> int:
    """Write the items on which judges differ, those most apart first; give their number.

    How far they differ is what :func:`~jasco.reports.disagreements_found.apart` says.

    Raises
    ------
    InputError
        There are fewer than two judges.
    """
    if len(items.judges) < 2:
        raise InputError("--disagreements needs verdicts of two judges or more")
    columns = [*_ITEM, *(f"{judge}: {part}" for judge in items.judges for part in _JUDGE)]
    differing = apart(items)
    with whole_file(path) as file:
        write_rows(file, columns, _rows(items, differing), for_spreadsheets=True)
    return len(differing)


def _rows(items: JudgedItems, differing: Iterable[Apart]) -> Iterator[dict[str, object]]:
    clips = {clip.id: clip for clip in items.clips}
    for difference, clip_id, number in differing:
        clip, key = clips[clip_id], (clip_id, number)
        row: dict[str, object] = dict(
            zip(
                _ITEM,
                (
                    difference, clip.id, number, Item(clip, number).instruction, clip.sound,
                    clip.speech, clip.audio_only, clip.speech_only, clip.reference,
                    items.answers.get(key, ""),
                ),
                strict=True,
            )
        )  # fmt: skip
        for judge, of_judge in items.judges.items():
            texts, verdict = of_judge.get(key) or ([], Verdict(None, None))
            rating, orientation = verdict.rating, verdict.orientation
            told = ("" if rating is None else rating, orientation or "", "\n---\n".join(texts))
            row |= zip((f"{judge}: {part}" for part in _JUDGE), told, strict=True)
        yield row
