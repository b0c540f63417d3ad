"""Statements of a rating or an orientation in a judge's reply.

Conventions
-----------
A *statement* consists of a kind (``rating`` or ``orientation``) and the text of its value. It is
found on a separate line (``Rating: 2``), below a heading, in a table, in a member of a JSON object
or in an XML element. :mod:`jasco.protocol.verdict_parser` interprets the value.

A statement is *binding* if its form is explicit enough for a verdict. Other statements ("My rating
is 1", a bare label below a statement) can only contradict a verdict.

All functions run in linear time: runs of blanks are collapsed before any pattern is matched, and
repetitions are bounded, possessive or disjoint from what follows.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from jasco.protocol.plain_text import (
    FLAGS,
    kept_lines,
    plain_characters,
    plain_line,
    split_unfinished_thought,
)
from jasco.protocol.verdict_words import is_hedge, word_list, words_in


@dataclass(frozen=True, slots=True)
class Statement:
    """The kind and value of a statement, and whether it is binding."""

    kind: str
    value: str
    binding: bool = True


def find_statements(text: str) -> list[Statement]:
    """Return all statements in a judge's reply.

    Parameters
    ----------
    text : str
        The reply, including reasoning, quotations and markup.
    """
    answer, unfinished_thought = split_unfinished_thought(plain_characters(text))
    found = _statements(answer)
    thoughts = _statements(unfinished_thought)
    return found + [replace(statement, binding=False) for statement in thoughts]


def _statements(answer: str) -> list[Statement]:
    lines = kept_lines(answer)
    return [*_in_lines(lines), *_in_tables(lines), *_in_members("\n".join(lines))]


# --- statements in lines ---

_SIGN_OF_A_LIST = (
    "(?![❌❎✖✗✘⛔\U0001f6ab❓❔⁉])[-+•·‣–—\u2190-\u2bff\U0001f000-\U0001f8ff\U0001fa00-\U0001faff]"
)
_LIST_MARK = rf"(?:{_SIGN_OF_A_LIST} ?|[0-9]{{1,2}}[.)] ?|\([0-9]{{1,2}}\) ?|[a-z]\) )"
_FINAL = (
    r"(?:(?:final|revised|corrected|correct|updated|amended|adjusted|modified|reconsidered|changed"
    r"|new|overall|actual|definitive)[ _:,-]{0,2})"
)
_BRACKET = r"(?:\([^()]*\)|\[[^][]*\])"
_NAME = rf"[ \0]*{_LIST_MARK}{{0,3}}{_FINAL}{{0,2}}(rating|orientation)"
_SIGN = r"(?::=|==|[:=])"
_LINE = re.compile(rf"{_NAME} ?({_BRACKET}?) ?{_SIGN}(.*)", FLAGS)
_NAME_ALONE = re.compile(_NAME, FLAGS)
_NEXT_NAME = re.compile(
    rf"\b{_FINAL}{{0,2}}(?:(rating|orientation) ?({_BRACKET}?) ?{_SIGN}|explanation ?[12]? ?:)",
    FLAGS,
)
_ANY_NAME = re.compile(rf"{_NAME} ?{_BRACKET}? ?{_SIGN}|{_LIST_MARK}{{0,3}}explanation", FLAGS)
_CLOSING = {"(": ")", "[": "]", "{": "}", "$": "$"}
_HEADING = re.compile(rf"[ \0]*{_LIST_MARK}{{0,3}}(?:#|\*\*|__|<b>|<strong>)", FLAGS)
_RULE = re.compile(r" ?(?:-{2,}|={2,}) ?")
_ITEM_MARK = re.compile(r"\A[-+*•] ")
_OTHER_FORM = re.compile(r"\||\{ ?(?:[\"']|\Z)")  # a table or an object, which is parsed separately
_NUMBERED = re.compile(r"[0-9]{1,2}[.)] ")
_SHORT = 60
_NAMED = re.compile(r"rating|orientation", FLAGS)
_REMARK = re.compile(r"\([^()]*\)\.?")
_FEW_WORDS = re.compile(r"(?:[a-z0-9'.,!?…-]+ ?){1,3}", FLAGS)
_BOXED = re.compile(r"[ $]*\\boxed ?\{.*", FLAGS)

# Only lines that contain one of these words are examined.
_WORTH_A_LOOK = re.compile(
    r"rating|orientation|score|answer|choice|verdict|decision|label|conclusion|classification"
    r"|judge?ment|boxed|actually|correction|edit|update|reflection|thought|sorry|wait|instead|mea[nt]"
    r"|\b(?:rate|give|choose|pick|go|classif)",
    FLAGS,
)
_LEAD = rf"(?:(?:{'|'.join(word_list('lead_words.txt'))})[ ,:.!\]–—-]{{1,3}})"
_LINK = (
    r"(?: ?(?:[-=–—]{0,2}>|[:=→–—-])| (?:is|was|now|becomes|became|remains"
    r"|should|must|would|has|been|be|changed|lowered|raised|of|as|to|thus|therefore)\b){0,6}"
)
_SENTENCE = re.compile(
    rf"[^\w\s\"'“”«]{{0,4}} ?({_LEAD}{{0,8}})"
    rf"(?P<name>rating|score|orientation|answer|choice|verdict|decision|label|conclusion"
    rf"|classification|judge?ment){_LINK} ?(?P<value>\S.*)",
    FLAGS,
)
_KINDS = {"rating": "rating", "score": "rating", "orientation": "orientation"}
_OWN = re.compile(r"\b(?:my|final|revised|corrected?|updated|new|overall|actual)\b", FLAGS)
_CHOICE = re.compile(rf"[^\w\s\"'“”«]{{0,4}} ?((?:{_LEAD}){{1,8}}) ?(?P<value>\S.*)", FLAGS)
_CHOOSES = re.compile(
    r"\b(?:actually|correction|edit|update|reflection|thoughts?|sorry|wait|instead|meant?|rate|give"
    r"|choose|pick|classify|classified|go with)\b",
    FLAGS,
)
# At the end of a sentence: "However, Rating: 1".
_MENTION = re.compile(r"\b(rating|orientation) ?[:=]{1,2} ?(\S.{0,23})\Z", FLAGS)
_SENTENCE_ENDS = re.compile(r"(?<=[.!?;]) ")


def _in_lines(lines: Sequence[str]) -> Iterator[Statement]:
    for number, line in enumerate(lines):
        if not _WORTH_A_LOOK.search(line) or line.lstrip(" \0").startswith("|"):
            continue
        plain = plain_line(line)
        if found := _in_line(plain):
            *before, last = found
            yield from before
            yield from _with_lines_below(last, lines, number)
        elif _BOXED.fullmatch(line):
            yield from _of_either_kind(plain)
        elif match := _NAME_ALONE.fullmatch(plain):
            yield from _below_name(match[1].lower(), lines, number)
        else:
            yield from _in_sentences(plain)


def _in_line(line: str) -> list[Statement]:
    struck = "~~" in line  # unpaired, so the struck-out text is unclear
    match, binding = _LINE.fullmatch(line.lstrip("~ \0") if struck else line), True
    if not match and line.startswith(tuple("([{$")):
        match = _LINE.fullmatch(line[1:].rstrip(".,; ").removesuffix(_CLOSING[line[0]]))
        binding = line[0] in "{$"
    if not match:
        return []
    # Kind, bracket and value of consecutive statements; an explanation has no kind.
    parts = [match[1], match[2], *_NEXT_NAME.split(match[3])]
    parts[2:-1:3] = map(_trimmed, parts[2:-1:3])
    return [
        _statement(kind, f"~~{bracket}" if struck else bracket, value, binding)
        for kind, bracket, value in zip(parts[::3], parts[1::3], parts[2::3], strict=True)
        if kind
    ]


def _statement(kind: str, bracket: str, value: str, binding: bool) -> Statement:
    # "Rating (int): 2" is read as "Rating: (int) 2".
    return Statement(kind.lower(), f"{bracket} {value}".strip(), binding)


def _trimmed(value: str) -> str:
    return value.rstrip(" ,;|/&·•–—-").removesuffix(" and").rstrip(" ,;")


def _with_lines_below(last: Statement, lines: Sequence[str], number: int) -> Iterator[Statement]:
    value = last.value.replace("\0", "").strip()
    below = number + 1
    if not value and "\0" not in last.value:
        value, below = _value_below(lines, number, bool(_HEADING.match(lines[number])))
    elif value and below < len(lines) and (remark := _remark(lines[below])):
        value += remark
        below += 1
    yield replace(last, value=value)
    yield from _bare_line(last.kind, lines, below)


def _below_name(kind: str, lines: Sequence[str], number: int) -> Iterator[Statement]:
    underlined = number + 1 < len(lines) and bool(_RULE.fullmatch(lines[number + 1]))
    if underlined or _HEADING.match(lines[number]):
        value, below = _value_below(lines, number + underlined, heading=True)
        if _LIKE_A_VALUE.match(value):  # otherwise a section about ratings
            yield Statement(kind, value)
        yield from _bare_line(kind, lines, below)
    else:
        yield from _bare_line(kind, lines, number + 1)


def _value_below(lines: Sequence[str], number: int, heading: bool) -> tuple[str, int]:
    """Return the value below a line or heading, and the number of the line after the value."""
    below = number + 1
    if heading:
        below = _next_text(lines, below)
    text = lines[below].strip(" \0") if below < len(lines) else ""
    if _OTHER_FORM.match(text) or _ANY_NAME.match(plain_line(text)):
        return "", below
    if _NUMBERED.match(text):
        text = f"? {text}"  # possibly the first item of a list
    return plain_line(_ITEM_MARK.sub("", text, count=1)), below + 1


def _bare_line(kind: str, lines: Sequence[str], number: int) -> Iterator[Statement]:
    number = _next_text(lines, number)
    if number < len(lines) and len(lines[number]) <= _SHORT:
        text = plain_line(_ITEM_MARK.sub("", lines[number].strip(" \0"), count=1))
        if not _NUMBERED.match(text) and not _ANY_NAME.match(text):
            yield Statement(kind, text, binding=False)


def _next_text(lines: Sequence[str], number: int) -> int:
    while number < len(lines) and not lines[number].strip(" \0"):
        number += 1
    return number


def _remark(line: str) -> str:
    """Return a line as a remark on the statement above it, if it is in brackets or a hedge."""
    line = plain_line(line)
    if len(line) > _SHORT or _NAMED.search(line):
        return ""
    if _REMARK.fullmatch(line):
        return f" {line}"
    words = words_in(line)
    if not _FEW_WORDS.fullmatch(line) or words == {"neither"}:
        return ""
    doubtful = any(mark in line for mark in ("?", "…", "...")) or any(map(is_hedge, words))
    return f" ({line})" if doubtful else ""


def _in_sentences(line: str) -> Iterator[Statement]:
    """Yield the informal statements in the sentences of a line, which are not binding."""
    for sentence in _SENTENCE_ENDS.split(line):
        if _WORTH_A_LOOK.search(sentence):
            yield from _in_sentence(sentence)


def _in_sentence(sentence: str) -> Iterator[Statement]:
    if sentence.startswith(tuple(_CLOSING)):
        sentence = sentence[1:].rstrip(".").removesuffix(_CLOSING[sentence[0]])
    if match := _SENTENCE.fullmatch(sentence):
        if kind := _KINDS.get(match["name"].lower()):
            yield Statement(kind, match["value"], binding=False)
        elif _OWN.search(match[1]):
            yield from _of_either_kind(match["value"])
    elif (match := _CHOICE.fullmatch(sentence)) and _CHOOSES.search(match[1]):
        yield from _of_either_kind(match["value"])
    for match in _MENTION.finditer(sentence):
        yield _statement(match[1], "", match[2], binding=False)


def _of_either_kind(value: str) -> Iterator[Statement]:
    if not value.lower().startswith("good"):  # "My conclusion: good" is not a label
        yield Statement("rating", value, binding=False)
        yield Statement("orientation", value, binding=False)


# --- statements in tables ---

_DELIMITER = re.compile(r" ?\|? ?:?-+:? ?(?:\| ?:?-+:? ?)*+\|? ?")
_CELL_NAME = re.compile(rf"{_NAME} ?({_BRACKET}?) ?{_SIGN}?", FLAGS)
_LIKE_A_VALUE = re.compile(
    r"\W{0,3}[0-9]|.{0,24}(?:[0-9]|\b(?:oriented|both|good|neither|audio|speech|zero|one|two)\b)",
    FLAGS,
)


def _in_tables(lines: Sequence[str]) -> Iterator[Statement]:
    columns: dict[int, re.Match[str]] = {}
    in_table = False
    for line, next_line in zip(lines, [*lines[1:], ""], strict=True):
        if "|" not in line:
            columns, in_table = {}, False
            continue
        if _is_delimiter(line):
            continue
        cells = _cells(line)
        names = {n: match for n, cell in enumerate(cells) if (match := _CELL_NAME.fullmatch(cell))}
        row = _row(cells, names.get(0))
        if _is_delimiter(next_line):
            in_table = True
            columns = {} if row and _LIKE_A_VALUE.match(cells[1]) else names
            row = None if columns else row
        elif not in_table and not line.lstrip(" \0").startswith("|"):
            continue
        elif not row:
            for n, match in columns.items():
                if n < len(cells):
                    yield _statement(match[1], match[2], cells[n], binding=True)
        if row:
            yield row
        for cell in cells:
            yield from _in_line(cell)


def _is_delimiter(line: str) -> bool:
    return "|" in line and "-" in line and bool(_DELIMITER.fullmatch(line))


def _cells(line: str) -> list[str]:
    line = line.strip(" \0")
    inner = line[line.startswith("|") : len(line) - line.endswith("|")]
    return [plain_line(cell) for cell in inner.split("|")]


def _row(cells: Sequence[str], name: re.Match[str] | None) -> Statement | None:
    """Return the statement of a row that consists of a name, a value and remarks."""
    if len(cells) < 2 or not name:
        return None
    remarks = [cell for cell in cells[2:] if cell]
    value = cells[1] + (f" ({'; '.join(remarks)})" if remarks else "")
    return _statement(name[1], name[2], value, binding=True)


# --- statements in members of JSON objects, and in XML elements ---

_MEMBER = re.compile(
    rf"(?<![\\\w])([\"']) ?{_FINAL}{{0,2}}(rating|orientation) ?\1[ *_`]{{0,3}}[:=](?:"
    r"\s*+(?:\"([^\"\\\n]{0,300})\"|'([^'\\\n]{0,300})'"
    r"|(\[[^][\n]{0,300}\]|[-+.\w]{1,40}(?= ?[,}\]\n]|\Z)))"
    r"| ?([^,}\n]{0,300}))",
    FLAGS,
)
_ELEMENT = re.compile(r"<(rating|orientation)>\s?([^<>\n]{0,300})\s?</\1>", FLAGS)
_ESCAPE = re.compile(r"\\u([0-9a-f]{4})", FLAGS)
_MEMBERS_BEFORE = re.compile(
    r"[ `\0]*(?:(?:json5?|jsonc|javascript|js|python|yaml) )?"
    r"(?:[][{},]|[\"']\w{1,40}[\"'] ?[:=]|\Z)"
    rf"|{_LEAD}{{0,6}}(?:here is |here's )?{_LEAD}{{0,4}}(?:json|output|evaluation|assessment"
    rf"|result|judge?ment|verdict|answer)(?: is)? ?[:=]? ?`{{0,3}} ?[\[{{]",
    FLAGS,
)


def _in_members(text: str) -> Iterator[Statement]:
    if "\\u" in text:
        text = plain_characters(_ESCAPE.sub(_unescaped, text))
    line = end = 0
    for match in _MEMBER.finditer(text):
        line = text.rfind("\n", end, match.start()) + 1 or line
        end = match.end()
        value = next((group for group in match.groups()[2:] if group is not None), "")
        binding = bool(_MEMBERS_BEFORE.match(text, line, match.start()))
        yield _statement(match[2], "", plain_line(value), binding)
    for match in _ELEMENT.finditer(text):
        binding = text[match.start() - 1 : match.start()] in ("", "\n", ">")
        yield _statement(match[1], "", plain_line(match[2]), binding)


def _unescaped(escape: re.Match[str]) -> str:
    character = chr(int(escape[1], 16))
    return character if character.isprintable() and character not in "\"'\\" else escape[0]
