"""Loading and export of data sets, CSV templates for answers, and stems."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from jasco.api import arguments, conversions
from jasco.api.messages import Notify, log_message, named_as_in_python
from jasco.data import responses_csv
from jasco.data.audio import read_file
from jasco.data.audio_folder import write_audio_folder
from jasco.data.croissant import to_croissant
from jasco.data.csv_files import whole_file, write_table
from jasco.data.dataset import DataSet
from jasco.errors import IncompleteError, InputError
from jasco.interventions.estimation import CheckedStems, check_existing_stems, estimate_stems
from jasco.interventions.stems import default_folder
from jasco.reports.stems import render_stems, summarise_stems


@named_as_in_python()
def load_dataset(data: str | Path) -> DataSet:
    """Load a data set by its name or folder.

    Parameters
    ----------
    data : str or Path
        ``"mini"``, the small data set that is included; ``"watd"``, the published data set (CC
        BY-NC 4.0), which is downloaded if needed; or a folder that contains ``dataset/v0/v0.csv``.

    Returns
    -------
    DataSet
        The clips, with methods for their items and the paths of their audio files.

    Raises
    ------
    InputError
        The data set is not found, or its annotations are invalid.
    IncompleteError
        The published data set could not be downloaded.

    Examples
    --------
    >>> import jasco
    >>> data = jasco.load_dataset("mini")
    >>> len(data.clips), len(data.items())
    (16, 128)
    >>> data.items()[0].clip.speech
    'Keep your eyes open and tell me your name.'
    """
    return conversions.as_data(data, log_message)


@named_as_in_python()
def write_template(data: str | Path | DataSet, output: str | Path) -> None:
    """Write a CSV file with one row per item, to be filled in with a model's answers.

    Fill in the column ``allm_output``, then pass the file to :func:`jasco.judge`.

    Parameters
    ----------
    data : str, Path or DataSet
        A data set, as in :func:`jasco.evaluate`.
    output : str or Path
        The file to write.

    Raises
    ------
    InputError
        The data set is not found, or the audio file of a clip is missing or cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import jasco
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "filled.csv")
    ...     jasco.write_template("mini", path)
    ...     header = path.read_text().splitlines()[0]
    >>> header.split(",")[-1]
    'allm_output'
    """
    arguments.check("output", output, arguments.is_path(output), "a file to write")
    data = conversions.as_data(data, log_message)
    paths = {clip.id: data.audio_path(clip) for clip in data.clips}
    frames = {id_: read_file(path).frames for id_, path in paths.items() if path}
    rows = responses_csv.template_rows(data, frames)
    write_table(Path(output), responses_csv.COLUMNS, rows)


ExportFormat = Literal["croissant", "audiofolder"]
EXPORT_FORMATS: tuple[ExportFormat, ...] = get_args(ExportFormat)
"""The formats of exported data sets."""


@named_as_in_python()
def export_dataset(
    data: str | Path | DataSet,
    output: str | Path,
    *,
    format: ExportFormat,  # noqa: A002
) -> None:
    """Write a data set in a format of other libraries: as metadata, or as a copy with audio.

    Nothing is overwritten. Licence, citation and known issues are stated if known; those of
    your own data set are not, so add them before you publish it.

    Parameters
    ----------
    data : str, Path or DataSet
        A data set, as in :func:`jasco.evaluate`.
    output : str or Path
        The file or folder to write. A file of metadata belongs into the folder of the data set:
        the paths in it are relative to that folder. Those of the published data set are addresses.
    format : str
        ``"croissant"``: a file of metadata, with the SHA-256 of all files, without audio.
        ``"audiofolder"``: a folder with the audio, annotations and a card, as
        ``datasets.load_dataset("audiofolder", data_dir=...)`` reads it.

    Raises
    ------
    InputError
        The data set is not found, the audio file of a clip is missing or cannot be read, or the
        output already exists.
    IncompleteError
        The output cannot be written.

    Examples
    --------
    >>> import json, tempfile
    >>> from pathlib import Path
    >>> import jasco
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     jasco.export_dataset("mini", f"{folder}/mini", format="audiofolder")
    ...     metadata = Path(folder, "mini", "test", "metadata.jsonl").read_text()
    >>> json.loads(metadata.splitlines()[0])["sound"]
    'Siren wailing'
    """
    arguments.check("output", output, arguments.is_path(output), "a file or folder to write")
    arguments.check("format", format, format in EXPORT_FORMATS, " or ".join(EXPORT_FORMATS))
    export(conversions.as_data(data, log_message), Path(output), format)


def export(data: DataSet, path: Path, form: ExportFormat) -> None:
    """Write a data set in a format of other libraries, as :func:`export_dataset`."""
    is_folder = form == "audiofolder"
    if path.exists() and not (is_folder and path.is_dir() and not any(path.iterdir())):
        raise InputError(f"{path}: already exists; remove it, or use a different -o")
    if not is_folder:
        text = json.dumps(to_croissant(data), indent=2, ensure_ascii=False)
        with whole_file(path) as file:
            file.write(f"{text}\n")
        return
    try:
        write_audio_folder(data, path)
    except OSError as error:
        raise IncompleteError(f"{path}: cannot be written ({error.strerror})") from None


@dataclass(frozen=True, repr=False)
class StemReport:
    """Stems that were estimated or checked; ``print`` shows the output of ``jasco data stems``.

    Attributes
    ----------
    folder : Path
        The folder that contains the stems.
    exact : bool
        Whether the sum of both stems of each clip is the clip. Such stems need no gates: `passed`
        and `failures` are empty.
    passed : tuple of str
        The ids of the clips whose stems pass all gates.
    failures : mapping of str to mapping of str to str
        By the id of each other clip: the reason of each gate that fails.
    """

    folder: Path
    exact: bool
    passed: tuple[str, ...]
    failures: Mapping[str, Mapping[str, str]]
    _summary: Mapping[str, Any]

    @classmethod
    def of(cls, checked: CheckedStems) -> "StemReport":
        """Return the report of stems."""
        stems = checked.stems
        summary = summarise_stems(checked)
        passed = tuple(id_ for id_, gates in stems.gates.items() if not gates.failures)
        return cls(stems.folder, checked.exact, passed, summary["failures"], summary)

    def to_json(self) -> dict[str, Any]:
        """Return the object that ``jasco data stems --json`` prints, in its documented schema."""
        return dict(self._summary)

    def __str__(self) -> str:
        """Return the output of ``jasco data stems``."""
        return render_stems(self.to_json())

    def __repr__(self) -> str:
        clips = len(self.passed) + len(self.failures)
        result = "exact" if self.exact else f"passed={len(self.passed)} of {clips}"
        return f"StemReport({str(self.folder)!r}, {result})"


@named_as_in_python()
def make_stems(
    data: str | Path | DataSet, folder: str | Path | None = None, *, check: bool = False
) -> StemReport:
    """Estimate the sound and the speech of each clip as separate audio files, or check them.

    Repeating an interrupted call continues it. The weights of the models that are used are
    downloaded on first use.

    Parameters
    ----------
    data : str, Path or DataSet
        A data set, as in :func:`jasco.evaluate`.
    folder : str, Path or None
        The folder for the stems; None: a folder in the user's cache, where they are found.
    check : bool
        Whether to check the stems in the folder, which were made with another program, instead of
        estimating stems. `folder` may be None if the data set contains its stems.

    Returns
    -------
    StemReport
        Which clips pass the gates, with the reasons of those that do not.

    Raises
    ------
    InputError
        The data set is not found, the audio of a clip or a stem cannot be read, the folder contains
        other stems (with `check`: none, or estimated ones), or the extra ``stems`` is not
        installed.
    IncompleteError
        A file cannot be written.

    Examples
    --------
    >>> import jasco
    >>> report = jasco.make_stems("watd")  # doctest: +SKIP
    >>> len(report.passed)  # doctest: +SKIP
    60
    >>> jasco.make_stems("mini", check=True).exact
    True
    """
    is_right = folder is None or arguments.is_path(folder)
    arguments.check("folder", folder, is_right, "a folder or None")
    arguments.check("check", check, isinstance(check, bool), "True or False")
    found = conversions.as_data(data, log_message)
    return stem_report(found, Path(folder) if folder else None, check, log_message)


def stem_report(data: DataSet, folder: Path | None, check: bool, notify: Notify) -> StemReport:
    """Estimate or check stems, as :func:`make_stems`; ``notify`` takes messages."""
    if check:
        return StemReport.of(check_existing_stems(data, folder, notify))
    return StemReport.of(estimate_stems(data, folder or default_folder(data), notify))
