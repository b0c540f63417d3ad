"""Files with instructions: UTF-8, one instruction per line."""

from pathlib import Path

from jasco.errors import InputError
from jasco.protocol.instructions import checked_instructions


def read_instructions(path: Path) -> tuple[str, ...]:
    """Return the instructions in a file; blank lines are ignored.

    Raises
    ------
    InputError
        The file cannot be read, is not UTF-8, or an instruction in it is not valid.
    """
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8; save the file as UTF-8") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
    return checked_instructions([line for line in text.split("\n") if line.strip()], str(path))
