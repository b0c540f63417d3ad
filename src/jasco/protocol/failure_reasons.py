"""The commonest message of each kind of failure."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from jasco.protocol.responses import Failure

Group = tuple[str, str, int, int]
"""Kind and message of failures, how many there are, and how many of them are final."""


@dataclass(frozen=True)
class Reason:
    """Why calls failed, for one kind of failure.

    Attributes
    ----------
    kind : str
        The kind of failure.
    message : str
        Its commonest message, as it came; of messages that are equally common, the first in
        alphabetical order.
    count : int
        Failures with this message, or with one that differs from it only in numbers and ids.
    of : int
        All failures of this kind.
    final : int
        How many of all failures of this kind a repeat cannot mend.
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
    kinds, final = Counter[str](), Counter[str]()
    patterns = Counter[tuple[str, str]]()
    messages: dict[tuple[str, str], Counter[str]] = {}
    for kind, message, count, final_ones in groups:
        key = kind, pattern_of(message)
        kinds[kind] += count
        final[kind] += final_ones
        patterns[key] += count
        messages.setdefault(key, Counter())[message] += count
    chosen: dict[str, tuple[int, str]] = {}
    for (kind, pattern), count in patterns.items():
        found = messages[kind, pattern]
        message = min(found, key=lambda text: (-found[text], text))
        if kind not in chosen or (-count, message) < (-chosen[kind][0], chosen[kind][1]):
            chosen[kind] = count, message
    return tuple(
        Reason(kind, chosen[kind][1], chosen[kind][0], kinds[kind], final[kind])
        for kind in sorted(kinds, key=lambda kind: (-kinds[kind], kind))
    )


def reasons_of(failures: Iterable[Failure]) -> tuple[Reason, ...]:
    """Find the commonest message of each kind among failures; see :func:`commonest_reasons`."""
    return commonest_reasons((each.kind, each.message, 1, each.final) for each in failures)


_WORD = re.compile(r"(?:HTTP )?[\w-]+")


def pattern_of(message: str) -> str:
    """Write ``#`` for words that hold a digit: numbers and ids; an HTTP status stays."""
    return _WORD.sub(_without_number, message)


def _without_number(match: re.Match[str]) -> str:
    word = match[0]
    is_kept = word.startswith("HTTP ") or not any(map(str.isdigit, word))
    return word if is_kept else "#"
