"""Items on which judges disagree, as a list and as a table for a spreadsheet."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from jasco.data.csv_files import whole_file, write_rows
from jasco.data.responses_csv import Key
from jasco.errors import InputError, count
from jasco.metrics.agreement import verdict_difference
from jasco.protocol.verdicts import Verdict
from jasco.runs.results import JudgedItems


def disagreements(items: JudgedItems) -> dict[Key, int]:
    """Return the items on whose first answers judges disagree, the largest difference first.

    Items with the same difference are in the order of the run. Differences are computed by
    :func:`~jasco.metrics.agreement.verdict_difference`.
    """
    keys = [(clip.id, item.number) for clip in items.clips for item in items.items_of(clip)]
    differences = {
        key: verdict_difference(verdict for _, verdict in items.verdicts_on(key).values())
        for key in keys
    }
    differing = [key for key in keys if differences[key]]
    return {key: differences[key] for key in sorted(differing, key=lambda key: -differences[key])}


def write_disagreements(path: Path, items: JudgedItems) -> int:
    """Write the items on which judges disagree to a CSV file, and return their number.

    Raises
    ------
    InputError
        There are fewer than two judges.
    """
    if len(items.judges) < 2:
        raise InputError(
            f"--disagreements: {count(len(items.judges), 'judge')} (expected at least two judges)"
        )
    found = [
        (difference, key, sample)
        for sample, responses in enumerate(items.samples)
        for key, difference in disagreements(responses).items()
    ]
    found.sort(key=lambda each: -each[0])  # a stable sort
    columns = [
        "difference", "id", "prompt_index", "prompt", "sample", "audio_sound", "spoken_text",
        "audio_only_target", "speech_only_target", "tgt_text", "allm_output",
    ]  # fmt: skip
    for judge in items.judges:
        columns += [f"{judge}: rating", f"{judge}: orientation", f"{judge}: text"]
    rows = (dict(zip(columns, cells, strict=True)) for cells in _rows(items, found))
    with whole_file(path) as file:
        write_rows(file, columns, rows, for_spreadsheets=True)
    return len(found)


def _rows(items: JudgedItems, found: Iterable[tuple[int, Key, int]]) -> Iterator[list[object]]:
    clips, samples = {clip.id: clip for clip in items.clips}, items.samples
    for difference, key, sample in found:
        clip, number = clips[key[0]], key[1]
        responses, prompt = samples[sample], items.instructions[number - 1]
        cells: list[object] = [
            difference, clip.id, number, prompt, sample + 1, clip.sound, clip.speech,
            clip.audio_only, clip.speech_only, clip.reference, responses.answers.get(key, ""),
        ]  # fmt: skip
        for judge in items.judges:
            texts, verdict = responses.judges.get(judge, {}).get(key) or ([], Verdict(None, None))
            rating = "" if verdict.rating is None else verdict.rating
            cells += [rating, verdict.orientation or "", "\n---\n".join(texts)]
        yield cells
