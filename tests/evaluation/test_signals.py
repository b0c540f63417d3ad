"""SIGTERM interrupts once; a second one is ignored, because results are being saved."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from jasco.evaluation.signals import sigterm_interrupts
from processes import wait_for

SAVING = """
import asyncio, os, signal, sys, time
from jasco.evaluation.runner import stop_on_sigterm
from jasco.evaluation.signals import sigterm_interrupts

async def work():
    stop_on_sigterm()
    try:
        open(sys.argv[1], "w").write("started")
        await asyncio.sleep(60)
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0.05)
        print("saved", flush=True)

try:
    with sigterm_interrupts():
        asyncio.run(work())
except (KeyboardInterrupt, asyncio.CancelledError):
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.05)
    sys.exit(130)
"""


def test_the_first_signal_interrupts_and_further_ones_are_ignored() -> None:
    earlier = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(KeyboardInterrupt), sigterm_interrupts():
            os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, earlier)


def test_without_a_signal_the_earlier_handler_is_restored() -> None:
    earlier = signal.getsignal(signal.SIGTERM)
    with sigterm_interrupts():
        assert signal.getsignal(signal.SIGTERM) is not earlier
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # as asyncio does when its loop is closed
    assert signal.getsignal(signal.SIGTERM) is earlier


def test_outside_the_main_thread_nothing_is_done() -> None:
    earlier = signal.getsignal(signal.SIGTERM)
    handlers = []

    def work() -> None:
        with sigterm_interrupts():
            handlers.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert handlers == [earlier]


def test_a_second_signal_while_an_event_loop_ends_does_not_end_the_process(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SAVING, str(tmp_path / "started")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    wait_for(tmp_path / "started", "started")
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=30)[0] == "saved\n"
    assert process.returncode == 130
