"""The page of a leaderboard."""

from typing import Any

from markupsafe import Markup

from jasco.errors import count
from jasco.reports import columns
from jasco.reports.columns import Table, TableRow
from jasco.reports.leaderboard import (
    COLUMNS,
    EXPLAINED,
    NOT_COMPARABLE,
    TITLE,
    VERIFIED,
    Leaderboard,
    Ranked,
    RankedTable,
    left_out_lines,
    ranking_table,
    source_lines,
)
from jasco.reports.notes import explain_pairs
from jasco.reports.page.charts import differences_table, stack
from jasco.reports.page.plots import SCORE, SHARE, PlotColumn, PlotTable, Shape, marks, plot_table
from jasco.reports.page.render import content_policy, environment, static
from jasco.reports.report import SHARES
from jasco.version import __version__

_DRAWN = {"rank", *(f"model.score.{column.key}" for column in columns.DEPENDENCE)}
_COLUMNS = [column for column in COLUMNS if column.key not in _DRAWN]
"""The columns next to the plots: the rank is before the name."""


def render_leaderboard_page(board: Leaderboard) -> str:
    """Return the page of a leaderboard as a single file that loads nothing else."""
    style = static("page.css")
    return environment().get_template("leaderboard.html").render(
        page=_sections(board),
        style=Markup(style),  # noqa: S704 (a file of this package, unchanged)
        policy=content_policy(style),
    )  # fmt: skip


def _sections(board: Leaderboard) -> dict[str, Any]:
    models = count(sum(len(table.models) for table in board.tables), "model")
    instructions = max((len(table.report.instructions) for table in board.tables), default=1)
    return {
        "title": TITLE,
        "about": f"{models}, {count(len(board.tables), 'table')} of comparable results.",
        "explained": [EXPLAINED, columns.figures_explained(instructions)],
        "tables": [_table(table) for table in board.tables],
        "verified": VERIFIED if board.has_bundles else "",
        "sources": source_lines(board),
        "left_out": left_out_lines(board),
        "version": __version__,
    }


def _table(table: RankedTable) -> dict[str, Any]:
    pairs = table.report.pairs or ()
    return {
        "title": table.title,
        "why": f"{NOT_COMPARABLE}: {table.why}." if table.why else "",
        "about": table.about,
        "cautions": table.cautions,
        "ranking": _plots(table),
        "figures": ranking_table(table),
        "judged": columns.headline(table.report.models),
        "differences": differences_table(pairs) if pairs else None,
        "pairs": explain_pairs(pairs) if pairs else "",
        "signature": table.report.signature,
    }


def _plots(table: RankedTable) -> PlotTable:
    """Return the ranks and main figures with plots; below a name is the spec of the model."""
    rows = [
        TableRow(f"{ranked.rank}. {ranked.label}{_spec(ranked)}", ranked) for ranked in table.models
    ]
    best_mean, mean = columns.HEADLINE

    def scores(ranked: Any) -> list[Shape]:
        return marks(ranked.model.score, (mean, "open"), (best_mean, "dot"))

    return plot_table(
        Table("rank and model", _COLUMNS, rows),
        [
            (PlotColumn("best-mean and mean", SCORE), scores),
            (
                PlotColumn("of the answers that rest on a cue", SHARE),
                lambda ranked: stack(ranked.model.score),  # type: ignore[attr-defined]
            ),
        ],
        title=table.title,
        legend=[("dot", "best-mean"), ("open", "mean"), *((share, share) for share in SHARES)],
    )


def _spec(ranked: Ranked) -> str:
    results = ranked.model.results
    return f"\n{results.model}" if results.name not in ("", results.model) else ""
