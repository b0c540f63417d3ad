"""Metadata of data sets as Croissant."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from jasco.data.croissant import to_croissant
from jasco.data.dataset import COLUMNS, DataSet, read_data_set
from jasco.data.sources import PUBLISHED_FILES, find_data
from jasco.errors import InputError
from places import PUBLISHED
from synthetic import make_data


def files_in(metadata: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {file["name"]: file for file in metadata["distribution"]}


def test_every_file_has_its_hash_and_a_path_in_the_folder_of_the_data_set() -> None:
    data = find_data("mini", print)
    assert data.folder
    metadata = to_croissant(data)
    files = files_in(metadata)
    assert len(files) == 17
    for file in files.values():
        content = (data.folder / file["contentUrl"]).read_bytes()
        assert file["sha256"] == hashlib.sha256(content).hexdigest()
        assert file["contentSize"] == f"{len(content)} B"
    assert files["1.wav"]["encodingFormat"] == "audio/wav"
    assert "apache" in metadata["license"].lower()
    json.dumps(metadata, allow_nan=False)


def test_the_record_set_has_the_columns_of_the_annotations() -> None:
    [records] = to_croissant(find_data("mini", print))["recordSet"]
    columns = [field["source"]["extract"]["column"] for field in records["field"]]
    assert columns == list(COLUMNS)
    assert records["key"]["@id"] in {field["@id"] for field in records["field"]}


def test_what_is_not_known_of_a_data_set_is_not_stated(tmp_path: Path) -> None:
    metadata = to_croissant(read_data_set(make_data(tmp_path / "own", clips=2)))
    assert metadata["name"] == "own"
    assert not {"license", "citeAs", "url", "datePublished", "creator"} & metadata.keys()


@pytest.mark.slow
def test_published_files_have_their_address_unless_the_audio_is_altered(tmp_path: Path) -> None:
    if not PUBLISHED.is_dir():
        pytest.skip("the published data set is not here")
    data = read_data_set(PUBLISHED)
    metadata = to_croissant(data)
    assert files_in(metadata)["1.wav"]["contentUrl"].startswith(PUBLISHED_FILES)
    assert "by-nc" in metadata["license"]
    assert any("misspelt" in issue for issue in metadata["rai:dataLimitations"])


def test_a_data_set_without_audio_is_refused() -> None:
    with pytest.raises(InputError, match="no audio"):
        to_croissant(DataSet("x", find_data("mini", print).clips))
