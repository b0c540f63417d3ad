"""Export of the items on which judges disagree, as a CSV file."""

from collections.abc import Sequence
from pathlib import Path

from jasco.errors import InputError
from jasco.reports.disagreements import write_disagreements
from jasco.runs.read_csv import judged_items_of_files
from jasco.runs.read_run import judged_items_of_run
from jasco.runs.targets import check_targets


def export_disagreements(targets: Sequence[Path], output: Path) -> int:
    """Write a CSV file of the items on which judges disagree, and return their number.

    Parameters
    ----------
    targets : sequence of pathlib.Path
        One run, or the judged CSV files of one model.
    output : pathlib.Path
        The file to write.

    Raises
    ------
    InputError
        There is more than one run, or there are fewer than two judges.
    """
    check_targets(targets, together=True)
    if not targets[0].is_dir():
        return write_disagreements(output, judged_items_of_files(targets))
    if len(targets) > 1:
        raise InputError(
            "--disagreements: more than one run; give one run, or the judged CSV files of one model"
        )
    return write_disagreements(output, judged_items_of_run(targets[0]))
