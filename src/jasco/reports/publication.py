"""The evaluation of a model for publication, and what is stated in addition to its figures."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self, get_args
from urllib.parse import urlsplit

from jasco.data.dataset import (
    ALTERED,
    MINI,
    MINI_SHA256,
    OTHER_CLIPS,
    PUBLISHED,
    PUBLISHED_SHA256,
)
from jasco.errors import InputError, invalid_value, one_line
from jasco.protocol.conditions import ORIGINAL
from jasco.reports.page.shown import open_shown
from jasco.reports.report import ModelReport, Report, summarise
from jasco.runs.results import JudgedItems
from jasco.runs.summary import summarise_run

Relationship = Literal["first_party", "third_party", "collaborative", "other"]
RELATIONSHIPS: tuple[Relationship, ...] = get_args(Relationship)
"""The evaluator's relationship to the developer of the model, as Every Eval Ever names it."""

_NAME = r"[A-Za-z0-9](?:[\w.-]{0,94}[\w-])?"
_LONGEST_EVALUATOR = 200
_OPTIONS = {
    "model_id": "--model-id",
    "evaluator": "--evaluator",
    "relationship": "--relationship",
    "source_url": "--source-url",
    "hub_task": "--hub-task",
}
_EXPECTED = {
    "model_id": "ORG/NAME of the model on the Hugging Face Hub",
    "evaluator": f"the organisation that evaluated, one line of at most {_LONGEST_EVALUATOR} "
    "characters",
    "relationship": f"one of {', '.join(RELATIONSHIPS)}",
    "source_url": "an address that begins with https:// or http://, without a password",
    "hub_task": "ORG/DATASET/TASK: a benchmark on the Hugging Face Hub and one of its tasks",
}
_REQUIRED = {"eee": ("model_id", "evaluator", "relationship"), "hf": ("hub_task",)}
_ACCEPTED = {
    "eee": (*_REQUIRED["eee"], "source_url"),
    "hf": ("hub_task", "source_url", "evaluator"),
}


@dataclass(frozen=True)
class Publication:
    """What the formats for publication state and a run does not contain.

    Attributes
    ----------
    model_id : str or None
        The model on the Hub: ``ORG/NAME``.
    evaluator : str or None
        The organisation that evaluated.
    relationship : str or None
        Its relationship to the developer of the model: one of :data:`RELATIONSHIPS`.
    source_url : str or None
        An address with more about the evaluation.
    hub_task : str or None
        The benchmark on the Hub: ``ORG/DATASET/TASK``.
    """

    model_id: str | None = None
    evaluator: str | None = None
    relationship: Relationship | None = None
    source_url: str | None = None
    hub_task: str | None = None

    def check(self, form: str) -> None:
        """Raise ``InputError`` if a format lacks a value, does not use it, or it is invalid."""
        given = {name: value for name, value in vars(self).items() if value is not None}
        for name in _REQUIRED.get(form, ()):
            if name not in given:
                raise InputError(
                    f"--format {form} requires {_OPTIONS[name]}; give {_EXPECTED[name]}"
                )
        for name, value in given.items():
            if name not in _ACCEPTED.get(form, ()):
                raise InputError(f"{_OPTIONS[name]} has no effect with --format {form}; remove it")
            if not _is_valid(name, value):
                raise InputError(
                    invalid_value(_OPTIONS[name], value, f"expected {_EXPECTED[name]}")
                )
        if form == "hf" and self.evaluator and not self.source_url:
            raise InputError(
                "--evaluator requires --source-url with --format hf; give the address of the "
                "results, or remove --evaluator"
            )


def _is_valid(name: str, value: object) -> bool:
    if not isinstance(value, str):
        return False
    if name == "evaluator":
        return bool(value.strip()) and one_line(value, _LONGEST_EVALUATOR) == value
    if name == "relationship":
        return value in RELATIONSHIPS
    if name == "source_url":
        return _is_url(value)
    parts = value.split("/")
    if name == "model_id" and "data" in parts:  # the name of a folder above it in records
        return False
    is_right = len(parts) == (2 if name == "model_id" else 3) and ".." not in value
    return is_right and all(re.fullmatch(_NAME, part, re.ASCII) for part in parts)


def _is_url(text: str) -> bool:
    try:
        url = urlsplit(text)
        has_host = bool(url.hostname)
    except ValueError:
        return False
    is_plain = one_line(text, 2000) == text and " " not in text and "@" not in url.netloc
    return url.scheme in ("http", "https") and has_host and is_plain


@dataclass(frozen=True)
class Evaluation:
    """The evaluation of one model, for publication.

    Attributes
    ----------
    report : Report
        The report of the model alone.
    items : JudgedItems
        Its answers and verdicts.
    evaluated : str or None
        Time of the latest answer or verdict, in UTC (ISO 8601); None if unknown.
    whole : bool
        Whether, as far as is known, it is about all clips of the data set, with their own audio.
    """

    report: Report
    items: JudgedItems
    evaluated: str | None
    whole: bool

    @classmethod
    def read(cls, target: Path, judges: Sequence[str] = ()) -> Self:
        """Read a run, or the judged CSV files of one model.

        Raises
        ------
        InputError
            There is no run or file, or it has no verdicts.
        """
        [shown] = open_shown([target], judges).values()
        results, data = shown.results, shown.results.data
        if not results.judges:
            raise InputError(f"{target}: no verdicts to publish; see: jasco judge --help")
        summary = summarise_run(target) if target.is_dir() else None
        # The summary states the hash of the whole data set, the results that of their clips.
        whole = summary.annotations_sha256 if summary else _WHOLE.get(data.name)
        return cls(
            report=summarise([results]),
            items=shown.items,
            evaluated=summary.updated if summary else None,
            whole=data.annotations_sha256 == (whole or data.annotations_sha256)
            and data.name not in (ALTERED, OTHER_CLIPS),
        )

    @property
    def model(self) -> ModelReport:
        """The figures of the model."""
        [model] = self.report.models.values()
        return model

    def check_publishable(self) -> None:
        """Raise ``InputError`` if the figures must not be shown among those of a benchmark."""
        if reason := self._reason_against():
            [name] = self.report.models
            raise InputError(f"{name}: not written with --format hf: {reason}")

    def _reason_against(self) -> str:
        model, results = self.model, self.model.results
        if model.proxy:
            return "its figures are those of a proxy; use judges that are language models"
        if not model.complete:
            coverage = f"coverage {model.score.coverage:.1%}"
            return f"it is incomplete ({coverage}); complete it with: jasco eval"
        if model.score.best_mean.value is None:
            return "it has no best-mean; give a run with several instructions per clip"
        if results.condition != ORIGINAL:
            return f"it is about the condition {results.condition}; give the run itself"
        if not results.published_instructions:
            return "its instructions are not the published ones; use those"
        if not self.whole:
            return "it is about a part of the data set, or other audio; evaluate all clips"
        return ""


_WHOLE = {PUBLISHED: PUBLISHED_SHA256, MINI: MINI_SHA256}
