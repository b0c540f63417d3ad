"""The verdict parser, which reads the rating and the orientation from a judge's reply.

Conventions
-----------
:mod:`jasco.protocol.verdict_statements` finds the statements in a reply. The value of a statement
is *definite* (``2``, ``Both``), a *placeholder* (``(int)``, the echoed list of options) or unclear.
Placeholders are ignored. All other values must be definite and agree, or the verdict is unreadable;
it is never guessed.

A remark after a value, in brackets or after a dash, is accepted only if it consists of plain words
without digits, question marks and hedges (``hedges.txt``).
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from jasco.protocol.plain_text import FLAGS, answer_lines, answer_text, plain_value
from jasco.protocol.verdict_statements import Statement, find_statements
from jasco.protocol.verdict_words import is_hedge, words_in
from jasco.protocol.verdicts import Orientation, Verdict

T = TypeVar("T")


def read_verdict(text: str) -> Verdict:
    r"""Read the verdict from a judge's reply to the judge prompt.

    Parameters
    ----------
    text : str
        The reply.

    Returns
    -------
    Verdict
        The rating and the orientation, each None if it is missing, ambiguous or contradictory. No
        reply raises an error, and nothing is guessed.

    Examples
    --------
    >>> from jasco import read_verdict
    >>> verdict = read_verdict("Rating: 2\nOrientation: Both")
    >>> verdict.rating, str(verdict.orientation)
    (2, 'Both')
    >>> read_verdict("Rating: 1 or 2").rating is None
    True
    """
    return _verdict(find_statements(text))


def read_constrained(text: str) -> Verdict:
    """Read the verdict from a reply that was constrained to :func:`verdict_schema`."""
    try:
        members = json.loads(answer_text(text), object_pairs_hook=_members_by_name)
    except (ValueError, RecursionError):
        members = None
    if not isinstance(members, dict):
        return Verdict(None, None)
    ratings, orientations = members.get("rating", []), members.get("orientation", [])
    if {type(value) for value in ratings} - {int} or {type(value) for value in orientations} - {
        str
    }:
        return Verdict(None, None)
    return _verdict(
        [Statement("rating", str(value)) for value in ratings]
        + [Statement("orientation", plain_value(value)) for value in orientations]
    )


def _members_by_name(members: Iterable[tuple[str, Any]]) -> dict[str, list[Any]]:
    by_name: dict[str, list[Any]] = {}
    for name, value in members:
        by_name.setdefault(name.strip().lower(), []).append(value)
    return by_name


def read_repair(text: str) -> Orientation | None:
    """Read the orientation from a reply to the repair prompt, where a line may be a bare label."""
    lines = map(_without_introduction, answer_lines(text))
    bare = [Statement("orientation", line) for line in lines if _BARE_LABEL.match(line)]
    return _agreed(_ORIENTATION, [*find_statements(text), *bare])


def read_rating(cell: str) -> int | None:
    """Read a rating from a cell of a table."""
    return _definite(_RATING, plain_value(cell))


def read_orientation(cell: str) -> Orientation | None:
    """Read an orientation from a cell of a table."""
    return _definite(_ORIENTATION, plain_value(cell))


def verdict_schema(both: str) -> dict[str, Any]:
    """Return the JSON schema of a verdict: the four lines of the rubric, in its order.

    Parameters
    ----------
    both : str
        The protocol's label for an answer that rests on both cues.
    """
    labels = [both if label is Orientation.BOTH else str(label) for label in Orientation]
    properties = {
        "Explanation1": {"type": "string"},
        "Rating": {"type": "integer", "enum": [0, 1, 2]},
        "Explanation2": {"type": "string"},
        "Orientation": {"type": "string", "enum": labels},
    }
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _verdict(statements: Sequence[Statement]) -> Verdict:
    return Verdict(_agreed(_RATING, statements), _agreed(_ORIENTATION, statements))


# --- values ---


@dataclass(frozen=True)
class _Grammar(Generic[T]):
    """The grammar of the values of a kind.

    Attributes
    ----------
    kind : str
        The kind of statement.
    core : re.Pattern
        Matches the beginning of a definite value; its first group is the name of the meaning.
    meanings : mapping of str to T
        The meanings by name, in lower case.
    restatements : mapping of str to T
        Remarks that only repeat a value, as their words in alphabetical order.
    informal : mapping of str to T
        Names that are too informal to define a value, but can contradict one.
    best : T
        The best value. A remark on any other value may name a shortcoming ("0 (does not mention
        the keyword)"); on this value, it would make the verdict doubtful.
    """

    kind: str
    core: re.Pattern[str]
    meanings: Mapping[str, T]
    restatements: Mapping[str, T]
    informal: Mapping[str, T]
    best: T


_NUMBERS = {"zero": 0, "one": 1, "two": 2}
_RATING = _Grammar[int](
    "rating",
    re.compile(
        r"(?:score ?:? ?)?([012])(?:\.0+)?(?: ?(?:/|out of|of) ?2(?:\.0+)?)?(?![\w%])", FLAGS
    ),
    meanings={"0": 0, "1": 1, "2": 2},
    restatements=_NUMBERS,
    informal=_NUMBERS,
    best=2,
)
_AUDIO, _SPEECH, _BOTH, _NEITHER = Orientation
_LABELS = {"audio": _AUDIO, "speech": _SPEECH, "both": _BOTH, "good": _BOTH, "neither": _NEITHER}
_ORIENTED = r" ?-? ?orient(?:at)?ed"
_ORIENTATION = _Grammar[Orientation](
    "orientation",
    re.compile(
        rf"(audio(?={_ORIENTED})|speech(?={_ORIENTED})|both|good|neither)(?:{_ORIENTED})?(?!\w)",
        FLAGS,
    ),
    meanings=_LABELS,
    restatements={
        **_LABELS, "audio oriented": _AUDIO, "oriented speech": _SPEECH, "audio speech": _BOTH,
    },
    informal={"audio": _AUDIO, "speech": _SPEECH},
    best=_BOTH,
)  # fmt: skip
_BRACKETS = {
    "(": ")", "[": "]", "{": "}", "<": ">", "$": "$",
    '"': '"', "'": "'", "“": "”", "«": "»", "「": "」", "『": "』",
}  # fmt: skip
_DEEPEST = 3
_PAIRS = (("(", ")"), ("[", "]"), ("{", "}"))
_REMARK = re.compile(
    r"(?: ?[.,;:!] | ?[–—] ?| -{1,2} | ?(?=[(\[{])|,? (?=(?:because|since|as)\b))"
    r"([A-Za-z ,.;:!'\"“”()\[\]{}–—/&-]+)",
    FLAGS,
)
_SHORTCOMING = re.compile(
    r"\b(?:(?:(?:do|does|did|is|are|was|were)(?: not|n't)|not|no)"
    r"(?: (?:it|explicitly|specifically|directly|clearly|specific|explicit|clear|any|the|a)){0,3}"
    r" (?:mention|nam|includ|contain|stat|specif|describ|captur|creat|predict|match|align|relat"
    r"|mirror|relevan|based|inferr|support|action|keyword|link|connection)[a-z]*"
    r"|(?:partial|partially|partly|mostly|somewhat|roughly|close|near) (?:match|align|correct|right"
    r"|similar|relevan|related|logical)[a-z]*"
    r"|no (?:prediction|answer)"
    r"|but(?: (?:it|is|still|too|the)){0,2} (?:lack|miss|omit|vague|general|logical|without)[a-z]*)"
    r"\b",
    FLAGS,
)
# Phrases of the rubric.
_RUBRIC = re.compile(
    r"\b(?:logical enough but not the most possible|very logical and the most probable"
    r"|one modality)\b",
    FLAGS,
)
_TASK = re.compile(r"\btask ?[12]\b", FLAGS)


def _agreed(grammar: _Grammar[T], statements: Iterable[Statement]) -> T | None:
    """Return the value on which all statements of a kind agree; None if they do not."""
    own = [statement for statement in statements if statement.kind == grammar.kind]
    readings = {
        reading
        for statement in own
        if statement.binding
        for reading in _readings(grammar, statement.value)
    }
    if len(readings) != 1:
        return None
    reading = readings.pop()
    others = {_informal(grammar, statement.value) for statement in own if not statement.binding}
    return reading if others <= {reading, None} else None


def _readings(grammar: _Grammar[T], value: str) -> list[T | None]:
    """Return the meaning of a value, None if it is unclear; an empty list for a placeholder."""
    definite = _definite(grammar, value)
    if definite is not None:
        return [definite]
    rest = _after_placeholder(grammar, value)
    if rest is None:
        return [None]
    definite = _definite(grammar, rest.lstrip(": "))
    is_placeholder_only = definite is None and _ONLY_WORDS.fullmatch(_LISTED.sub("", rest))
    return [] if is_placeholder_only else [definite]


def _informal(grammar: _Grammar[T], value: str) -> T | None:
    definite = _definite(grammar, value)
    return grammar.informal.get(value.lower().strip(" .!'\"")) if definite is None else definite


def _definite(grammar: _Grammar[T], value: str, depth: int = _DEEPEST) -> T | None:
    """Return the unambiguous meaning of a value; None if there is none."""
    value = value.strip()
    if match := grammar.core.match(value):
        meaning = grammar.meanings[match[1].lower()]
        return meaning if _is_harmless(grammar, meaning, value[match.end() :]) else None
    closing = _BRACKETS.get(value[:1])
    if not closing or not depth:
        return None
    inner, closed, tail = value[1:].partition(closing)
    inside = _definite(grammar, inner, depth - 1) if closed else None
    if inside is not None and _is_harmless(grammar, inside, tail):
        return inside
    whole = value.rstrip(".,;!")
    return _definite(grammar, whole[1:-1], depth - 1) if whole.endswith(closing) else None


def _is_harmless(grammar: _Grammar[T], meaning: T, tail: str) -> bool:
    """Return whether the text after a value does not change its meaning."""
    if tail.strip(" ") in ("", ".", ",", ";", "!"):
        return True
    match = _REMARK.fullmatch(_TASK.sub("task", tail))
    if not match or ".." in tail or any(tail.count(a) != tail.count(b) for a, b in _PAIRS):
        return False
    remark = _RUBRIC.sub("aligned", match[1])
    if meaning != grammar.best:
        remark = _SHORTCOMING.sub("aligned", remark)
    words = words_in(remark)
    if grammar.restatements.get(" ".join(sorted(words))) == meaning:
        return True
    others = {grammar.meanings[other[1].lower()] for other in grammar.core.finditer(remark)}
    return not (words <= grammar.informal.keys() or any(map(is_hedge, words)) or others - {meaning})


# --- placeholders ---

_OPTION_ENDS = re.compile(r" ?(?:[/|,;]| or\b)+ ?", FLAGS)
_ENCLOSED = re.compile(r"[(\[<{]([^()\[\]<>{}]*)[)\]>}](.*)", FLAGS)
_RANGE = re.compile(r"0 ?[-–~] ?2|0 ?\.\. ?2|0 to 2|out of 2", FLAGS)
_PLACEHOLDER_NOUN = re.compile(
    r"\b(?:int|integers?|numbers?|digits?|scores?|ratings?|values?|orientations?|labels?|choices?"
    r"|options?|below|follows|final|revised|corrected|updated|task|choose|select|pick|insert|enter)\b",
    FLAGS,
)
_PLACEHOLDER = re.compile(
    rf"(?:(?:{_PLACEHOLDER_NOUN.pattern}|(?:choose|pick|select) one|one of|your|the|an?|of|from"
    r"|fill|in|here|put|provide|give|as|see|given|will|be|is|only|single|to|task ?[12]|scale|max)"
    r"(?:[ ,:.;/]{1,2}|$))*",
    FLAGS,
)
_LISTED = re.compile(r"\b(?:(?:choose|pick|select) one|one of:? )", FLAGS)
_ONLY_WORDS = re.compile(
    r"(?!.*\b(?:zero|one|two|three|both|good|neither|audio|speech)\b)[a-z ,.;:'()–—-]*", FLAGS
)


def _after_placeholder(grammar: _Grammar[T], value: str) -> str | None:
    """Return the text after a placeholder at the beginning of a value; None if there is none."""
    if match := _ENCLOSED.fullmatch(value):
        inner, rest = match[1].strip(), match[2].strip()
        known = not inner or _RANGE.fullmatch(inner) or _is_placeholder(grammar, inner)
        return rest if known else None
    listed, bracket, rest = value.partition(" (")
    return bracket + rest if not value or _is_placeholder(grammar, listed) else None


def _is_placeholder(grammar: _Grammar[T], text: str) -> bool:
    options = _OPTION_ENDS.split(_LISTED.sub("", text, count=1).strip(" ."))
    matches = [grammar.core.fullmatch(option.strip()) for option in options]
    meanings = {match and grammar.meanings[match[1].lower()] for match in matches}
    if meanings == set(grammar.meanings.values()):
        return True
    return bool(_PLACEHOLDER.fullmatch(text) and _PLACEHOLDER_NOUN.search(text))


# --- replies to the repair prompt ---

_BARE_LABEL = re.compile(
    rf"[ {re.escape(''.join(_BRACKETS))}]{{0,4}}{_ORIENTATION.core.pattern}", FLAGS
)
_QUOTES = "'\"“”"
_REPLY_BEGINS = re.compile(
    r"\A(?:[-+•] )?(?:(?:the|my|its|final|chosen|model's) ){0,3}"
    r"(?:(?:answer|choice|output|label|orientation|verdict) ?(?:[:=]|is:?) ?)?",
    FLAGS,
)


def _without_introduction(line: str) -> str:
    """Return a line of a reply without its introduction and unpaired quotes."""
    line = _REPLY_BEGINS.sub("", line)
    return line if _definite(_ORIENTATION, line) else line.strip(_QUOTES)
