"""Messages on stderr, and progress bars if stderr is a terminal."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # at run time, imported for a terminal only
    from rich.progress import Progress, TaskID

Style = Literal["plain", "error"]


def is_terminal() -> bool:
    """Return whether stderr is a terminal."""
    with suppress(AttributeError, ValueError):  # no stream, or a closed one
        return sys.stderr.isatty()
    return False


def write_line(line: str, style: Style = "plain") -> None:
    """Write a message to stderr; on a terminal, in colour and above the progress bars."""
    if not is_terminal():
        sys.stderr.write(f"jasco: {line}\n")
        return
    from rich.console import Console
    from rich.text import Text

    bars = _Bars.shown
    console = bars.console if bars else Console(stderr=True)
    prefix = "jasco: ", "bold red" if style == "error" else "bold cyan"
    console.print(Text.assemble(prefix, line), soft_wrap=True)


class Bar:
    """A progress bar; it shows nothing if stderr is not a terminal.

    Parameters
    ----------
    title : str
        The name of the task.
    total : float or None
        The amount of work; None if it is unknown.
    unit : str
        The unit of the work, in the plural; ``bytes`` are shown in a suitable multiple.
    """

    def __init__(self, title: str, total: float | None, unit: str) -> None:
        self._title, self._total, self._unit, self._done = title, total, unit, 0.0
        self._bars = _Bars.shown if is_terminal() else None
        self._task: TaskID | None = None
        if self._bars:
            self._task = self._bars.add_task(title, total=total, detail=self._count())

    def update(
        self, done: float, *, total: float | None = None, title: str = "", detail: str = ""
    ) -> None:
        """Update the completed work and, if given, the total, the title and the details."""
        self._done, self._total = done, total or self._total
        self._title = title or self._title
        if self._bars and self._task is not None:
            parts = [self._count(), detail]
            self._bars.update(
                self._task,
                completed=done,
                total=self._total,
                description=self._title,
                detail=", ".join(filter(None, parts)),
            )

    def end(self, *, stays: bool) -> None:
        """End the task; remove the bar from the display unless it ``stays``."""
        if self._bars and self._task is not None and not stays:
            self._bars.remove_task(self._task)

    def _count(self) -> str:
        if self._total is None or not self._bars:
            return ""
        if self._unit == "bytes":
            from rich.filesize import decimal

            return f"{decimal(int(self._done))}/{decimal(int(self._total))}"
        return f"{self._done:.0f}/{self._total:.0f} {self._unit}"


class _Bars:
    """The progress bars in one display, because a terminal can have only one live display."""

    shown: "Progress | None" = None
    _open = 0
    _lock = threading.Lock()

    @classmethod
    def open(cls) -> None:
        with cls._lock:
            cls._open += 1
            if cls.shown is None and is_terminal():
                cls.shown = _new_display()
                cls.shown.start()

    @classmethod
    def close(cls) -> None:
        with cls._lock:
            cls._open -= 1
            if cls.shown and not cls._open:
                cls.shown.stop()
                cls.shown = None


def _new_display() -> "Progress":
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24, complete_style="cyan", finished_style="green"),
        TextColumn("{task.fields[detail]}", markup=False),
        TimeElapsedColumn(),
        TextColumn("remaining:"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        redirect_stdout=False,
    )


@contextmanager
def progress_bar(
    title: str, total: float | None = None, unit: str = "", *, stays: bool = False
) -> Iterator[Bar]:
    """Show a progress bar for the duration of a block; it remains visible if it ``stays``."""
    _Bars.open()
    try:
        bar = Bar(title, total, unit)
        try:
            yield bar
        finally:
            bar.end(stays=stays)
    finally:
        _Bars.close()
