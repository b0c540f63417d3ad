"""What commands print: JSON, tables, and what is missing in them."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jasco.api.messages import notify_missing, write_message
from jasco.cli.streams import is_utf8


def print_json(content: Any) -> None:
    """Print one JSON object, in ASCII where stdout does not take every character."""
    print(json.dumps(content, indent=2, ensure_ascii=not is_utf8(sys.stdout)))


def print_summary(
    summary: dict[str, Any], render: Callable[[dict[str, Any]], str], *, as_json: bool
) -> None:
    """Print a summary as JSON, or as the table that is rendered of it."""
    if as_json:
        print_json(summary)
    else:
        print(render(summary))


def print_score(
    targets: Sequence[Path],
    *,
    as_json: bool = False,
    published: bool = False,
    brief: bool = False,
    **settings: Any,
) -> None:
    """Print the scores of a run or of judged CSV files; unless ``brief``, what is missing too.

    Settings are those of :func:`jasco.runs.results.results_of`.
    """
    from jasco.reports.summary import summarise
    from jasco.reports.table import render
    from jasco.runs.targets import results_of

    results = results_of(targets, together=True, **settings)
    summary = summarise(results, published=published)
    print_summary(summary, render, as_json=as_json)
    if not brief:
        notify_missing(summary, write_message)
