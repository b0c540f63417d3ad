"""A copy of a data set in the layout ``audiofolder`` of the Hugging Face libraries.

``FOLDER/test/ID.wav`` and, next to the audio, ``metadata.jsonl`` with one line per clip;
``FOLDER/README.md`` is the card of the data set.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from jasco.data.audio import read_file
from jasco.data.data_cards import FIELDS, DataCard, card_of
from jasco.data.dataset import ANNOTATIONS, DataSet, name_with_audio
from jasco.data.folders import whole_folder
from jasco.data.known_issues import issue_lines
from jasco.errors import InputError, one_line

SPLIT = "test"


def write_audio_folder(data: DataSet, folder: Path) -> None:
    """Copy a data set to a folder, which must not exist or be empty.

    Raises
    ------
    InputError
        The data set has no audio, or the audio file of a clip is missing or cannot be read.
    OSError
        The folder cannot be written.
    """
    if data.folder is None:
        raise InputError(f"{data.name}: no audio; give a folder that contains {ANNOTATIONS}")
    hashes = {}
    with whole_folder(folder) as draft:
        split = draft / SPLIT
        split.mkdir()
        with (split / "metadata.jsonl").open("w", encoding="utf-8") as lines:
            for clip in data.clips:
                path = data.audio_path(clip)
                assert path is not None
                hashes[clip.id] = read_file(path).sha256
                shutil.copyfile(path, split / path.name)
                row = {"file_name": path.name, **dict(zip(FIELDS, clip.cells, strict=True))}
                lines.write(f"{json.dumps(row)}\n")
        name = name_with_audio(data.name, hashes)
        card = "\n".join(_card(data, name, card_of(name, data.clips)))
        (draft / "README.md").write_text(f"{card}\n", "utf-8")


def _card(data: DataSet, name: str, card: DataCard | None) -> Iterator[str]:
    """Yield the lines of the card of a data set, with metadata for the Hub."""
    yield "---"
    if card:
        yield f"license: {card.licence.lower()}"
    yield f"pretty_name: {json.dumps(one_line(card.title if card else name), ensure_ascii=False)}"
    yield "---"
    yield ""
    yield f"# {card.title}" if card else "# Data set"
    yield ""
    yield f"{card.description} " if card else ""
    yield f"{len(data.clips)} clips; annotations SHA-256 `{data.annotations_sha256}`."
    yield ""
    yield "## Licence"
    yield ""
    if card:
        yield f"[{card.licence}]({card.licence_url}), by {', '.join(card.creators)}."
        if card.url:
            yield f"\nSource: <{card.url}>"
        if card.citation:
            yield f"\n```bibtex\n{card.citation}\n```"
    else:
        yield "Not known. State the licence here and in the metadata above before you publish."
    yield ""
    yield "## Fields"
    yield ""
    yield from (f"- `{field}`: {description}" for field, description in FIELDS.items())
    if issues := [f"- {line}" for line in issue_lines(data.clips)]:
        yield from ("", "## Known issues", "", *issues)
