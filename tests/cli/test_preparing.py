"""The commands ``data stems`` and ``data export``."""

import importlib.util
import json
import shutil
from pathlib import Path

import pytest

from command import Jasco, error_line
from jasco.data.dataset import ANNOTATIONS, MINI
from jasco.data.folders import cache_folder
from jasco.data.sources import find_folder


def test_it_refuses_what_it_cannot_separate_in_one_line(
    jasco: Jasco, data: Path, tmp_path: Path
) -> None:
    result = jasco("data", "stems", tmp_path / "nowhere")
    assert (result.status, result.stdout) == (2, "")
    assert "no such folder or data set" in error_line(result)

    (tmp_path / "own" / "speech").mkdir(parents=True)
    result = jasco("data", "stems", data, tmp_path / "own")
    assert (result.status, result.stdout) == (2, "")
    assert f"{tmp_path / 'own' / 'speech'}: " in error_line(result)


def test_exact_stems_need_no_check(jasco: Jasco) -> None:
    result = jasco("data", "stems", MINI, "--check")
    assert (result.status, result.stderr) == (0, "")
    assert "exact" in result.stdout
    result = jasco("data", "stems", MINI, "--check", "--json")
    printed = json.loads(result.stdout)
    assert (printed["exact"], printed["passed"]) == (True, None)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_it_prints_the_gates_and_keeps_the_stems(jasco: Jasco, tmp_path: Path) -> None:
    for name in ("faster_whisper", "onnxruntime"):
        if not importlib.util.find_spec(name):
            pytest.skip(f"{name} is not installed (extra: stems)")
    mini, data = find_folder(MINI, print), tmp_path / "data"
    (data / ANNOTATIONS).parent.mkdir(parents=True)
    lines = (mini / ANNOTATIONS).read_text("utf-8").splitlines(keepends=True)
    (data / ANNOTATIONS).write_text("".join(lines[:2]), "utf-8")
    shutil.copy((mini / ANNOTATIONS).with_name("1.wav"), (data / ANNOTATIONS).parent)

    command = ("data", "stems", data, tmp_path / "stems")
    environment = {"JASCO_CACHE": str(cache_folder())}
    result = jasco(*command, env=environment, timeout=250)
    assert result.status == 0, result
    assert "all gates" in result.stdout
    assert (tmp_path / "stems" / "sound" / "1.flac").is_file()

    result = jasco(*command, "--json", env=environment, timeout=250)
    assert result.status == 0, result
    printed = json.loads(result.stdout)
    assert printed["kept"] == 1
    assert printed["passed"] + len(printed["failures"]) == 1


def test_an_export_is_written_once(jasco: Jasco, data: Path, tmp_path: Path) -> None:
    output = tmp_path / "metadata.json"
    command = ("data", "export", data, "--as", "croissant", "-o", output)
    result = jasco(*command)
    assert (result.status, result.stdout) == (0, "")
    content = output.read_bytes()
    assert json.loads(content)["@type"] == "sc:Dataset"
    result = jasco(*command)
    assert result.status == 2
    assert "use a different -o" in error_line(result)
    assert output.read_bytes() == content

    result = jasco("data", "export", data, "--as", "audio-folder", "-o", tmp_path / "x")
    assert result.status == 2
    assert "did you mean audiofolder?" in error_line(result)
    (tmp_path / "file").write_text("x")
    result = jasco("data", "export", data, "--as", "audiofolder", "-o", tmp_path / "file" / "x")
    assert result.status == 4
    error_line(result)
