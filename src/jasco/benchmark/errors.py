"""The three ways in which a command ends early, and how foreign text is quoted in a message.

Each message says what, where and what to do, in one line.
"""


class InputError(ValueError):
    """The user's input is wrong."""


class Refused(Exception):  # noqa: N818 - no error: what was asked for does not fit what is there
    """Doing this would harm what is there already."""


class CannotGoOn(Exception):  # noqa: N818 - no error: what was done is kept, and can be resumed
    """The world outside does not let us finish."""


def one_line(text: object, longest: int = 200) -> str:
    """Quote foreign text in a message: one line, printable, not too long."""
    line = " ".join(str(text)[: 4 * longest].split())
    line = "".join(character if character.isprintable() else "?" for character in line)
    return line if len(line) <= longest else line[: longest - 1] + "…"


def whole_text(text: str) -> str:
    """Replace lone surrogates, which no file and no database can hold."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
