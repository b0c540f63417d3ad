"""The models that a page shows: their results, answers and verdicts, read from runs or files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jasco.data.audio import Audio, read_unchanged
from jasco.protocol.clips import Clip
from jasco.reports.reliance_report import RelianceReport, reliance_if_measured
from jasco.reports.report import distinct_names
from jasco.runs.read_csv import judged_items_of_files
from jasco.runs.read_run import read_run
from jasco.runs.results import JudgedItems, Results
from jasco.runs.targets import files_of_model, results_of_model


@dataclass(frozen=True)
class Shown:
    """A model's results and its items.

    Attributes
    ----------
    source : pathlib.Path
        Folder of the run, or the judged CSV files.
    results : Results
    items : JudgedItems
    reliance : RelianceReport or None
        Modality reliance; None if it was not measured.
    """

    source: Path
    results: Results
    items: JudgedItems
    reliance: RelianceReport | None = None


def open_shown(targets: Sequence[Path], judges: Sequence[str] = ()) -> dict[str, Shown]:
    """Return the content of runs or judged CSV files, by the names of their models.

    Parameters
    ----------
    targets : sequence of Path
        Folders of runs, or judged CSV files.
    judges : sequence of str
        Judges to show; empty for all.

    Raises
    ------
    InputError
        A run does not exist, a file cannot be read, or a judge is not found.
    """
    shown = []
    for target in targets:
        if target.is_dir():
            results, items = read_run(target)
        else:
            results = results_of_model(target)
            items = judged_items_of_files(files_of_model(target)[1])
        results = results.judged_by(judges)
        reliance = reliance_if_measured(target, judges) if results.judges else None
        shown.append(Shown(target, results, items.judged_by(results.judges), reliance))
    return by_name(shown)


def by_name(shown: Sequence[Shown]) -> dict[str, Shown]:
    """Return models by distinct names."""
    return dict(zip(distinct_names([model.results for model in shown]), shown, strict=True))


def clips_of(shown: Mapping[str, Shown]) -> tuple[Clip, ...]:
    """Return the clips of the results."""
    return next(iter(shown.values())).items.clips


def clip_audio(shown: Mapping[str, Shown], clip: str) -> Audio | None:
    """Return a clip's audio; None if it is missing or has changed since it was used."""
    for model in shown.values():
        path, sha256 = model.items.audio.get(clip, ("", ""))
        if sound := read_unchanged(Path(path), sha256):
            return sound
    return None
