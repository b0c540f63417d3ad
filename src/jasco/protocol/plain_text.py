r"""The plain text of a judge's reply: without reasoning, quotations, markup and special tokens.

Quoted lines and struck-out text are ignored; a struck-out passage is replaced by ``\0``, so that no
value is read across it.

All functions run in linear time: runs of blanks are collapsed before any pattern is matched, and
repetitions are bounded, possessive or disjoint from what follows.
"""

import re

FLAGS = re.IGNORECASE | re.ASCII | re.DOTALL


def answer_text(text: str) -> str:
    """Return a reply in plain characters, without reasoning, code fences and special tokens."""
    return _FENCE.sub("", split_unfinished_thought(plain_characters(text))[0])


def answer_lines(text: str) -> list[str]:
    """Return the lines of a reply, without reasoning, quotations, struck-out text and markup."""
    answer, _ = split_unfinished_thought(plain_characters(text))
    return [plain_line(line).replace("\0", "").strip() for line in kept_lines(answer)]


def plain_value(text: str) -> str:
    """Return a single value in plain characters, without markup."""
    return plain_line(plain_characters(text)).strip()


# --- characters, reasoning, special tokens ---

# Unicode's default-ignorable code points, other format characters, and control characters other
# than white space.
_INVISIBLE = re.compile(
    "[\0-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u08e2"
    "\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff]+"
)
_LINE_END = re.compile("\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_BLANKS = re.compile(r"[^\S\n]+")
_PLAIN = str.maketrans("：＝\u2010\u2011‘’，。；！（）［］【】｛｝", ":=--'',.;!()[][]{}")

_THINKING = re.compile(r"</ ?(?:think|thinking|thought|reasoning) ?>|\[/THINK\]", FLAGS)
_THINKING_BEGINS = re.compile(
    r"(^ ?)?(?:<(?:think|thinking|thought|reasoning)>|\[THINK\])(?(1)| ?$)", FLAGS | re.MULTILINE
)

_END = (
    r"(?:<\|[^\s<>|]{1,40}\|>|<｜[^\s<>｜]{1,40}｜>|</s>|\[EOS\]|\[/?INST\]"
    r"|<(?:start_of_turn|end_of_turn|end_of_text|endoftext|eos|eot)>)"
)
# A model that continues after its turn writes the next role between two tokens, or at the end.
_ENDS = re.compile(rf"(?: ?{_END}(?:(?:assistant|model|system|user)(?= ?(?:<|\n|\Z)))?)++", FLAGS)
_LINE_IS_OVER = re.compile(r"[ *_`.]{0,8}(?:\n|\Z)")


def plain_characters(text: str) -> str:
    """Return a text with visible, half-width characters, single blanks and plain line ends."""
    text = _INVISIBLE.sub("", text).translate(_PLAIN)
    return _BLANKS.sub(" ", _LINE_END.sub("\n", text))


def split_unfinished_thought(text: str) -> tuple[str, str]:
    """Return the answer and, separately, unfinished reasoning at its end."""
    text = _ENDS.sub(_unless_within_a_line, _THINKING.split(text)[-1])
    if match := _THINKING_BEGINS.search(text):
        return text[: match.start()], text[match.end() :]
    return text, ""


def _unless_within_a_line(tokens: re.Match[str]) -> str:
    text, start, end = tokens.string, tokens.start(), tokens.end()
    at_line_start = start == 0 or text[start - 1] == "\n"
    return "" if at_line_start or _LINE_IS_OVER.match(text, end) else tokens[0]


# --- lines, quotations, markup ---

_QUOTED = re.compile(r"^ ?(?:(?:[-+*•]|[0-9]{1,2}[.)]) ){0,3}>[^\n]*", FLAGS | re.MULTILINE)
_FENCE = re.compile(r"^ ?(?:[-+*•] )?(?:`{3,}+|~{3,}+)[\w+.-]* ?(?:\n|\Z)", FLAGS | re.MULTILINE)
_STRIKE_TAG = re.compile(r"</?(?:del|strike)>", FLAGS)
_STRUCK = re.compile(r"(?<!~)~~(?![~\s])(?:[^~\n]|~(?!~)|\n(?! ?(?:\n|\Z)))*+(?<!\s)~~(?!~)")

_TAG = re.compile(
    r"</?(?:b|i|u|em|strong|code|p|br|span|div|li|answer|output|verdict)(?: ?/)?>", FLAGS
)
_MARK = re.compile(r"[*_`#\\<$]")
_MARKUP = re.compile(r"[*_`]+|^[ \0]*#{1,6}|\\(?=[][(){}*_`:#|.\\-])|\\$", FLAGS)
_SINGLE_STARS = re.compile(r"(?<!\*)(?!\A ?\* )\*(?!\*)")
_WRAPPED = re.compile(r"\\(?:boxed|text[a-z]{0,2}|math[a-z]{1,2}) ?\{([^{}]*)\}", FLAGS)
_DOLLARS = re.compile(r"\$\$+")


def kept_lines(answer: str) -> list[str]:
    """Return the lines of a reply that are not quotations, code fences or struck out."""
    text = _FENCE.sub("", _QUOTED.sub("", answer))
    if "~~" in (text := _STRIKE_TAG.sub("~~", text)):
        text = _STRUCK.sub(lambda struck: "\0" + "\n\0" * struck[0].count("\n"), text)
    return [line.strip() for line in text.split("\n")]


def plain_line(line: str) -> str:
    """Return a line or value without the markup of Markdown, HTML and LaTeX."""
    if not _MARK.search(line):
        return line.strip()
    if line.endswith(("*", "* ")) and len(_SINGLE_STARS.findall(line)) % 2:
        line = line.rstrip(" *") + "†"  # a footnote, which may retract the value
    if "\\" in line:
        line = _WRAPPED.sub(r"\1", _WRAPPED.sub(r"\1", line))
    line = _MARKUP.sub("", _TAG.sub(" ", line))
    return _BLANKS.sub(" ", _DOLLARS.sub("$", line)).strip()
