"""Formatting of figures and tables, for all outputs."""

import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from tabulate import tabulate

from jasco.errors import count, one_line
from jasco.metrics.bootstrap import Estimate
from jasco.protocol.failure_reasons import Reason

DASH = "–"  # a figure that cannot be computed


def number(value: float | None, digits: int = 2) -> str:
    """Format a score, without a sign for zero."""
    return DASH if value is None else f"{value:z.{digits}f}"


def percent(value: float | None, digits: int = 1) -> str:
    """Format a share as a percentage, without a sign for zero."""
    return DASH if value is None else f"{100 * value:z.{digits}f}%"


def signed_number(value: float | None) -> str:
    """Format a difference of scores with its sign, without one for zero."""
    return _with_plus(number(value))


def signed_percent(value: float | None) -> str:
    """Format a difference of shares with its sign, without one for zero."""
    return _with_plus(percent(value))


def _with_plus(formatted: str) -> str:
    is_positive = formatted[0].isdigit() and formatted.strip("0.%")
    return f"+{formatted}" if is_positive else formatted


def p_value(value: float | None) -> str:
    """Format a p-value."""
    return DASH if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"


def between(ends: Sequence[float] | None, write: Callable[[float | None], str] = number) -> str:
    """Format an interval as ``[0.12, 0.69]``; empty if there is none."""
    return "" if ends is None else f"[{', '.join(write(end).rstrip('%') for end in ends)}]"


def with_interval(estimate: Estimate, write: Callable[[float | None], str] = number) -> str:
    """Format a figure and its interval as ``0.38 [0.12, 0.69]``."""
    return f"{write(estimate.value)} {between(estimate.interval, write)}".rstrip()


def listed(names: Sequence[str], most: int | None = None) -> str:
    """Format names as ``a, b and c``; those beyond ``most`` are only counted.

    Examples
    --------
    >>> listed(["a", "b", "c"]), listed(["a", "b", "c", "d"], most=2)
    ('a, b and c', 'a, b and 2 more')
    """
    shown = list(names[:most])
    if len(shown) < len(names):
        shown.append(f"{len(names) - len(shown)} more")
    return " and ".join(filter(None, [", ".join(shown[:-1]), *shown[-1:]]))


def short_names(labels: Iterable[str]) -> dict[str, str]:
    """Return labels of models or judges without their options, unless two would be the same.

    Examples
    --------
    >>> short_names(["openai/a,temperature=1", "openai/b,seed=1", "openai/b,seed=2"])
    {'openai/a,temperature=1': 'openai/a', 'openai/b,seed=1': 'openai/b,seed=1', \
'openai/b,seed=2': 'openai/b,seed=2'}
    """
    labels = list(labels)
    short = [label.partition(",")[0] for label in labels]
    return {
        label: name if short.count(name) == 1 else label
        for label, name in zip(labels, short, strict=True)
    }


def table(
    header: Sequence[str], rows: Sequence[Sequence[str]], form: str = "simple", *, left: int = 1
) -> str:
    """Format rows in a format of tabulate.

    The first ``left`` columns are names and are left-aligned; figures are right-aligned.
    """
    return tabulate(
        rows,
        header,
        tablefmt=form,
        disable_numparse=True,
        colalign=["left"] * left + ["right"] * (len(header) - left),
        preserve_whitespace=True,
    )


def tables_within(width: int, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Format rows as a table for the terminal, or as several if it would be too wide.

    Each table has the first column, which contains names, and as many of the others as fit. Names
    that take more than a third of the width are folded.
    """
    names = [header[0], *(_folded(row[0], max(width // 3, _NARROWEST_NAME)) for row in rows)]
    columns = [*zip(header, *rows, strict=True)][1:]
    space = width - _width_of(names)
    blocks: list[list[Sequence[str]]] = [[]]
    for column in columns:
        used = sum(2 + _width_of(other) for other in blocks[-1])
        if blocks[-1] and used + 2 + _width_of(column) > space:
            blocks.append([])
        blocks[-1].append(column)
    return "\n\n".join(_plain_table([names, *block]) for block in blocks)


_NARROWEST_NAME = 24


def _folded(name: str, width: int) -> str:
    """Fold the lines of a name, with a hanging indent."""
    lines = []
    for line in name.split("\n"):
        indent = line[: len(line) - len(line.lstrip())]
        lines += textwrap.wrap(line, width, subsequent_indent=f"{indent}  ") or [line]
    return "\n".join(lines)


def _width_of(column: Sequence[str]) -> int:
    return max(len(line) for cell in column for line in cell.split("\n"))


def _plain_table(columns: Sequence[Sequence[str]]) -> str:
    rows = [*zip(*columns, strict=True)]
    text = tabulate(
        rows,
        tablefmt="plain",
        disable_numparse=True,
        colalign=["left"] + ["right"] * (len(columns) - 1),
        preserve_whitespace=True,
    )
    header, *body = [line.rstrip() for line in text.splitlines()]
    return "\n".join([header, "-" * max(map(len, [header, *body])), *body])


# --- failures ---


def failure_counts(counts: Mapping[str, int]) -> str:
    """Format the number of failures of each kind."""
    return ", ".join(_count_failures(number, kind) for kind, number in counts.items())


_NOUNS = {  # kinds of failures that have a plural
    **{kind: kind for kind in ("crash", "error", "rate limit", "refusal", "timeout")},
    **{kind: f"{kind} error" for kind in ("connection", "memory", "server")},
    "malformed": "malformed response",
    "no text": "response without text",
}


def _count_failures(number: int, kind: str) -> str:
    if kind in _NOUNS:
        return count(number, _NOUNS[kind])
    return f"{number} {'stopped by a content filter' if kind == 'content filter' else kind}"


LONGEST_REASON = 400  # characters of a failure's message that are printed


def reason_texts(reasons: Iterable[Reason]) -> Iterator[str]:
    """Format the most frequent message of each kind of failure."""
    for reason in reasons:
        total, final = reason.of, reason.final
        text = _count_failures(total, reason.kind)
        if final:
            text += " (final)" if final == total else f" ({final} of them final)"
        if reason.count < total:
            text += f", most frequent message ({reason.count} of {total})"
        elif total > 1:
            text += ", such as"
        yield f'{text}: "{one_line(reason.message, LONGEST_REASON)}"'
