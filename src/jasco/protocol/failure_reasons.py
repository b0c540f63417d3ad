"""The most frequent message of each kind of failure."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from jasco.protocol.responses import Failure

Group = tuple[str, str, int, int]
"""Kind and message of failures, the number of failures, and the number of final ones."""


@dataclass(frozen=True)
class Reason:
    """The most frequent reason of one kind of failure.

    Attributes
    ----------
    kind : str
        The kind of failure.
    message : str
        The most frequent message, verbatim; of equally frequent ones, the first in alphabetical
        order.
    count : int
        Number of failures with this message, or one that differs only in numbers and ids.
    of : int
        Number of failures of this kind.
    final : int
        Number of failures of this kind that are final.
    """

    kind: str
    message: str
    count: int
    of: int
    final: int = 0


def commonest_reasons(groups: Iterable[Group]) -> tuple[Reason, ...]:
    """Return the most frequent message of each kind of failure.

    Parameters
    ----------
    groups : iterable of (str, str, int, int)
        Kind, message, number of failures, and number of final ones, in any order.

    Returns
    -------
    tuple of Reason
        One per kind, the most frequent kind first; equally frequent kinds are sorted by name.
    """
    by_kind: dict[str, list[Group]] = {}
    for group in groups:
        by_kind.setdefault(group[0], []).append(group)
    reasons = [_commonest_reason(kind, of_kind) for kind, of_kind in by_kind.items()]
    return tuple(sorted(reasons, key=lambda reason: (-reason.of, reason.kind)))


def _commonest_reason(kind: str, groups: Sequence[Group]) -> Reason:
    by_pattern: dict[str, Counter[str]] = {}
    for _, message, count, _ in groups:
        by_pattern.setdefault(pattern_of(message), Counter())[message] += count
    total, final = sum(group[2] for group in groups), sum(group[3] for group in groups)
    candidates = [
        Reason(kind, min(texts, key=lambda text: (-texts[text], text)), texts.total(), total, final)
        for texts in by_pattern.values()
    ]
    return min(candidates, key=lambda reason: (-reason.count, reason.message))


def reasons_of(failures: Iterable[Failure]) -> tuple[Reason, ...]:
    """Return the most frequent message of each kind of failure; see :func:`commonest_reasons`."""
    return commonest_reasons(
        (failure.kind, failure.message, 1, failure.final) for failure in failures
    )


def combined_reasons(parts: Iterable[Iterable[Reason]]) -> tuple[Reason, ...]:
    """Return the reasons of all parts of a run, given those of each part."""
    by_kind: dict[str, list[Reason]] = {}
    for reason in (reason for part in parts for reason in part):
        by_kind.setdefault(reason.kind, []).append(reason)
    combined = [_combined_reason(kind, reasons) for kind, reasons in by_kind.items()]
    return tuple(sorted(combined, key=lambda reason: (-reason.of, reason.kind)))


def _combined_reason(kind: str, reasons: Sequence[Reason]) -> Reason:
    groups = [(kind, reason.message, reason.count, 0) for reason in reasons]
    of, final = sum(reason.of for reason in reasons), sum(reason.final for reason in reasons)
    return replace(_commonest_reason(kind, groups), of=of, final=final)


_WORD = re.compile(r"(?:HTTP )?[\w-]+")


def pattern_of(message: str) -> str:
    """Return a message with ``#`` in place of words that contain a digit, except HTTP statuses."""
    return _WORD.sub(lambda word: "#" if _is_number(word[0]) else word[0], message)


def _is_number(word: str) -> bool:
    return not word.startswith("HTTP ") and any(map(str.isdigit, word))
