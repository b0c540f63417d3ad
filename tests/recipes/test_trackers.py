"""The recipes for experiment trackers, executed as documented and read back."""

import json
import math
import re
import sqlite3
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jasco
from places import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
STEP = 7


@pytest.fixture
def scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> jasco.Scores:
    monkeypatch.chdir(tmp_path)

    def answer(audio: np.ndarray, sampling_rate: int, prompt: str) -> str:
        return "They hear the sea." if len(audio) % 2 else "They are at work, in the rain."

    settings = {"data": "mini", "judges": ["offline"], "limit": 6, "preflight": False}
    return jasco.evaluate(answer, name="model", tags={"step": STEP}, **settings)


def recipe(name: str) -> Callable[..., None]:
    """Return a function of the guide."""
    guide = (ROOT / "docs" / "trackers.md").read_text("utf-8")
    [source] = [
        block
        for block in re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
        if f"def {name}(" in block
    ]
    names: dict[str, Any] = {}
    exec(compile(source, "trackers.md", "exec"), names)  # from this repository
    function: Callable[..., None] = names[name]
    return function


def assert_logged(values: Mapping[str, Any], scores: jasco.Scores, digits: int = 15) -> None:
    """Check that the figures of a tracker are those of ``score --json``."""
    figures = scores.to_json()["models"][scores.model]
    assert figures["best_mean"] == pytest.approx(values["jasco/best_mean"], rel=10**-digits)
    low, high = figures["best_mean_ci"]
    assert low == pytest.approx(values["jasco/best_mean_low"], rel=10**-digits)
    assert high == pytest.approx(values["jasco/best_mean_high"], rel=10**-digits)
    expected = {f"jasco/{name}": figure for name, figure in scores.scalars().items()}
    assert values.keys() >= expected.keys()
    for name, figure in expected.items():
        is_same = math.isclose(float(values[name]), figure, rel_tol=10**-digits)
        assert is_same or (math.isnan(figure) and math.isnan(float(values[name]))), name


def log_records(data: bytes, header: int = 7, block: int = 32768) -> Iterator[bytes]:
    """Yield the records of a log in the format of LevelDB, which follow a header."""
    place, record = header, b""
    while place < len(data):
        if block - place % block < 7:  # no space for a record's checksum, length and kind
            place += block - place % block
            continue
        length, kind = struct.unpack_from("<HB", data, place + 4)
        record += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # the whole record, or its last part
            yield record
            record = b""


def test_weights_and_biases(scores: jasco.Scores, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed")
    from wandb.proto import wandb_internal_pb2

    monkeypatch.setenv("WANDB_MODE", "offline")
    recipe("log_to_wandb")(scores, "jasco", STEP)
    [file] = Path("wandb").glob("offline-run-*/*.wandb")
    records: list[Any] = []
    while not any(record.HasField("exit") for record in records):  # written by another process
        time.sleep(0.1)
        logged = log_records(file.read_bytes())
        records = [wandb_internal_pb2.Record.FromString(data) for data in logged]
    [history] = [record.history for record in records if record.HasField("history")]
    values = {
        item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in history.item
    }
    assert_logged(values, scores)
    assert values["_step"] == STEP
    assert any(scores.signature in str(record) for record in records)


def test_trackio(scores: jasco.Scores, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))  # read when it is imported
    trackio = pytest.importorskip("trackio", reason="trackio is not installed")
    from trackio.sqlite_storage import SQLiteStorage

    recipe("log_to_trackio")(scores, "jasco", STEP)
    [run] = trackio.Api().runs("jasco")
    assert run.config["signature"] == scores.signature
    [logged] = SQLiteStorage.get_logs("jasco", run.name)
    assert logged["step"] == STEP
    assert_logged(logged, scores)


def test_mlflow(scores: jasco.Scores) -> None:
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")
    recipe("log_to_mlflow")(scores, "jasco", STEP)
    [run] = mlflow.search_runs(experiment_names=["jasco"], output_format="list")
    assert run.data.params["signature"] == scores.signature
    assert_logged(run.data.metrics, scores)
    with closing(sqlite3.connect("mlflow.db")) as connection:
        assert {step for (step,) in connection.execute("SELECT step FROM metrics")} == {STEP}


def test_tensorboard(scores: jasco.Scores, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    recipe("log_to_tensorboard")(scores, "logs", STEP)
    events = EventAccumulator("logs")
    events.Reload()
    logged = {name: events.Scalars(name)[0] for name in events.Tags()["scalars"]}
    assert {event.step for event in logged.values()} == {STEP}
    # TensorBoard stores single precision.
    assert_logged({name: event.value for name, event in logged.items()}, scores, digits=6)
    [text] = events.Tensors("jasco/signature/text_summary")
    assert text.tensor_proto.string_val[0].decode() == scores.signature
