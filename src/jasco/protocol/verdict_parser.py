"""The verdict parser, which reads the rating and the orientation in a judge's answer.

Conventions
-----------
:mod:`jasco.protocol.verdict_statements` finds the statements of an answer. The value of a statement
is *definite* (``2``, ``Both``), a *placeholder* (``(int)``, the echoed list of options) or unclear.
Placeholders are ignored. All other values must be definite and agree, else the answer is
unreadable: nothing is ever guessed.

A remark after a value, in brackets or after a dash, is harmless only if it is plain English
without a digit, without a question mark and without a hedge (``hedges.txt``).
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
    """Read a judge's answer to the judge prompt. Never raises, never guesses."""
    return _verdict(find_statements(text))


def read_constrained(text: str) -> Verdict:
    """Read an answer that the server constrained to :func:`verdict_schema`: a JSON object."""
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
    """Read the reply to the repair prompt: a line may also be the bare label, in quotes or not."""
    lines = map(_without_introduction, answer_lines(text))
    bare = [Statement("orientation", line) for line in lines if _BARE_LABEL.match(line)]
    return _agreed(_ORIENTATION, [*find_statements(text), *bare])


def read_rating(cell: str) -> int | None:
    """Read a rating that stands alone, as in a cell of a table."""
    return _definite(_RATING, plain_value(cell))


def read_orientation(cell: str) -> Orientation | None:
    """Read an orientation that stands alone, as in a cell of a table."""
    return _definite(_ORIENTATION, plain_value(cell))


def verdict_schema(both: str) -> dict[str, Any]:
    """Return the JSON schema of a verdict: the rubric's four lines, in its order.

    Parameters
    ----------
    both : str
        The protocol's label of an answer that rests on both cues.
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
    """How the values of a kind are written.

    Attributes
    ----------
    kind : str
        The kind of statement.
    core : re.Pattern
        Matches the beginning of a definite value; its first group names the meaning.
    meanings : mapping of str to T
        What the names mean, in lower case.
    restatements : mapping of str to T
        Remarks that only repeat a value: their words in alphabetical order.
    informal : mapping of str to T
        Names that are too informal to be read, and plain enough to contradict.
    best : T
        The value of an answer without a shortcoming. A remark on any other value may name one
        ("0 (does not mention the keyword)"); on this one it would leave doubt.
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
# The rubric's own words.
_RUBRIC = re.compile(
    r"\b(?:logical enough but not the most possible|very logical and the most probable"
    r"|one modality)\b",
    FLAGS,
)
_TASK = re.compile(r"\btask ?[12]\b", FLAGS)


def _agreed(grammar: _Grammar[T], statements: Iterable[Statement]) -> T | None:
    """Return the value that all statements of a kind agree on, if they do."""
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
    """Return the meaning of a value, or None where it is unclear; nothing of a placeholder."""
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
    """Return the unambiguous meaning of a value, if there is one."""
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
    """Return whether the text after a value leaves the value as it is."""
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
    """Return the text after the placeholder that a value begins with; None without one."""
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
    """Return a line of a reply without its introduction and without stray quotes."""
    line = _REPLY_BEGINS.sub("", line)
    return line if _definite(_ORIENTATION, line) else line.strip(_QUOTES)
