"""A leaderboard: models in the order of their scores, in one table per set of comparable results.

Conventions
-----------
Models share a table only if data, audio, protocol, instructions, samples, condition and judges are
the same; incomplete results and human participants have tables of their own.

The *rank* of a model is 1 plus the number of models in its table that are clearly better: the
paired test rejects equality (p < 0.05, with Holm's correction for the pairs of the table), and the
interval of the difference excludes 0. Models that cannot be distinguished can therefore share a
rank, and ranks need not be consecutive.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from jasco.protocol.instructions import instructions_label
from jasco.reports import columns
from jasco.reports.columns import Column, Table, TableRow, proxy_label
from jasco.reports.comparison import judge_difference, summarise_comparison
from jasco.reports.findings.differences import Lead, Outcome
from jasco.reports.findings.ranking import rankings
from jasco.reports.formats import listed
from jasco.reports.markdown import bullets, cell, code, prose
from jasco.reports.notes import cautions, explain_pairs
from jasco.reports.report import ModelReport, Report, summarise
from jasco.reports.signature import DIGITS
from jasco.reports.text import title
from jasco.runs.results import Results

TITLE = "JASCO leaderboard"
EXPLAINED = (
    "Rank: 1 plus the number of models in the table that are clearly better, which means that the "
    "paired test with Holm's correction gives p < 0.05 and the interval of the difference excludes "
    "0. Models can share a rank."
)
VERIFIED = (
    "Bundles were verified: their figures follow from the answers and verdicts in them. This does "
    "not show where the answers come from."
)
NOT_COMPARABLE = "Not comparable with the first table"
NO_BUNDLE = "run"


@dataclass(frozen=True)
class Source:
    """A result, and where it comes from.

    Attributes
    ----------
    results : Results
        The results of a model.
    name : str
        The name of the file or folder.
    sha256 : str
        The SHA-256 of the bundle; empty for a run.
    not_checked : tuple of str
        What could not be checked in the bundle.
    """

    results: Results
    name: str
    sha256: str = ""
    not_checked: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ranked:
    """A model in a table.

    Attributes
    ----------
    name : str
        Its name in the table.
    rank : int
        Its rank, from 1.
    model : ModelReport
        Its figures.
    source : Source
        Where they come from.
    """

    name: str
    rank: int
    model: ModelReport
    source: Source

    @property
    def label(self) -> str:
        """The name, marked if a judge is a proxy."""
        return proxy_label(self.name, self.model)

    @property
    def evidence(self) -> str:
        """The first digits of the SHA-256 of the bundle; ``run`` if it is not a bundle."""
        return self.source.sha256[:DIGITS] or NO_BUNDLE


@dataclass(frozen=True)
class RankedTable:
    """A table of models that can be compared.

    Attributes
    ----------
    report : Report
        The models, with the differences of all pairs.
    models : tuple of Ranked
        The best first.
    why : str
        Why the models are not in the first table; empty for that table.
    """

    report: Report
    models: tuple[Ranked, ...]
    why: str = ""

    @property
    def title(self) -> str:
        """The data, the items and the protocol."""
        return title(self.report)

    @property
    def about(self) -> str:
        """Whose verdicts the figures are based on, and whether any model is clearly better."""
        judges = dict.fromkeys(
            proxy_label(name, judge)
            for ranked in self.models
            for name, judge in ranked.model.judges.items()
        )
        mean = " (the mean of their figures)" if len(judges) > 1 else ""
        sentences = [f"Rated by {listed([*judges])}{mean}."]
        if len(self.models) > 1 and all(ranked.rank == 1 for ranked in self.models):
            sentences.append("No model is clearly better than another.")
        return " ".join(sentences)

    @property
    def cautions(self) -> list[str]:
        """What has to be known before the figures are read."""
        given = (
            f"{ranked.name}: not checked: {text}"
            for ranked in self.models
            for text in ranked.source.not_checked
        )
        return [*cautions(self.report), *given]


@dataclass(frozen=True)
class Leaderboard:
    """The tables of a leaderboard, and what is not in them.

    Attributes
    ----------
    tables : tuple of RankedTable
        The first table has the most models.
    left_out : tuple of (str, str)
        The names of files and folders that are not listed, and why.
    """

    tables: tuple[RankedTable, ...]
    left_out: tuple[tuple[str, str], ...] = ()

    @property
    def has_bundles(self) -> bool:
        """Whether any result comes from a bundle."""
        return any(ranked.source.sha256 for table in self.tables for ranked in table.models)


def rank_models(sources: Sequence[Source], left_out: Sequence[tuple[str, str]] = ()) -> Leaderboard:
    """Return the leaderboard of some results.

    Parameters
    ----------
    sources : sequence of Source
        The results.
    left_out : sequence of (str, str)
        The names of further files that cannot be listed, and why.
    """
    groups: list[list[Source]] = []
    excluded = list(left_out)
    for source in sources:
        listed_before = (other for group in groups for other in group)
        if same := next((one for one in listed_before if _holds_the_same(one, source)), None):
            excluded.append((source.name, f"it holds the same verdicts as {same.name}"))
            continue
        if why := _not_ranked(source.results):
            excluded.append((source.name, why))
            continue
        for group in groups:
            if not any(_difference(other.results, source.results) for other in group):
                group.append(source)
                break
        else:
            groups.append([source])
    groups.sort(key=_order)  # stable: in the order given if equal
    tables = []
    for place, group in enumerate(groups):
        why = _difference(groups[0][0].results, group[0].results) if place else ""
        tables.append(_ranked_table(group, why))
    return Leaderboard(tuple(tables), tuple(excluded))


def _holds_the_same(one: Source, other: Source) -> bool:
    """Return whether two results are the same run, such as a run and its bundle."""
    first, second = one.results, other.results
    names = ((each.model, each.name, each.identity, each.tags) for each in (first, second))
    if next(names) != next(names) or _difference(first, second):
        return False
    return first.matrices.keys() == second.matrices.keys() and all(
        np.array_equal(matrix.labels(), second.matrices[judge].labels())
        for judge, matrix in first.matrices.items()
    )


def _not_ranked(results: Results) -> str:
    if not results.matrices:
        return "not judged yet"
    if results.mixed:
        return "its judges include a proxy and others, which are never averaged"
    return ""


def _order(group: Sequence[Source]) -> tuple[bool, bool, bool, int]:
    first = group[0].results
    proxy = any(facts.proxy for facts in first.judges.values())
    return first.single_prompt, not first.complete, proxy, -len(group)


def _difference(one: Results, other: Results) -> str:
    """Return why the second result cannot be in the table of the first; empty if it can."""
    return next(_differences(one, other), "")


def _differences(one: Results, other: Results) -> Iterator[str]:
    if one.single_prompt != other.single_prompt:
        yield f"{'one instruction' if other.single_prompt else 'all instructions'} for each clip"
    if one.complete != other.complete:
        yield "nothing is missing" if other.complete else "answers or verdicts are missing"
    data = (one.data, other.data)
    for name, values in (
        ("data", [each.annotations_sha256 for each in data]),
        ("audio", [each.audio_sha256 for each in data]),
        ("protocol", [one.protocol, other.protocol]),
        ("instructions", [instructions_label(each.instructions) for each in (one, other)]),
        ("number of samples", [str(one.samples), str(other.samples)]),
        ("condition", [one.condition, other.condition]),
    ):
        if values[0] != values[1]:
            first, second = ((value or "unknown")[:DIGITS] for value in values)
            yield f"other {name} ({second}, not {first})"
    if difference := judge_difference(other, one):
        yield f"other {difference}"


def _ranked_table(sources: Sequence[Source], why: str) -> RankedTable:
    results = [source.results for source in sources]
    if len(results) > 1:
        report = summarise_comparison(results, allow_mismatch=True)
    else:
        report = replace(summarise(results), pairs=[])
    by_name = dict(zip(report.models, sources, strict=True))
    [ranking] = rankings(report.models)
    ordered = [rated.name for rated in ranking]
    ordered += [name for name in report.models if name not in ordered]  # without a figure
    models = [
        Ranked(name, _rank(name, report), report.models[name], by_name[name]) for name in ordered
    ]
    return RankedTable(report, tuple(sorted(models, key=lambda ranked: ranked.rank)), why)


def _rank(name: str, report: Report) -> int:
    better = (
        other
        for pair in report.pairs or ()
        if name in (pair.first, pair.second)
        for other in [pair.second if pair.first == name else pair.first]
        if Lead.of(pair, other).outcome is Outcome.CLEAR
    )
    return 1 + sum(1 for _ in better)


# --- as tables ---

RANK = Column("rank", "rank", str)
COLUMNS = (
    RANK,
    *(replace(column, key=f"model.score.{column.key}".rstrip(".")) for column in columns.CONCISE),
    Column("evidence", "bundle (SHA-256)", str, omitted=NO_BUNDLE),
)
"""The columns for :class:`Ranked`."""


def ranking_table(table: RankedTable) -> Table:
    """Return the ranks and figures of the models of a table."""
    rows = [TableRow(ranked.label, ranked) for ranked in table.models]
    return Table("model", COLUMNS, rows)


def source_lines(board: Leaderboard) -> list[str]:
    """Format the model and the file or folder of each result that is listed."""
    return [
        f"{ranked.label}: {_described(ranked.source)}"
        for table in board.tables
        for ranked in table.models
    ]


def _described(source: Source) -> str:
    return f"{source.name}, {f'SHA-256 {source.sha256}' if source.sha256 else 'a run'}"


def left_out_lines(board: Leaderboard) -> list[str]:
    """Format what is not listed, and why."""
    return [f"{name}: {why}" for name, why in board.left_out]


# --- as Markdown ---


def leaderboard_markdown(board: Leaderboard) -> str:
    """Format a leaderboard as Markdown."""
    return "\n\n".join(_markdown_parts(board)) + "\n"


def _markdown_parts(board: Leaderboard) -> Iterator[str]:
    yield f"# {TITLE}"
    for table in board.tables:
        yield f"## {prose(table.title)}"
        if table.why:
            yield prose(f"{NOT_COMPARABLE}: {table.why}.")
        yield prose(table.about)
        yield ranking_table(table).to_text("pipe", cell)
        if table.cautions:
            yield bullets(table.cautions)
        pairs = columns.differences(table.report.pairs or ())
        if pairs.has_figures:
            yield "### Paired differences"
            yield pairs.to_text("pipe", cell)
            yield prose(explain_pairs(table.report.pairs or ()))
        yield f"Signature: {code(table.report.signature)}"
    yield "## Notes"
    instructions = max((len(table.report.instructions) for table in board.tables), default=1)
    yield prose(EXPLAINED)
    yield prose(columns.figures_explained(instructions))
    if board.has_bundles:
        yield prose(VERIFIED)
    yield bullets(source_lines(board))
    if board.left_out:
        yield "Not listed:"
        yield bullets(left_out_lines(board))
