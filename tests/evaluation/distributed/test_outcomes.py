"""How work ended, as a value."""

import sqlite3
from typing import NoReturn

import pytest

from jasco.errors import IncompleteError, InputError, RunConflictError
from jasco.evaluation.distributed.outcomes import kept_in_this_process, outcome_of
from jasco.runs.locks import RunBusyError


def fail(error: BaseException) -> NoReturn:
    raise error


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (InputError("no"), "invalid"),
        (RunConflictError("no"), "refused"),
        (RunBusyError("no"), "refused"),
        (sqlite3.DatabaseError("no"), "refused"),
        (IncompleteError("no"), "incomplete"),
        (OSError("no"), "incomplete"),
    ],
)
def test_expected_errors_are_outcomes(error: Exception, state: str) -> None:
    assert outcome_of(lambda: fail(error)) == (state, "no")


def test_the_outcome_of_work_that_ends() -> None:
    assert outcome_of(lambda: True) == ("complete", "")
    assert outcome_of(lambda: False) == ("incomplete", "")
    assert outcome_of(lambda: fail(TimeoutError())) == ("incomplete", "TimeoutError")


def test_a_bug_is_an_outcome_with_its_traceback() -> None:
    state, message = outcome_of(lambda: bool(1 / 0))
    assert state == "error"
    assert "ZeroDivisionError" in message
    assert "Traceback" in message


def test_interruptions_and_chosen_errors_are_raised() -> None:
    with pytest.raises(KeyboardInterrupt):
        outcome_of(lambda: fail(KeyboardInterrupt()))
    with pytest.raises(RunBusyError):
        outcome_of(lambda: fail(RunBusyError("no")), but=RunBusyError)


def test_a_process_keeps_its_providers() -> None:
    assert kept_in_this_process() is kept_in_this_process()
