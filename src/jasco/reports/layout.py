"""How figures and tables are written for people: one way, everywhere."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from tabulate import tabulate

from jasco.errors import one_line
from jasco.metrics.bootstrap import Estimate
from jasco.protocol.failure_reasons import Reason


def number(value: float | None, digits: int = 2) -> str:
    """Write a score; what rounds to zero has no sign."""
    return "–" if value is None else f"{value:z.{digits}f}"


def percent(value: float | None, digits: int = 1) -> str:
    """Write a share; what rounds to zero has no sign."""
    return "–" if value is None else f"{100 * value:z.{digits}f} %"


def signed_number(value: float | None) -> str:
    """Write a difference of scores; one that rounds to zero has no sign, as it has no direction."""
    return _with_plus(number(value))


def signed_percent(value: float | None) -> str:
    """Write a difference of shares; one that rounds to zero has no sign."""
    return _with_plus(percent(value))


def _with_plus(written: str) -> str:
    is_positive = written[0].isdigit() and written.strip("0. %")
    return f"+{written}" if is_positive else written


def p_value(value: float | None) -> str:
    """Write a p-value."""
    return "–" if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"


def between(ends: Sequence[float] | None, write: Callable[[float | None], str] = number) -> str:
    """Write an interval; nothing where there is none."""
    return "" if ends is None else f"{write(ends[0]).removesuffix(' %')} to {write(ends[1])}"


def with_interval(
    value: float | None,
    ends: Sequence[float] | None,
    write: Callable[[float | None], str] = number,
) -> str:
    """Write a figure and its interval."""
    return f"{write(value)} [{between(ends, write)}]" if ends else write(value)


def kinds(counted: Mapping[str, int]) -> str:
    """Write how often each kind of failure was met."""
    return ", ".join(_counted(times, kind) for kind, times in counted.items())


_NOUNS = {
    "content filter": ("stopped by a content filter", "stopped by a content filter"),
    "connection": ("connection error", "connection errors"),
    "crash": ("crash", "crashes"),
    "error": ("error", "errors"),
    "memory": ("memory error", "memory errors"),
    "rate limit": ("rate limit", "rate limits"),
    "refusal": ("refusal", "refusals"),
    "server": ("server error", "server errors"),
    "timeout": ("timeout", "timeouts"),
}
"""What is counted, in the singular and the plural, for kinds that cannot follow a number."""


def _counted(number: int, kind: str) -> str:
    one, several = _NOUNS.get(kind, (kind, kind))
    return f"{number} {one if number == 1 else several}"


LONGEST_REASON = 400
"""Characters of a failure's message that are printed."""


def reason_lines(
    who: str, reasons: Sequence[Mapping[str, Any]] | Sequence[Reason]
) -> Iterator[str]:
    """Quote the commonest message of each kind of failure, a line each.

    Parameters
    ----------
    who : str
        The model or judge whose calls failed.
    reasons : sequence of mapping or of Reason
        As a summary has them.
    """
    for each in reasons:
        reason = asdict(each) if isinstance(each, Reason) else each
        number, final = reason["of"], reason["final"]
        told = _counted(number, reason["kind"])
        if final:
            told += " (final)" if final == number else f" ({final} of them final)"
        often = "" if number == 1 else ", each" if reason["count"] == number else ", most often"
        times = f" ({reason['count']})" if often == ", most often" else ""
        yield f'{who}: {told}{often}{times}: "{one_line(reason["message"], LONGEST_REASON)}"'


def table(
    header: Sequence[str], rows: Sequence[Sequence[str]], form: str = "simple", names: int = 1
) -> str:
    """Lay out rows: the columns of names, which come first, to the left; figures to the right."""
    return tabulate(
        rows,
        header,
        tablefmt=form,
        disable_numparse=True,
        colalign=["left"] * names + ["right"] * (len(header) - names),
        preserve_whitespace=True,
    )


def interval(estimate: Estimate) -> list[float] | None:
    """Give an interval's ends for JSON."""
    return list(estimate.interval) if estimate.interval else None
