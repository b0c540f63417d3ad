"""Runs in progress, read again when they have grown."""

import itertools
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="needs the extra viewer")

from divided_runs import write_shards
from jasco.protocol.responses import Response
from jasco.protocol.verdicts import Attempt, Judgement, Orientation, Verdict
from jasco.reports.page.shown import Shown
from jasco.runs.schema import response_row, verdict_row
from jasco.runs.shards import Shard
from jasco.runs.writer import RunWriter
from jasco.viewer import refreshed
from jasco.viewer.live import Live

MakeRun = Callable[..., Path]


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the app read runs whenever they have changed."""
    monkeypatch.setattr(refreshed, "_PAUSE", 0.0)
    monkeypatch.setattr(refreshed, "_SHARE", 0.0)


def test_a_run_is_read_while_it_is_written(make_run: MakeRun, data: Path) -> None:
    run = make_run(answer=lambda _c, _n: None)
    messages: list[str] = []
    live_runs = Live([run], lambda _shown, notes: ("", repr(notes).encode()), messages.append)

    def write() -> None:
        with RunWriter.open(run) as store:
            [(model, *_)], [(judge, *_)] = store.models(), store.judges()
            for clip, number in itertools.product(range(4), range(1, 9)):
                judgement = Judgement(Verdict(1, Orientation.BOTH), (Attempt("verdict", "text"),))
                answered_row = response_row(model, clip, number, Response("said"), 1.0)
                judged = verdict_row(model, judge, "v2", 0, clip, number, judgement, 1.0)
                store.commit([answered_row, judged])

    thread = threading.Thread(target=write)
    thread.start()
    answered = {0}
    while thread.is_alive() or max(answered) < 32:
        runs = live_runs.now()
        answered |= {len(shown.items.answers) for shown in runs.shown.values()}
        assert set(runs.notes) <= {f"{run}: started, no answers yet"}
    assert messages == []


def test_the_latest_snapshot_does_not_wait_for_figures(make_run: MakeRun) -> None:
    run = make_run(answer=lambda clip, _: "said" if clip == 0 else None, judges={})
    rendered: list[int] = []

    def render(shown: Mapping[str, Shown], _notes: Sequence[str]) -> tuple[str, bytes]:
        rendered.append(len(shown))
        time.sleep(0.2)
        return "page", b""

    live_runs = Live([run], render, print)
    live_runs.now()
    make_run()
    began = time.monotonic()
    for _ in range(50):
        live_runs.latest()
    assert time.monotonic() - began < 0.15
    assert len(rendered) <= 2


def test_figures_are_made_at_most_every_few_seconds(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(answer=lambda clip, _: "said" if clip == 0 else None, judges={})
    rendered: list[int] = []
    monkeypatch.setattr(refreshed, "_PAUSE", 60.0)
    live_runs = Live(
        [run], lambda shown, _notes: (rendered.append(len(shown)), ("", b""))[1], print
    )
    live_runs.now()
    make_run()
    live_runs.now()
    assert len(rendered) == 1


def test_a_run_in_shards_is_read_again_when_a_shard_has_grown(tmp_path: Path) -> None:
    run = write_shards(tmp_path / "run")
    live_runs = Live([run], lambda _shown, _notes: ("", b""), print)
    [shown] = live_runs.now().shown.values()
    assert (len(shown.items.answers), len(shown.items.failures)) == (21, 3)
    with RunWriter.open(Shard(2, 2).folder(run)) as shard:
        shard.commit([response_row(1, 1, 8, Response("late"), 1.0)])
    [shown] = live_runs.now().shown.values()
    assert (len(shown.items.answers), len(shown.items.failures)) == (22, 2)
