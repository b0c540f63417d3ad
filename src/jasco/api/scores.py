"""The figures of runs and judged CSV files."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from jasco.api import arguments
from jasco.api.messages import Notify, named_as_in_python
from jasco.data.labelled_rows import LabelledFile, read_labelled_rows
from jasco.errors import InputError, did_you_mean
from jasco.metrics.agreement import Agreement
from jasco.metrics.bootstrap import Estimate
from jasco.metrics.corrected import Corrected
from jasco.metrics.scoring import Score
from jasco.reports import columns
from jasco.reports.exports import data_frame, figure_rows, item_rows, to_json
from jasco.reports.html_table import scores_html
from jasco.reports.notes import missing
from jasco.reports.report import ModelReport, Report, by_data_set, summarise
from jasco.reports.text import render
from jasco.runs.answer_labels import labels_of_answers
from jasco.runs.read_csv import judged_items_of_files
from jasco.runs.read_run import judged_items_of_run, read_run, results_of_run
from jasco.runs.results import JudgedItems, Results
from jasco.runs.targets import results_of
from jasco.version import __version__

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, repr=False, eq=False)
class Scores:
    """The figures of one or several models.

    ``print(scores)`` prints the table of ``jasco score``; a notebook shows it as HTML. Scores are
    equal if their figures and signatures are equal.

    The figures below belong to a single model and are averaged over its judges. If there are
    several models, select one with ``scores["name"]``, or ``scores["name", "watd"]`` if it was
    evaluated on several data sets; iterating yields the scores of each model. Shares are fractions
    of 1, and a figure that cannot be computed has the value None.

    Attributes
    ----------
    reports : tuple of Report
        One report per data set.

    Examples
    --------
    >>> import jasco
    >>> def answer(audio, sampling_rate, prompt):
    ...     return "They are building a sandcastle."
    >>> scores = jasco.evaluate(answer, data="mini", judges=["offline"], limit=5, preflight=False)
    >>> scores.complete, scores.coverage
    (True, 1.0)
    >>> 0 <= scores.best_mean.low <= scores.best_mean.value <= scores.best_mean.high <= 2
    True
    """

    reports: tuple[Report, ...]
    _items: Mapping[tuple[Path, ...], JudgedItems] = field(default_factory=dict)

    # --- models ---

    @property
    def models(self) -> tuple[str, ...]:
        """The names of the models; a model that was evaluated on two data sets is listed twice."""
        return tuple(name for report in self.reports for name in report.models)

    def __len__(self) -> int:
        return len(self.models)

    def __iter__(self) -> Iterator[Self]:
        """Yield the scores of each model."""
        for report in self.reports:
            for name in report.models:
                yield self._of(report, name)

    def __getitem__(self, name: str | tuple[str, str]) -> Self:
        """Return the scores of one model.

        Parameters
        ----------
        name : str or tuple of (str, str)
            The name of the model, or the names of the model and the data set.

        Raises
        ------
        KeyError
            The model is not found, or was evaluated on several data sets and none is named.
        """
        model, data = name if isinstance(name, tuple) else (name, None)
        found = [
            report
            for report in self.reports
            if model in report.models and data in (None, report.data.name)
        ]
        if len(found) != 1:
            raise KeyError(
                f"{model!r} was evaluated on several data sets; use scores[{model!r}, DATA]"
                if found
                else f"model {name!r} not found; expected one of: {', '.join(self.models)}"
                f"{did_you_mean(model, self.models)}"
            )
        return self._of(found[0], model)

    def _of(self, report: Report, name: str) -> Self:
        if len(self) == 1:
            return self
        results = replace(report.models[name].results, name=name)
        return type(self)((summarise([results]),), self._items)

    def _items_of(self, model: Results) -> JudgedItems:
        """Return the items of a model, which are read now if they were not read with the scores."""
        items = self._items.get(model.source)
        if items is None:  # with ``compat``, a file need not be a valid responses CSV
            items = _read_items(model)
        return items.judged_by([*model.judges, *model.without_verdict])

    @property
    def _model(self) -> ModelReport:
        if len(self) != 1:
            names = ", ".join(map(repr, self.models))
            raise ValueError(f"scores of {len(self)} models; select one with scores[NAME]: {names}")
        return next(iter(self.reports[0].models.values()))

    @property
    def _score(self) -> Score:
        return self._model.score

    # --- the figures of a model ---

    @property
    def model(self) -> str:
        """The name of the model."""
        assert self._model
        return self.models[0]

    @property
    def data(self) -> str:
        """The name of the data set."""
        assert self._model
        return self.reports[0].data.name

    @property
    def signature(self) -> str:
        """How the figures were produced (data, protocol, model, judges), in one line."""
        assert self._model
        return self.reports[0].signature

    @property
    def tags(self) -> Mapping[str, str | int | float]:
        """The tags of the run."""
        return self._model.results.tags

    @property
    def best_mean(self) -> Estimate:
        """The best score of a clip over the instructions, averaged over the clips: 0 to 2."""
        return self._score.best_mean

    @property
    def best_mean_bounds(self) -> tuple[float, float] | None:
        """Best-mean with all missing verdicts at their worst and at their best."""
        return self._score.bounds

    @property
    def mean(self) -> Estimate:
        """The mean score over instructions and clips: 0 to 2."""
        return self._score.mean

    @property
    def audio(self) -> Estimate:
        """The share of answers that rest on the sound, among those that rest on any cue."""
        return self._score.audio

    @property
    def both(self) -> Estimate:
        """The share of answers that rest on both cues, among those that rest on any cue."""
        return self._score.both

    @property
    def speech(self) -> Estimate:
        """The share of answers that rest on the speech, among those that rest on any cue."""
        return self._score.speech

    @property
    def best_at(self) -> tuple[Estimate, ...]:
        """The mean of the best of k = 1, 2, ... instructions; empty if verdicts are missing."""
        return self._score.best_at

    @property
    def by_instruction(self) -> tuple[Estimate, ...]:
        """The mean score of each instruction."""
        return self._score.by_instruction

    @property
    def neither_rate(self) -> float | None:
        """The share of readable verdicts with the orientation Neither (no action is named)."""
        return self._score.neither_rate

    @property
    def unreadable_rate(self) -> float:
        """The share of expected verdicts that were given but cannot be read."""
        return self._score.unreadable_rate

    @property
    def coverage(self) -> float:
        """The share of expected verdicts that are available and readable."""
        return self._score.coverage

    @property
    def complete(self) -> bool:
        """Whether every item has an answer and every answer a readable verdict of each judge."""
        return self._model.complete

    @property
    def proxy(self) -> bool:
        """Whether a judge is a proxy: it stands in for the judges of the protocol."""
        return self._model.proxy

    @property
    def corrected(self) -> Corrected | None:
        """Best-mean and mean, corrected with labels; None without labels (see :func:`score`).

        ``corrected.best_mean.estimate`` is an estimate with its interval.
        """
        return self._model.corrected

    @property
    def judges(self) -> Mapping[str, Score]:
        """The figures of each judge, by its name."""
        return {name: judge.score for name, judge in self._model.judges.items()}

    @property
    def agreement(self) -> Agreement | None:
        """The agreement between the judges; None for a single judge."""
        return self._model.agreement

    # --- conversion ---

    def to_json(self) -> dict[str, Any]:
        """Return the object that ``jasco score --json`` prints, in its documented schema."""
        return to_json(self.reports)

    def to_pandas(self) -> "DataFrame":
        """Return the figures as a data frame, with one row per model and one per judge.

        The columns are ``model``, ``judge`` (None for the mean over the judges), ``data``,
        ``best_mean``, ``mean``, ``audio``, ``both`` and ``speech`` (fractions of 1), each with
        ``_low`` and ``_high`` (the ends of its 95% interval), ``neither_rate``,
        ``unreadable_rate``, ``coverage``, ``complete``, ``proxy``, ``best_mean_at_worst`` and
        ``best_mean_at_best`` (with all missing verdicts at their worst or best), ``best_of_1`` to
        ``best_of_8`` (instructions), ``mean_of_instruction_1`` to ``mean_of_instruction_8``, and
        ``tag_KEY`` for each tag.

        Raises
        ------
        InputError
            pandas is not installed.
        """
        return data_frame([row for report in self.reports for row in figure_rows(report)])

    def items_to_pandas(self) -> "DataFrame":
        """Return all answers and verdicts as a data frame, with one row per answer and judge.

        The columns are ``model``, ``clip``, ``instruction`` (its number, from 1), ``prompt`` (its
        text), ``sample`` (the number of the answer to the item, from 1), ``reference``,
        ``answer``, ``failure`` (the kind and message of a failed answer), ``judge``, ``rating`` (0
        to 2), ``orientation``, ``score`` (the rating if the orientation is Both, else 0),
        ``judge_output`` and ``judge_failure`` (the kind and message of a failed verdict). Missing
        values are None.

        Raises
        ------
        InputError
            pandas is not installed.
        """
        return data_frame(
            [
                {"model": name, **row}
                for report in self.reports
                for name, model in report.models.items()
                for row in item_rows(self._items_of(model.results))
            ]
        )

    def scalars(self) -> dict[str, float]:
        """Return the main figures as a flat dict of numbers, for experiment trackers.

        The keys are ``best_mean``, ``mean``, ``audio``, ``both`` and ``speech``, each also with
        ``_low`` and ``_high``; ``neither_rate``, ``unreadable_rate``, ``coverage`` and
        ``complete`` (0 or 1); and the same for each judge, as ``judges/NAME/best_mean``. With
        several models, keys begin with ``MODEL/``; on several data sets, with ``DATA/MODEL/``. Keys
        are stable across versions. Figures that cannot be computed are NaN.
        """
        scalars: dict[str, float] = {}
        for report in self.reports:
            for name, model in report.models.items():
                prefix = f"{report.data.name}/" if len(self.reports) > 1 else ""
                prefix += f"{name}/" if len(self) > 1 else ""
                scalars |= _scalars(prefix, model.score, complete=model.complete)
                for judge, figures in model.judges.items():
                    place = f"{prefix}judges/{judge}/"
                    scalars |= _scalars(place, figures.score, complete=figures.complete)
        return scalars

    def params(self) -> dict[str, str | int | float | bool]:
        """Return how the figures of a model were produced as a flat dict, for experiment trackers.

        The keys are ``signature``, ``protocol``, ``data``, ``annotations_sha256``,
        ``audio_sha256`` (empty if it is not known), ``clips``, ``items``, ``samples``, ``model``,
        ``judges`` (joined by ``" + "``), ``proxy``, ``jasco`` (the version), and ``tag_KEY`` for
        each tag. Keys are stable across versions.
        """
        results, data = self._model.results, self.reports[0].data
        params: dict[str, str | int | float | bool] = {
            "signature": self.signature,
            "protocol": results.protocol,
            "data": data.name,
            "annotations_sha256": data.annotations_sha256 or "",
            "audio_sha256": data.audio_sha256 or "",
            "clips": data.clips,
            "items": data.items,
            "samples": results.samples,
            "model": results.model,
            "judges": " + ".join(self.judges),
            "proxy": self.proxy,
            "jasco": __version__,
        }
        return params | {f"tag_{key}": value for key, value in self.tags.items()}

    def __str__(self) -> str:
        """Return the text of ``jasco score``."""
        return self.to_text()

    def to_text(self, width: int | None = None) -> str:
        """Return the text of ``jasco score``: tables, findings in words, cautions, details.

        Parameters
        ----------
        width : int, optional
            The width of the terminal. If not given, tables and sentences have at most 80
            characters per line, and each detail is one line.
        """
        return "\n\n\n".join(render(report, width) for report in self.reports)

    def __repr__(self) -> str:
        if len(self) != 1:
            return f"Scores(models={list(self.models)!r})"
        parts = [repr(self.model), f"data={self.data!r}", f"best_mean={self.best_mean}"]
        parts += [f"mean={self.mean}", f"coverage={self.coverage:.1%}"]
        parts += [f"judges={list(self.judges)!r}", *(["proxy=True"] if self.proxy else [])]
        return f"Scores({', '.join(parts)})"

    def _repr_html_(self) -> str:
        return "\n".join(map(scores_html, self.reports))

    @cached_property
    def _text(self) -> str:
        return json.dumps(self.to_json(), sort_keys=True)

    def __eq__(self, other: object) -> bool:
        return self._text == other._text if isinstance(other, Scores) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._text)


def _read_items(model: Results) -> JudgedItems:
    first = model.source[0]
    return judged_items_of_run(first) if first.is_dir() else judged_items_of_files(model.source)


def _scalars(prefix: str, score: Score, *, complete: bool) -> dict[str, float]:
    scalars: dict[str, float] = {}
    for column in columns.FIGURES:
        if not column.key:
            continue
        value = column.value(score)
        if isinstance(value, Estimate):
            ends = {f"{column.key}_low": value.low, f"{column.key}_high": value.high}
            figures = {column.key: value.value, **ends}
        else:
            figures = {column.key: value}
        scalars |= {
            f"{prefix}{name}": math.nan if figure is None else float(figure)
            for name, figure in figures.items()
        }
    return scalars | {f"{prefix}complete": float(complete)}


@named_as_in_python()
def score(
    target: str | Path | Sequence[str | Path],
    *,
    judges: Sequence[str] = (),
    compat: bool = False,
    gold: str | Path | None = None,
) -> Scores:
    """Compute the figures of runs or judged CSV files.

    Parameters
    ----------
    target : str, Path or sequence of them
        One or several runs, each of which is a model; or one or several judged CSV files, each of
        which is a judge of the same model.
    judges : sequence of str
        The names of the judges whose verdicts are used, as in tables; all judges if empty.
    compat : bool
        Whether to use the arithmetic of the published script, including its bugs.
    gold : str, Path or None
        A CSV file of answers labelled by annotators, with which best-mean and the mean are
        corrected (:attr:`Scores.corrected`).

    Returns
    -------
    Scores
        The scores. They may be incomplete: see :attr:`Scores.complete`.

    Raises
    ------
    InputError
        There is nothing to score, a target cannot be read, a judge is not found, or the labels
        are invalid or label none of the answers.

    Examples
    --------
    >>> import tempfile
    >>> import jasco
    >>> def answer(audio, sampling_rate, prompt):
    ...     return "They are building a sandcastle."
    >>> settings = {"data": "mini", "name": "castle", "limit": 2, "preflight": False}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = jasco.evaluate(answer, judges=["offline"], run=f"{folder}/run", **settings)
    ...     scores = jasco.score(f"{folder}/run")
    >>> print(scores.best_mean)
    0.00
    """
    paths = arguments.as_paths(target)
    names = arguments.as_names("judges", judges)
    arguments.as_boolean("compat", compat)
    arguments.check("gold", gold, gold is None or arguments.is_path(gold), "a file or None")
    labels = None if gold is None else Path(gold)
    return scores_of(paths, judges=names, compat=compat, gold=labels)


def scores_of(
    targets: Sequence[Path],
    *,
    judges: Sequence[str] = (),
    compat: bool = False,
    published: bool = False,
    keep_items: bool = False,
    gold: Path | None = None,
) -> Scores:
    """Return the scores of runs or judged CSV files that ``jasco score`` prints.

    Parameters
    ----------
    targets : sequence of Path
        Runs, each of which is a model; or judged CSV files, each a judge of the same model.
    judges, compat, gold
        As in :func:`score`.
    published : bool
        Whether tables include the published results.
    keep_items : bool
        Whether to read the items of runs together with their scores, instead of on demand.
    """
    kept: dict[tuple[Path, ...], JudgedItems] = {}

    def read_kept(folder: Path) -> Results:
        results, kept[folder,] = read_run(folder, compat=compat)
        return results

    labels = None if gold is None else read_labelled_rows(gold)
    if labels and compat:
        raise InputError("--gold cannot correct the figures of --compat; omit one of them")
    keep = keep_items or labels is not None
    reader = read_kept if keep else partial(results_of_run, compat=compat)
    results = results_of(targets, together=True, compat=compat, judges=judges, read_run=reader)
    if labels:
        results = _with_labels(results, labels, kept)
    reports = tuple(summarise(group, published=published) for group in by_data_set(results))
    return Scores(reports, kept)


def _with_labels(
    results: Sequence[Results],
    file: LabelledFile,
    kept: Mapping[tuple[Path, ...], JudgedItems],
) -> list[Results]:
    """Add the labels of a file to the models whose answers they are."""
    labelled = []
    for model in results:
        if not model.published_instructions:
            raise InputError(
                f"{model.source[0]}: the run has custom instructions, but labels support the "
                "published ones only; omit --gold"
            )
        items = kept.get(model.source) or _read_items(model)
        labels = labels_of_answers(file, model.clips, items)
        labelled.append(replace(model, labels=labels))
    if not any(model.labels and model.labels.used for model in labelled):
        names = ", ".join(model.name or model.model for model in results)
        raise InputError(
            f"{file.path}: no row labels an answer of {names}; give labels of these answers, with "
            f"their text unchanged, and check column {file.key!r}"
        )
    return labelled


def notify_missing(reports: Sequence[Report], notify: Notify) -> None:
    """Write one message that lists what is missing in the reports."""
    if parts := "; ".join(part for each in reports for part in missing(each)):
        notify(f"incomplete: {parts}")
