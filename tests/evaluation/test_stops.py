"""Several jobs are stopped together."""

import threading
import time

import pytest

from jasco.evaluation.stops import Stops


def test_the_job_in_progress_and_those_that_follow_are_stopped() -> None:
    stops, stopped = Stops(), list[str]()
    stops.check()
    stops.begun(lambda: stopped.append("first"))
    stops.begun(lambda: stopped.append("second"))
    stops.stop()
    assert stopped == ["second"]
    stops.begun(lambda: stopped.append("third"))
    assert stopped == ["second", "third"]
    with pytest.raises(KeyboardInterrupt):
        stops.check()


def test_a_job_that_has_just_ended_is_no_error() -> None:
    def fail() -> None:
        raise RuntimeError("the loop is closed")

    stops = Stops()
    stops.begun(fail)
    stops.stop()


def test_waiting_ends_when_the_jobs_are_stopped() -> None:
    stops = Stops()
    stops.wait(0.01)
    threading.Timer(0.05, stops.stop).start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        stops.wait(30)
    assert time.monotonic() - began < 10
