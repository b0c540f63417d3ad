"""What is published is accepted by the packages of those who receive it.

They are in an environment of their own (``make validators``), because some need Python 3.12:
``.venv-validators``, or the folder in the variable ``JASCO_VALIDATORS``.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

import jasco
from jasco.data.dataset import DataSet, read_data_set
from jasco.data.sources import find_data
from jasco.protocol.responses import Failure
from places import ROOT
from runs import verdict, write_run
from synthetic import make_data

BIN = Path(os.environ.get("JASCO_VALIDATORS") or ROOT / ".venv-validators") / "bin"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (BIN / "mlcroissant").is_file(), reason="no validators; run: make validators"
    ),
]


def run(*command: str | Path, folder: Path) -> str:
    """Run a program of the validators in a folder; return its output, or fail with it."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"HF_HOME": str(folder / ".hf"), "HF_HUB_OFFLINE": "1"}
    program, *arguments = map(str, command)
    result = subprocess.run(
        [BIN / program, *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def python(code: str, *arguments: str | Path, folder: Path) -> Any:
    """Run Python code in the environment of the validators; return the JSON that it prints."""
    return json.loads(run("python", "-c", code, *arguments, folder=folder).splitlines()[-1])


@pytest.fixture
def own(tmp_path: Path) -> DataSet:
    """Return a data set with awkward texts, names and ids."""
    folder = make_data(tmp_path / "my data (é, {x})", clips=7)
    audio = folder / "dataset" / "v0"
    table = (audio / "v0.csv").read_text("utf-8")
    (audio / "v0.csv").write_text(table.replace("\n3,", "\nclip 3.a,"), "utf-8")
    (audio / "3.wav").rename(audio / "clip 3.a.wav")
    return read_data_set(folder)


SCHEMAS = """
import json, sys
from importlib.resources import files
from jsonschema import Draft7Validator
kinds = {"eval": open(sys.argv[1]), "instance_level_eval": open(sys.argv[2])}
errors = []
for kind, file in kinds.items():
    schema = json.loads((files("every_eval_ever.schemas") / f"{kind}.schema.json").read_text())
    texts = [file.read()] if kind == "eval" else file.read().splitlines()
    for text in texts:
        errors += [e.message for e in Draft7Validator(schema).iter_errors(json.loads(text))]
print(json.dumps(errors))
"""


def test_every_eval_ever_accepts_a_record(tmp_path: Path) -> None:
    folder = write_run(
        tmp_path / "run",
        find_data("mini", print),
        lambda clip, number: (
            Failure("timeout", "late", final=False) if clip == 3 else f"a\u2028{number} \U0001f600"
        ),
        {
            "org/j": lambda clip, number: verdict(number % 3, "Both") if clip != 2 else "??",
            "k,temperature=1,max_tokens=50": lambda *_: verdict(1, "Speech-Oriented"),
        },
    )
    who = {"model_id": "Org/Model-7B", "evaluator": "A University", "relationship": "third_party"}
    out = tmp_path / "out"
    jasco.report(folder, out, format="eee", source_url="https://example.org/x", **who)  # type: ignore[arg-type]
    reports = json.loads(
        run("every_eval_ever", "validate", "data/*/*/*/*.json*", "--format", "json", folder=out)
    )
    assert [(each["valid"], each["warnings"]) for each in reports] == [(True, [])] * 2, reports
    [figures], [samples] = out.rglob("*.json"), out.rglob("*.jsonl")
    assert python(SCHEMAS, figures, samples, folder=out) == []


def test_the_hub_s_library_reads_a_result(tmp_path: Path) -> None:
    judges = {"org/j": lambda *_: verdict(2, "Both")}
    folder = write_run(tmp_path / "run", find_data("mini", print), lambda *_: "x", judges)
    name = 'A "quoted": \U0001f600 #name'
    source = {"source_url": "https://example.org/x?a=b#c", "evaluator": name}
    jasco.report(folder, tmp_path / "x.yaml", hub_task="org/data/default", **source)  # type: ignore[arg-type]
    code = """
import json, yaml
from huggingface_hub import eval_result_entries_to_yaml, parse_eval_result_entries
entries = yaml.safe_load(open("x.yaml", encoding="utf-8"))
[entry] = parse_eval_result_entries(entries)
assert eval_result_entries_to_yaml([entry]) == entries
source = [entry.source_url, entry.source_name]
print(json.dumps([entry.dataset_id, entry.task_id, entry.value, *source]))
"""
    expected = ["org/data", "default", 2.0, source["source_url"], name]
    assert python(code, folder=tmp_path) == expected


def test_mlcroissant_accepts_the_metadata_and_reads_the_clips(tmp_path: Path, own: DataSet) -> None:
    code = """
import json, mlcroissant
read = []
for name in ("own", "mini"):
    records = mlcroissant.Dataset(f"{name}/metadata.json").records("clips")  # validates it
    read.append([[cell.decode() for cell in record.values()] for record in records])
print(json.dumps(read))
"""
    both = {"own": own, "mini": find_data("mini", print)}
    for name, data in both.items():
        assert data.folder
        jasco.export_dataset(data, tmp_path / name / "metadata.json", format="croissant")
        (tmp_path / name / "dataset").symlink_to(data.folder / "dataset")
    rows = python(code, folder=tmp_path)
    assert rows == [[list(clip.cells) for clip in data.clips] for data in both.values()]


def test_datasets_loads_an_audio_folder(tmp_path: Path, own: DataSet) -> None:
    jasco.export_dataset(own, tmp_path / "copy", format="audiofolder")
    # Paths are encoded here because the library imports torch first, which only decoding needs.
    code = """
import json
from datasets import Audio, load_dataset
Audio.encode_example = lambda self, path: {"bytes": None, "path": path}
rows = load_dataset("audiofolder", data_dir="copy", split="test")
rows = rows.cast_column("audio", Audio(decode=False))
print(json.dumps([list(row.values()) for row in rows]))
"""
    rows = python(code, folder=tmp_path)
    assert [row[1:] for row in rows] == [list(clip.cells) for clip in own.clips]
    assert all(Path(row[0]["path"]).name == f"{row[1]}.wav" for row in rows)
