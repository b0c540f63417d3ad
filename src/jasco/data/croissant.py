"""Metadata of a data set in the Croissant format, version 1.0.

http://docs.mlcommons.org/croissant/docs/croissant-spec.html
"""

from typing import Any
from urllib.parse import quote

import soundfile

from jasco.data.audio import file_sha256, read_file
from jasco.data.data_cards import FIELDS, DataCard, card_of
from jasco.data.dataset import ANNOTATIONS, COLUMNS, PUBLISHED, DataSet, name_with_audio
from jasco.data.known_issues import issue_lines
from jasco.errors import InputError

VERSION = "http://mlcommons.org/croissant/1.0"
_TABLE = "annotations"
_MEDIA_TYPES = {
    "AIFF": "audio/aiff",
    "AU": "audio/basic",
    "FLAC": "audio/flac",
    "MP3": "audio/mpeg",
    "OGG": "audio/ogg",
}  # others are kinds of WAV
_TERMS = (
    "citeAs", "column", "equivalentProperty", "extract", "field", "fileProperty", "fileObject",
    "fileSet", "format", "includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField",
    "path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate", "separator",
    "source", "subField", "transform",
)  # fmt: skip
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "sc": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{term: f"cr:{term}" for term in _TERMS},
}


def to_croissant(data: DataSet) -> dict[str, Any]:
    """Return the metadata of a data set as a JSON-LD object.

    The addresses of the files are those of the published data set, or relative to the folder of the
    data set. What is not known of a user's data set, such as its licence, is omitted.

    Raises
    ------
    InputError
        The data set has no audio, or the audio file of a clip is missing or cannot be read.
    """
    if data.folder is None:
        raise InputError(f"{data.name}: no audio; give a folder that contains {ANNOTATIONS}")
    audio, hashes = [], {}
    for clip in data.clips:
        path = data.audio_path(clip)
        assert path is not None
        hashes[clip.id] = read_file(path).sha256
        form = _MEDIA_TYPES.get(soundfile.info(path).format, "audio/wav")
        audio.append((path, form, hashes[clip.id], f"The audio of the clip {clip.id}."))
    name = name_with_audio(data.name, hashes)
    card = card_of(name, data.clips)
    base = card.files if card and name == PUBLISHED else ""
    table = data.folder / ANNOTATIONS
    files = [(table, "text/csv", file_sha256(table), "The annotations, one row per clip."), *audio]
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": VERSION,
        "name": card.title if card else name,
        "description": card.description if card else f"{len(data.clips)} clips.",
        **_facts(data, card),
        "distribution": [
            {
                "@type": "cr:FileObject",
                # Names of files may contain spaces, and ids may not.
                "@id": f"audio-{place}" if place else _TABLE,
                "name": path.name,
                "description": description,
                "contentUrl": _address(ANNOTATIONS.with_name(path.name).as_posix(), base),
                "contentSize": f"{path.stat().st_size} B",
                "encodingFormat": form,
                "sha256": sha256,
            }
            for place, (path, form, sha256, description) in enumerate(files)
        ],
        "recordSet": [_record_set()],
    }


def _facts(data: DataSet, card: DataCard | None) -> dict[str, Any]:
    facts = {
        "creator": [{"@type": "sc:Person", "name": name} for name in card.creators] if card else [],
        "license": card and card.licence_url,
        "citeAs": card and card.citation,
        "url": card and card.url,
        "datePublished": card and card.published_on,
        "rai:dataLimitations": [f"{line}." for line in issue_lines(data.clips)],
    }
    return {name: value for name, value in facts.items() if value}


def _address(path: str, base: str) -> str:
    return base + quote(path) if base else path


def _record_set() -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": "clips",
        "name": "clips",
        "description": "The annotations of the clips.",
        "key": {"@id": "clips/audio_id"},
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"clips/{name}",
                "name": name,
                "description": description,
                "dataType": "sc:Text",
                "source": {"fileObject": {"@id": _TABLE}, "extract": {"column": column}},
            }
            for (name, description), column in zip(FIELDS.items(), COLUMNS, strict=True)
        ],
    }
