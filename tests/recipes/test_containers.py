"""The Dockerfiles and the workflows, without building or running them."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from places import ROOT

DOCKERFILES = sorted((ROOT / "recipes" / "containers").glob("Dockerfile*"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def lint(program: str, paths: list[Path]) -> None:
    """Check files with a program, if it is installed."""
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")
    process = subprocess.run([program, *paths], capture_output=True, text=True)
    assert process.returncode == 0, process.stdout + process.stderr


def test_dockerfiles_have_no_findings() -> None:
    lint("hadolint", DOCKERFILES)


def test_workflows_have_no_findings() -> None:
    lint("actionlint", WORKFLOWS)


def test_what_enters_an_image_is_enough_to_build_the_package(tmp_path: Path) -> None:
    for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines():
        if line.startswith("!"):
            source = ROOT / line.removeprefix("!")
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, tmp_path / source.name)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", tmp_path, tmp_path], check=True)
    assert len([*tmp_path.glob("jasco-*.whl")]) == 1


def test_workflows_use_targets_that_exist_and_the_packages_of_ci() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = re.findall(r"^([a-z-]+(?: [a-z-]+)*):", makefile, re.MULTILINE)
    existing = {target for line in targets for target in line.split()}
    used = [re.findall(r"\bmake ([a-z-]+)", path.read_text("utf-8")) for path in WORKFLOWS]
    assert {target for targets in used for target in targets} <= existing
    assert any(used)
    script = (ROOT / ".ci" / "run").read_text("utf-8").replace("\\\n", " ")
    [listed] = re.findall(r"apt-get install .*--no-install-recommends ([^>]*)", script)
    workflow = (ROOT / ".github" / "workflows" / "tests.yml").read_text("utf-8").split()
    assert {*listed.split()} <= {*workflow}
