"""What suffices to solve each clip, over several models."""

import csv
import io
from dataclasses import replace

import pytest

from jasco.errors import InputError
from jasco.metrics.reliance import CLIP_CLASSES
from jasco.reports.reliance_items import audit_items
from made_reliance import reliance_report
from made_results import DATA

FIRST = reliance_report("core", model="first", classes=("jointly", "sound", "prompt"))
SECOND = reliance_report("core", model="second", classes=(None, "either", "prompt"))


def test_clips_that_models_solve_without_both_cues_come_first() -> None:
    audit = audit_items([FIRST, SECOND])
    assert [(each.clip, each.without_both) for each in audit.clips] == [
        ("2", 2),
        ("1", 2),
        ("0", 0),
    ]
    assert audit.table.header == ["clip", "first", "second", "without both cues"]
    assert [audit.table.cells(row) for row in audit.table.rows] == [
        ["2", "instruction", "instruction", "2 of 2"],
        ["1", "sound", "either", "2 of 2"],
        ["0", "jointly", "unknown", "0 of 2"],
    ]
    text = audit.to_text()
    assert text.startswith("What suffices to solve two: 3 clips, 2 models\n")
    assert "by most models: 2 of 3 clips" in text
    assert (
        "second: clips by what suffices: 1 solved by the instruction alone, 1 by either cue, "
        "1 unknown" in text
    )


def test_json_has_classes_and_counts() -> None:
    figures = audit_items([FIRST, SECOND]).to_json()
    assert figures["schema"] == 1
    assert figures["data"]["name"] == "two"
    assert figures["models"]["first"]["clip_classes"] == {
        **dict.fromkeys((*CLIP_CLASSES, "unknown"), 0),
        "prompt": 1,
        "sound": 1,
        "jointly": 1,
    }
    last = figures["clips"][-1]
    assert last["classes"] == {"first": "jointly", "second": None}
    assert last["counts"]["unknown"] == last["counts"]["jointly"] == 1
    assert last["without_both_cues"] == 0


def test_csv_has_a_row_for_each_clip() -> None:
    text = audit_items([replace(FIRST, model='=a,"b"'), SECOND]).to_csv()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["clip"] for row in rows] == ["2", "1", "0"]
    assert rows[1]['class_=a,"b"'] == "sound"
    assert (rows[2]["models_jointly"], rows[2]["models_unknown"]) == ("1", "1")


def test_the_same_model_twice_is_numbered() -> None:
    audit = audit_items([FIRST, replace(FIRST, proxy=True), FIRST])
    assert list(audit.reports) == ["first (1)", "first (2)", "first (3)"]


def test_a_proxy_is_stated_in_a_caution_and_not_in_names() -> None:
    audit = audit_items([replace(FIRST, proxy=True)])
    assert "first: PROXY figures" in audit.to_text()
    assert audit.to_json()["models"].keys() == {"first"}
    assert audit.to_json()["models"]["first"]["proxy"] is True
    assert "class_first" in audit.to_csv().partition("\r\n")[0].split(",")


def test_rows_become_a_data_frame() -> None:
    pytest.importorskip("pandas")
    frame = audit_items([FIRST, SECOND]).to_pandas()
    assert list(frame["clip"]) == ["2", "1", "0"]
    assert frame["class_second"][1] == "either"


@pytest.mark.parametrize(
    "other",
    [
        replace(SECOND, data=replace(DATA, annotations_sha256="c" * 64)),
        reliance_report("core", clips=("0", "2", "1")),
    ],
)
def test_different_data_are_refused(other: object) -> None:
    with pytest.raises(InputError, match="differ in data"):
        audit_items([FIRST, other])  # type: ignore[list-item]
