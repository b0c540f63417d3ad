"""The commonest message of each kind of failure."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jasco.protocol.responses import Failure

Group = tuple[str, str, int, int]
"""Kind and message of failures, their number, and the number of final ones."""


@dataclass(frozen=True)
class Reason:
    """The commonest reason of one kind of failure.

    Attributes
    ----------
    kind : str
        The kind of failure.
    message : str
        Its commonest message, verbatim; of equally common messages, the first in alphabetical
        order.
    count : int
        Number of failures with this message, or with one that differs only in numbers and ids.
    of : int
        Number of failures of this kind.
    final : int
        How many of them a repeat cannot mend.
    """

    kind: str
    message: str
    count: int
    of: int
    final: int = 0


def commonest_reasons(groups: Iterable[Group]) -> tuple[Reason, ...]:
    """Find the commonest message of each kind of failure.

    Parameters
    ----------
    groups : iterable of (str, str, int, int)
        Kind, message, number of failures and number of final ones among them; in any order.

    Returns
    -------
    tuple of Reason
        One for each kind: the commonest kind first, kinds that are equally common by name.
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
    """Find the commonest message of each kind among failures; see :func:`commonest_reasons`."""
    return commonest_reasons(
        (failure.kind, failure.message, 1, failure.final) for failure in failures
    )


_WORD = re.compile(r"(?:HTTP )?[\w-]+")


def pattern_of(message: str) -> str:
    """Return a message with ``#`` for words that hold a digit; an HTTP status stays."""
    return _WORD.sub(lambda word: "#" if _is_number(word[0]) else word[0], message)


def _is_number(word: str) -> bool:
    return not word.startswith("HTTP ") and any(map(str.isdigit, word))
