"""Leaderboards over bundles and runs."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from jasco.api import arguments
from jasco.api.bundles import open_bundle
from jasco.api.messages import Notify, log_message, named_as_in_python
from jasco.api.reports import check_output
from jasco.backends.optional_imports import import_optional
from jasco.data.csv_files import whole_file
from jasco.errors import InputError, count, whole_text
from jasco.reports.leaderboard import Leaderboard, Source, leaderboard_markdown, rank_models
from jasco.runs.read_run import results_of_run

_FORMATS = {"html": ".html", "markdown": ".md"}


@named_as_in_python()
def leaderboard(
    targets: str | Path | Sequence[str | Path],
    output: str | Path | None = None,
    *,
    format: Literal["html", "markdown"] | None = None,  # noqa: A002
) -> str:
    """Rank models by their scores, with ties where a paired test cannot distinguish them.

    Bundles are verified first, and not listed if anything in them differs. Results that cannot be
    compared, because of their data, protocol, judges, instructions or samples or because they are
    incomplete, are in separate tables.

    Parameters
    ----------
    targets : str, Path or sequence of them
        Bundles (see :func:`jasco.bundle`) and runs.
    output : str, Path or None
        The file to write; None returns the text.
    format : str or None
        ``"html"`` or ``"markdown"``; None selects it by the extension of ``output``, or Markdown.

    Returns
    -------
    str
        The text of the leaderboard; empty if it was written to a file.

    Raises
    ------
    InputError
        A file is given twice or cannot be read, nothing can be listed, or the output cannot be
        written.

    Examples
    --------
    >>> import jasco
    >>> jasco.leaderboard(["ours.zip", "theirs.zip"], "leaderboard.html")  # doctest: +SKIP
    """
    paths = arguments.as_paths(targets)
    arguments.check("output", output, output is None or arguments.is_path(output), "a file or None")
    arguments.check("format", format, format is None or format in _FORMATS, " or ".join(_FORMATS))
    file = None if output is None else Path(output)
    return write_leaderboard(paths, file, form=format, notify=log_message)


def write_leaderboard(
    targets: Sequence[Path], output: Path | None, *, form: str | None, notify: Notify
) -> str:
    """Write a leaderboard, or return its text; parameters as in :func:`leaderboard`."""
    if output:
        check_output(output, targets)
        form = form or _format_of(output)
    board = read_leaderboard(targets, notify)
    if form == "html":
        page = import_optional("jasco.reports.page.leaderboard", "the page", "viewer")
        text: str = page.render_leaderboard_page(board)
    else:
        text = leaderboard_markdown(board)
    if output is None:
        return text
    with whole_file(Path(os.path.realpath(output))) as file:  # a symbolic link is kept
        file.write(whole_text(text))
    return ""


def _format_of(output: Path) -> str:
    for form, suffix in _FORMATS.items():
        if output.suffix.lower() == suffix:
            return form
    raise InputError(f"{output}: unknown extension (expected {' or '.join(_FORMATS.values())})")


def read_leaderboard(targets: Sequence[Path], notify: Notify) -> Leaderboard:
    """Verify bundles, score runs, and rank them; write a message about each that is not listed."""
    sources: list[Source] = []
    left_out: list[tuple[str, str]] = []
    for target in targets:
        if not target.exists():
            raise InputError(f"{target}: no such bundle or run")
        try:
            source = _source_of(target)
        except InputError as error:
            left_out.append((target.name, str(error).removeprefix(f"{target}: ")))
            continue
        for other in sources:
            is_same = source.sha256 == other.sha256 != "" or target.samefile(
                other.results.source[0]
            )
            if is_same:
                raise InputError(f"{target}: the same as {other.name}; give it once")
        sources.append(source)
    board = rank_models(sources, left_out)
    for name, why in board.left_out:
        notify(f"{name}: not listed: {why}")
    if not board.tables:
        raise InputError("nothing can be listed; give bundles or runs with verdicts")
    return board


def _source_of(target: Path) -> Source:
    if target.is_dir():
        return Source(results_of_run(target), target.resolve().name)
    if target.suffix.lower() == ".csv":
        raise InputError("a CSV file; give bundles or runs")
    found, results = open_bundle(target)
    if not found.consistent:
        number = count(len(found.differences), "difference")
        raise InputError(f"not consistent: {number}, such as {found.differences[0]}")
    return Source(results, target.name, found.sha256, found.unread)
