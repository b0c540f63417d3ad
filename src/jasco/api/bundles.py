"""Bundles: a run as a file that others can check, and the check."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jasco.api import arguments
from jasco.api.messages import Notify, log_message, named_as_in_python
from jasco.api.reports import check_output
from jasco.data.dataset import DataSet
from jasco.data.json_records import read_json, write_json
from jasco.data.sources import find_data
from jasco.errors import InputError, count, one_line
from jasco.reports.exports import to_json
from jasco.reports.report import SCHEMA, summarise
from jasco.reports.score_differences import score_differences
from jasco.runs.bundles.archive import read_bundle_file, write_bundle_file
from jasco.runs.bundles.content import BundledRun
from jasco.runs.bundles.export import bundled
from jasco.runs.bundles.rebuilt import results_of_bundle
from jasco.runs.bundles.row_checks import Difference, differences_to_data, read_again
from jasco.runs.results import Results
from jasco.version import __version__

_SCORES = "scores.json"
_SHOWN = 20  # differences that the text lists
_PROVES = (
    "consistent: the verdicts follow from the judges' texts, and the figures from the verdicts\n"
    "This does not show where the texts come from: compare the SHA-256 with the published one."
)


@dataclass(frozen=True)
class Bundle:
    """A bundle that was written.

    Attributes
    ----------
    path : pathlib.Path
        The file.
    sha256 : str
        The SHA-256 of the file, for publication.
    model : str
        The name of the model.
    complete : bool
        Whether every item has an answer, and every answer a readable verdict of each judge.
    """

    path: Path
    sha256: str
    model: str
    complete: bool


@dataclass(frozen=True)
class Verification:
    """What the check of a bundle found; ``print`` shows the text of ``jasco verify``.

    Attributes
    ----------
    path : pathlib.Path
        The file.
    sha256 : str
        The SHA-256 of the file.
    model : str
        The name of the model.
    complete : bool
        Whether the run in the bundle is complete.
    differences : tuple of Difference
        What does not follow from the content of the bundle: each has ``member``, ``what``,
        ``stored``, ``recomputed`` and, for a row, ``clip``, ``instruction``, ``sample`` and
        ``judge``; ``str`` formats it as one line.
    unread : tuple of str
        What this version could not read: verdicts that a judge does not state in its texts, and
        figures of a later version.
    data_checked : bool
        Whether the clips were compared with a data set.
    answers, verdicts : int
        The numbers of rows that were checked.
    versions : mapping of str to str
        The versions with which the bundle was written.
    """

    path: Path
    sha256: str
    model: str
    complete: bool
    differences: tuple[Difference, ...]
    unread: tuple[str, ...]
    data_checked: bool
    answers: int
    verdicts: int
    versions: Mapping[str, str]

    @property
    def consistent(self) -> bool:
        """Whether everything in the bundle follows from its rows."""
        return not self.differences

    @property
    def not_checked(self) -> tuple[str, ...]:
        """What could not be checked, in words."""
        data = (
            () if self.data_checked else ("whether the clips are those of the data set (--data)",)
        )
        return *self.unread, *data

    def to_json(self) -> dict[str, Any]:
        """Return the object that ``jasco verify --json`` prints, in its documented schema."""
        return {
            "schema": SCHEMA,
            "bundle": str(self.path),
            "sha256": self.sha256,
            "model": self.model,
            "complete": self.complete,
            "consistent": self.consistent,
            "differences": [vars(difference) for difference in self.differences],
            "not_checked": list(self.not_checked),
            "answers": self.answers,
            "verdicts": self.verdicts,
            "versions": dict(self.versions),
        }

    def __str__(self) -> str:
        """Return the text of ``jasco verify``."""
        rows = f"{count(self.answers, 'answer')}, {count(self.verdicts, 'verdict')}"
        state = "" if self.complete else " (incomplete run)"
        lines = [f"{self.path}: {one_line(self.model)}, {rows}{state}"]
        lines += [f"not checked: {each}" for each in self.not_checked]
        lines += [str(difference) for difference in self.differences[:_SHOWN]]
        if (more := len(self.differences) - _SHOWN) > 0:
            lines.append(f"and {count(more, 'more difference')}; --json lists all")
        if self.consistent:
            lines.append(_PROVES)
        else:
            lines.append(f"NOT CONSISTENT: {count(len(self.differences), 'difference')}")
        if self.differences and (versions := _versions(self.versions)):
            lines.append(f"written with {versions}; read with jasco {__version__}")
        return "\n".join([*lines, f"SHA-256: {self.sha256}"])


@named_as_in_python()
def bundle(run: str | Path, output: str | Path) -> Bundle:
    """Write a run as a file that others can check: a zip of its answers, verdicts and figures.

    The bundle contains neither audio nor keys, addresses and paths. The annotations of the clips
    are included only as hashes, except for ``mini``. The same run gives the same bytes with the
    same versions of jasco, Python, NumPy and zlib.

    Parameters
    ----------
    run : str or Path
        The folder of the run; it may be incomplete, or divided into shards.
    output : str or Path
        The file to write, ``FILE.zip``.

    Returns
    -------
    Bundle
        The file and its SHA-256.

    Raises
    ------
    InputError
        There is no run, it has no answers, or its verdicts are not those that the parser of this
        version reads in the judges' texts.

    Examples
    --------
    >>> import tempfile
    >>> import jasco
    >>> def answer(audio, sampling_rate, prompt):
    ...     return "They are building a sandcastle."
    >>> settings = {"data": "mini", "name": "castle", "limit": 2, "preflight": False}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     scores = jasco.evaluate(answer, judges=["offline"], run=f"{folder}/run", **settings)
    ...     bundle = jasco.bundle(f"{folder}/run", f"{folder}/castle.zip")
    ...     found = jasco.verify(f"{folder}/castle.zip")
    >>> bundle.sha256 == found.sha256, found.consistent
    (True, True)
    """
    for name, value in (("run", run), ("output", output)):
        arguments.check(name, value, arguments.is_path(value), "a path")
    return write_bundle(Path(run), Path(output), log_message)


def write_bundle(run: Path, output: Path, notify: Notify) -> Bundle:
    """Write the bundle of a run; parameters as in :func:`bundle`."""
    if output.suffix.lower() != ".zip":
        raise InputError(f"{output}: unknown extension; give -o FILE.zip")
    check_output(output)
    content = bundled(run)
    found = read_again(content)
    if found.differences:
        raise InputError(
            f"{run}: {count(len(found.differences), 'difference')} between verdicts and judges' "
            f"texts, such as {found.differences[0]}; judge again with this version of jasco (see: "
            "jasco forget --help)"
        )
    results = results_of_bundle(content)
    scores = to_json([summarise([results])])
    members = {**content.to_members(), _SCORES: write_json(scores) + b"\n"}
    sha256 = write_bundle_file(output, members)
    if masked := content.about["masked_texts"]:
        notify(f"{output}: what looks like a key was hidden in {count(masked, 'text')}")
    if not results.complete:
        notify(f"{output}: incomplete; the bundle states what is missing")
    return Bundle(output, sha256, results.name or results.model, results.complete)


@named_as_in_python()
def verify(bundle: str | Path, *, data: str | Path | DataSet | None = None) -> Verification:
    """Check a bundle: read all verdicts again from the judges' texts, and compute all figures.

    This shows that the figures follow from the answers and verdicts, not where these come from.

    Parameters
    ----------
    bundle : str or Path
        The file.
    data : str, Path or DataSet, optional
        The data set, as in :func:`jasco.evaluate`; the annotations of the clips are compared with
        it.

    Returns
    -------
    Verification
        The differences, if any.

    Raises
    ------
    InputError
        The file is not a bundle.

    Examples
    --------
    >>> import jasco
    >>> found = jasco.verify("castle.zip", data="mini")  # doctest: +SKIP
    >>> found.consistent, found.sha256  # doctest: +SKIP
    """
    arguments.check("bundle", bundle, arguments.is_path(bundle), "a path")
    is_right = data is None or isinstance(data, DataSet) or arguments.is_path(data)
    arguments.check("data", data, is_right, "a name, a folder or a data set")
    if data is not None and not isinstance(data, DataSet):
        data = find_data(str(data), log_message)
    return verify_bundle(Path(bundle), data)


def verify_bundle(path: Path, data: DataSet | None = None) -> Verification:
    """Check a bundle; parameters as in :func:`verify`."""
    return open_bundle(path, data)[0]


def open_bundle(path: Path, data: DataSet | None = None) -> tuple[Verification, Results]:
    """Check a bundle, and return its results, computed from its rows.

    Raises
    ------
    InputError
        The file is not a bundle.
    """
    sha256, members, changed = read_bundle_file(path)
    differences = [Difference(name, "SHA-256", *hashes) for name, hashes in changed.items()]
    stored = read_json(members[_SCORES], f"{path}: {_SCORES}")
    if not isinstance(stored, dict):
        raise InputError(f"{path}: {_SCORES}: not a JSON object")
    content = BundledRun.from_members(members, path)
    found = read_again(content)
    try:
        results = results_of_bundle(found.run)
        scores = read_json(write_json(to_json([summarise([results])])), str(path))
    except InputError:
        raise
    except (
        TypeError,
        LookupError,
        AttributeError,
        ArithmeticError,
        ValueError,
        sqlite3.Error,
    ) as e:
        # Fields whose form is checked only where they are used, such as those of an identity.
        raise InputError(f"{path}: not the bundle of a run ({one_line(repr(e), 100)})") from None
    differences += found.differences
    figures = score_differences(stored, scores)
    differences += figures.differences
    if data is not None:
        differences += differences_to_data(content, data)
    verification = Verification(
        path,
        sha256,
        results.name or results.model,
        results.complete,
        tuple(differences),
        (*map(_unread, found.given.items()), *map(_unknown, figures.unknown)),
        data is not None,
        len(found.run.responses),
        len(found.run.verdicts),
        _texts(stored.get("versions")),
    )
    return verification, replace(results, source=(path,))


def _unread(given: tuple[str, int]) -> str:
    judge, number = given
    return (
        f"{count(number, 'verdict')} of {one_line(judge)}, which does not state them in its texts "
        "as the parser reads them"
    )


def _unknown(path: str) -> str:
    return f"{one_line(path)}, which this version of jasco does not compute"


def _texts(versions: object) -> dict[str, str]:
    known = versions if isinstance(versions, Mapping) else {}
    return {name: text for name, text in known.items() if isinstance(text, str)}


def _versions(versions: Mapping[str, str]) -> str:
    return ", ".join(
        f"{one_line(name, 40)} {one_line(text, 40)}" for name, text in versions.items()
    )
