"""Loading of data sets, and CSV templates for answers."""

from pathlib import Path

from jasco.api import arguments
from jasco.api.messages import log_message, named_as_in_python
from jasco.data import responses_csv
from jasco.data.audio import read_file
from jasco.data.csv_files import write_table
from jasco.data.dataset import DataSet


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
    return arguments.as_data(data, log_message)


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
    data = arguments.as_data(data, log_message)
    paths = {clip.id: data.audio_path(clip) for clip in data.clips}
    frames = {id_: read_file(path).frames for id_, path in paths.items() if path}
    rows = responses_csv.template_rows(data, frames)
    write_table(Path(output), responses_csv.COLUMNS, rows)
