"""How far a run is: a bar on the terminal, with rate, failures and time left."""

from typing import Self

from tqdm import tqdm

from jasco.benchmark.responses import Failure, Response
from jasco.judges.judge import Judgement


class Progress:
    """Counts calls; shows nothing where stderr is no terminal."""

    def __init__(self, calls: int) -> None:
        self._failed = 0
        self._unreadable = 0
        self._bar = tqdm(total=calls, unit="call", disable=None, smoothing=0.05, dynamic_ncols=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def see_beforehand(self, outcome: Response | Failure) -> None:
        """Take note of how a call ended that was not among those to make."""
        self._bar.total = (self._bar.total or 0) + 1
        self.see(outcome)

    def see(self, outcome: Response | Judgement | Failure) -> None:
        """Take note of how a call ended."""
        if isinstance(outcome, Failure):
            self._failed += 1
        elif isinstance(outcome, Judgement) and not outcome.verdict.readable:
            self._unreadable += 1
        if self._failed or self._unreadable:
            self._bar.set_postfix_str(
                f"{self._failed} failed, {self._unreadable} unreadable", refresh=False
            )
        self._bar.update()
