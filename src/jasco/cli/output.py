"""What commands print: JSON, tables, and what is missing in them."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jasco.api.messages import write_message
from jasco.cli.streams import is_utf8


def print_result(result: Mapping[str, Any] | str) -> None:
    """Print a text, or one JSON object, in ASCII where stdout does not take every character."""
    if not isinstance(result, str):
        result = json.dumps(result, indent=2, ensure_ascii=not is_utf8(sys.stdout))
    print(result)


def print_score(
    targets: Sequence[Path],
    *,
    as_json: bool = False,
    brief: bool = False,
    **settings: Any,
) -> None:
    """Print the scores of a run or of judged CSV files; unless ``brief``, what is missing too.

    Settings are those of :func:`jasco.api.results.score_report`.
    """
    from jasco.api.results import notify_missing, score_report
    from jasco.reports.text import render

    report = score_report(targets, **settings)
    print_result(report.to_json() if as_json else render(report))
    if not brief:
        notify_missing(report, write_message)
