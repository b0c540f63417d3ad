"""Output of commands: results to stdout, messages about missing data to stderr."""

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jasco.cli.streams import is_utf8
from jasco.terminal import write_line


def print_result(result: Mapping[str, Any] | str) -> None:
    """Print a text, or a JSON object, which is ASCII unless stdout is UTF-8."""
    if not isinstance(result, str):
        result = json.dumps(result, indent=2, ensure_ascii=not is_utf8(sys.stdout))
    print(result)


def terminal_width() -> int | None:
    """Return the width of the terminal; None if stdout is not a terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def print_scores(
    targets: Sequence[Path],
    *,
    as_json: bool = False,
    brief: bool = False,
    **settings: Any,
) -> None:
    """Print the scores of runs or judged CSV files and, unless ``brief``, what is missing.

    Settings are those of :func:`jasco.api.scores.scores_of`.
    """
    from jasco.api.scores import notify_missing, scores_of

    scores = scores_of(targets, **settings)
    print_result(scores.to_json() if as_json else scores.to_text(terminal_width()))
    if not brief:
        notify_missing(scores.reports, write_line)
