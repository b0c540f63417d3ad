"""Data sets: opening them, and the CSV file to fill in with answers."""

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
        ``"mini"``, which is included; ``"watd"``, the published one, which is downloaded if needed
        (CC BY-NC 4.0); or a folder that holds ``dataset/v0/v0.csv``.

    Returns
    -------
    DataSet
        Its ``clips``, with :meth:`~DataSet.items` and :meth:`~DataSet.audio_path`.

    Raises
    ------
    InputError
        The data set is not found, or its annotations are wrong.
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
    """Write a CSV file with a row for each item of a data set, whose answers are to be filled in.

    Fill in the column ``allm_output``, then pass the file to :func:`jasco.judge`.

    Raises
    ------
    InputError
        A clip's audio is missing or cannot be read.
    """
    arguments.check("output", output, arguments.is_path(output), "a file to write")
    data = arguments.as_data(data, log_message)
    paths = {clip.id: data.audio_path(clip) for clip in data.clips}
    frames = {id_: read_file(path).frames for id_, path in paths.items() if path}
    rows = responses_csv.template_rows(data, frames)
    write_table(Path(output), responses_csv.COLUMNS, rows)
