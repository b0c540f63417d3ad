"""What is installed: a third party's package next to jasco, and jasco's own wheel and sdist."""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from places import ROOT

OTHER_PYTHONS = ("3.11", "3.12", "3.13")


def run(*command: str | Path, **settings: object) -> str:
    """Run a command and return its output."""
    process = subprocess.run(command, capture_output=True, text=True, **settings)  # type: ignore[call-overload]
    assert process.returncode == 0, process.stdout + process.stderr
    return str(process.stdout)


def code_blocks(page: Path, language: str) -> list[str]:
    """Return the code blocks of a page."""
    return re.findall(rf"```{language}\n(.*?)```", page.read_text("utf-8"), re.DOTALL)


def test_the_plug_in_of_the_guide_is_installed_and_used(data: Path, tmp_path: Path) -> None:
    guide = ROOT / "docs" / "plugins.md"
    project, model = code_blocks(guide, "toml")[0], code_blocks(guide, "python")[0]
    assert len(project.splitlines()) + len(model.splitlines()) <= 45  # "about 40 lines"
    package = tmp_path / "jasco-whisperer"
    package.mkdir()
    (package / "pyproject.toml").write_text(project)
    (package / "jasco_whisperer.py").write_text(model)
    installed = tmp_path / "installed"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    run(*pip, "--target", installed, package)
    environment = os.environ | {"PYTHONPATH": str(installed)}
    jasco = [sys.executable, "-P", "-m", "jasco"]
    listing = run(*jasco, "models", env=environment)
    assert "whisperer/VOICE" in listing
    assert "volume" in listing
    command = ["eval", "whisperer/soft,volume=2", "--data", data, "--judge", "offline"]
    command += ["--run", tmp_path / "run", "--no-preflight", "--json"]
    result = json.loads(run(*jasco, *command, env=environment))
    [figures] = result["models"].values()
    assert figures["answers"]["answered"] == 32
    assert figures["answers"]["runtime"] == [{"device": "cpu"}]
    assert "whisperer/soft{volume=2}" in result["signature"]


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Build the wheel and the sdist; return their paths."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT)
    [wheel], [sdist] = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, sdist


@pytest.mark.slow
def test_wheel_and_sdist_hold_what_they_should(distributions: tuple[Path, Path]) -> None:
    wheel, sdist = distributions
    run(sys.executable, "-m", "twine", "check", "--strict", wheel, sdist)
    files = zipfile.ZipFile(wheel).namelist()
    for name in ("py.typed", "data/mini/dataset/v0/v0.csv", "protocol/prompts/judge_v2.txt"):
        assert f"jasco/{name}" in files
    assert all(name.startswith(("jasco/", "jasco-")) for name in files)
    with tarfile.open(sdist) as archive:
        members = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "src/jasco/__init__.py"} <= members
    assert not [name for name in members if name.startswith((".venv", "shared", "runs"))]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("version", OTHER_PYTHONS)
def test_the_wheel_works_where_it_is_installed(
    version: str, distributions: tuple[Path, Path], tmp_path: Path
) -> None:
    python = find_python(version)
    if python is None:
        pytest.skip(f"Python {version} is not installed")
    run(python, "-m", "venv", tmp_path / "env")
    binaries = tmp_path / "env" / "bin"
    run(binaries / "pip", "install", "--quiet", distributions[0])
    run(binaries / "pip", "check")
    (tmp_path / "my_model.py").write_text(
        "def answer(audio, sampling_rate, prompt):\n"
        "    return f'{abs(audio).mean():.5f} for {prompt[-9:]}'\n"
    )
    command = ["eval", "python/my_model:answer", "--data", "mini", "--judge", "offline"]
    command += ["--run", "run", "--limit", "2", "--json"]
    result = run(binaries / "jasco", *command, cwd=tmp_path)
    assert json.loads(result)["data"]["items"] == 16


def find_python(version: str) -> str | None:
    """Return the path of a version of Python, from pyenv or the PATH; None if there is none."""
    found = shutil.which(f"python{version}")
    if pyenv := shutil.which("pyenv"):
        latest = subprocess.run([pyenv, "latest", version], capture_output=True, text=True)
        prefix = subprocess.run(
            [pyenv, "prefix", latest.stdout.strip()], capture_output=True, text=True
        )
        if latest.returncode == prefix.returncode == 0:
            found = f"{prefix.stdout.strip()}/bin/python"
    return found
