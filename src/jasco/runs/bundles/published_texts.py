"""Texts of a run that leave this machine: without keys, addresses and the paths of folders."""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from jasco.backends.secrets import is_secret_name, mask, mask_keys, mask_spec

_ADDRESS = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>,;)]*[^\s'\"<>,;):.]"
    r"|\b(?:\d{1,3}(?:\.\d{1,3}){3}|localhost)(?::\d{1,5})?\b"
)
_FOLDERS = re.compile(
    r"(?<![\w.:/\\~])(?:~?/(?:[^/\s:,;'\"()]+/)+|(?:[A-Za-z]:)?\\(?:[^\\\s:,;'\"()]+\\)+"
    r"|[A-Za-z]:[\\/](?:[^\\/\s:,;'\"()]+[\\/])*)"
)
_SHORTEST_KEY = 16  # of those in the environment: a shorter value may be a common word
_WHOLE = 1_000_000  # longer than any key, so that only whole keys are hidden


class PublishedTexts:
    """Removes from texts what must not leave this machine.

    Parameters
    ----------
    names : iterable of str
        The names of models and judges; of a name that is an absolute path, the last part is kept.
    folders : iterable of pathlib.Path or None
        Folders whose paths are removed from messages, even if they contain blanks.

    Attributes
    ----------
    masked : int
        Number of answers and judges' texts in which a key was hidden.
    """

    def __init__(self, names: Iterable[str], folders: Iterable[Path | None]) -> None:
        paths = {name: _last_part(name) for name in names}
        self._replaced = {path: part for path, part in paths.items() if part and part != path}
        known = [*filter(None, folders), Path.home(), Path.cwd()]
        self._folders = sorted(
            {f"{folder}{os.sep}" for folder in known if len(folder.parts) > 1},
            key=len,
            reverse=True,
        )
        self._keys = tuple(
            value
            for name, value in os.environ.items()
            if is_secret_name(name)
            and len(value) >= _SHORTEST_KEY
            and not Path(value).is_absolute()
        )
        self.masked = 0

    def verbatim(self, text: str) -> str:
        """Return what a model or judge wrote; only keys are hidden, and counted."""
        shown = mask_keys(mask(text, self._keys, shortest=_WHOLE))
        self.masked += shown != text
        return shown

    def message(self, text: str) -> str:
        """Return a message, or the name of a model or judge, without keys, addresses and paths."""
        for path, part in self._replaced.items():
            text = text.replace(path, part)
        for folder in self._folders:
            text = text.replace(folder, "")
        text = _ADDRESS.sub("ADDRESS", mask_spec(mask(text, self._keys, shortest=_WHOLE)))
        return _FOLDERS.sub("", text)

    def clean(self, value: Any) -> Any:
        """Apply :meth:`message` to all texts in a JSON value."""
        if isinstance(value, str):
            return self.message(value)
        if isinstance(value, Mapping):
            return {self.message(name): self.clean(part) for name, part in value.items()}
        return list(map(self.clean, value)) if isinstance(value, list | tuple) else value


def _last_part(name: str) -> str:
    if name.startswith("~") or PurePosixPath(name).is_absolute():
        return PurePosixPath(name).name
    return PureWindowsPath(name).name if PureWindowsPath(name).is_absolute() else name
