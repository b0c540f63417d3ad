"""Where judges differ most: a table for a person to read in a spreadsheet."""

from collections.abc import Iterator
from pathlib import Path

from jasco.benchmark.clips import items_of
from jasco.benchmark.errors import InputError
from jasco.benchmark.tables import write_table
from jasco.benchmark.verdicts import Verdict
from jasco.evaluation.results import JudgedItems

_ITEM = (
    "difference", "id", "prompt_index", "prompt", "audio_sound", "spoken_text",
    "audio_only_target", "speech_only_target", "tgt_text", "allm_output",
)  # fmt: skip
_JUDGE = ("rating", "orientation", "text")


def write_disagreements(path: Path, items: JudgedItems) -> int:
    """Write the items on which judges differ, those most apart first; give their number.

    An item's *difference* is how far apart the gated scores are, plus how far the ratings are,
    plus one for each further orientation. A verdict that could not be read differs from none.

    Raises
    ------
    InputError
        There are fewer than two judges.
    """
    if len(items.judges) < 2:
        raise InputError("--disagreements needs verdicts of two judges or more")
    columns = [*_ITEM, *(f"{judge}: {part}" for judge in items.judges for part in _JUDGE)]
    rows = sorted(_rows(items), key=lambda row: -int(str(row["difference"])))
    write_table(path, columns, ({name: _guarded(row[name]) for name in columns} for row in rows))
    return len(rows)


def _rows(items: JudgedItems) -> Iterator[dict[str, object]]:
    for clip in items.clips:
        for item in items_of(clip):
            key = clip.id, item.number
            said = {judge: items.judges[judge].get(key) for judge in items.judges}
            apart = _difference([each[1] for each in said.values() if each])
            if not apart:
                continue
            row: dict[str, object] = dict(
                zip(
                    _ITEM,
                    (
                        apart, clip.id, item.number, item.instruction, clip.sound, clip.speech,
                        clip.audio_only, clip.speech_only, clip.reference,
                        items.answers.get(key, ""),
                    ),
                    strict=True,
                )
            )  # fmt: skip
            for judge, each in said.items():
                texts, verdict = each or ([], Verdict(None, None))
                rating, orientation = verdict.rating, verdict.orientation
                told = ("" if rating is None else rating, orientation or "", "\n---\n".join(texts))
                row |= zip((f"{judge}: {part}" for part in _JUDGE), told, strict=True)
            yield row


def _difference(verdicts: list[Verdict]) -> int:
    read = [verdict for verdict in verdicts if verdict.readable]
    if len(read) < 2:
        return 0
    ratings = [verdict.rating for verdict in read if verdict.rating is not None]
    gated = [verdict.gated for verdict in read]
    orientations = {verdict.orientation for verdict in read}
    return max(gated) - min(gated) + max(ratings) - min(ratings) + len(orientations) - 1


def _guarded(cell: object) -> object:
    """Keep a spreadsheet from taking a model's words for a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in "=+-@\t\r" and cell else cell
