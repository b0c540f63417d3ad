"""How figures and tables are written for people: one way, everywhere."""

from collections.abc import Callable, Mapping, Sequence

from tabulate import tabulate

from jasco.benchmark.bootstrap import Estimate


def number(value: float | None) -> str:
    """Write a score."""
    return "–" if value is None else f"{value:.2f}"


def percent(value: float | None) -> str:
    """Write a share."""
    return "–" if value is None else f"{100 * value:.1f} %"


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
    return ", ".join(f"{times} {kind}" for kind, times in counted.items())


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out rows: the first column to the left, figures to the right."""
    return tabulate(
        rows,
        header,
        disable_numparse=True,
        colalign=("left", *["right"] * (len(header) - 1)),
        preserve_whitespace=True,
    )


def interval(estimate: Estimate) -> list[float] | None:
    """Give an interval's ends for JSON."""
    return list(estimate.interval) if estimate.interval else None
