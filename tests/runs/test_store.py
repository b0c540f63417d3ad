"""The run: what may be written into it, and what may not."""

import multiprocessing
import os
import signal
import sqlite3
import threading
import time
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from jasco.backends.specs import Spec
from jasco.data.dataset import DataSet
from jasco.errors import InputError, RunConflictError
from jasco.protocol.clips import Clip, annotations_sha256, combined_sha256
from jasco.protocol.judgement import Attempt, Judgement
from jasco.protocol.responses import Failure, Response
from jasco.protocol.verdicts import Orientation, Verdict
from jasco.runs.schema import APPLICATION_ID, SCHEMA_VERSION, response_row, verdict_row
from jasco.runs.store import AudioFacts, RunUnwritableError, Store

CLIPS = tuple(Clip(str(n), f"rain {n}", "", "a", "b", "c", "犬") for n in range(3))
DATA = DataSet("three", CLIPS)
OTHER = DataSet("other", CLIPS[:2])
FAILED = Failure("timeout", "too late")
SAID = Response("they flee", "stop", {"completion_tokens": 3}, "model-7")
MARKED = Judgement(Verdict(2, Orientation.BOTH), (Attempt("verdict", "Rating: 2 …"),))


def spec(name: str, **options: Any) -> Spec:
    identity = {"provider": "p", "name": name, **options}
    return Spec("p", name, MappingProxyType({}), MappingProxyType(identity), f"p/{name}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "run"


def put(store: Store, *answers: Response | Failure, name: str = "m") -> int:
    model = store.hold_model(spec(name))
    store.widen(3)
    for answer in answers:
        store.commit([response_row(model, 0, 1, answer, 0.5)])
    return model


def mark(store: Store, *outcomes: Judgement | Failure) -> tuple[int, int]:
    model = put(store, SAID)
    [judge] = store.hold_judges([spec("j")])
    store.hold_protocol("v2")
    for outcome in outcomes:
        store.commit([verdict_row(model, judge, "v2", 0, 0, 1, outcome, 0.5)])
    return model, judge


# --- what is done stays done ---


def test_a_failure_gives_way_to_a_later_answer_and_an_answer_to_nothing(folder: Path) -> None:
    with Store.to_write(folder) as store:
        store.hold(DATA)
        model = put(store, FAILED)
        assert store.responses(model, 0) == {1: FAILED}
        put(store, Failure("server", "500"))
        assert store.responses(model, 0) == {1: Failure("server", "500")}
        put(store, SAID)
        assert store.responses(model, 0) == {1: SAID}
        put(store, FAILED, Response("another"))
        assert store.responses(model, 0) == {1: SAID}
        assert store.count_responses(model) == (1, 0, {})


def test_an_empty_answer_is_an_answer(folder: Path) -> None:
    with Store.to_write(folder) as store:
        store.hold(DATA)
        model = put(store, Response("", "length"), SAID)
        assert store.responses(model, 0) == {1: Response("", "length")}
        assert store.count_responses(model) == (1, 1, {})


def test_a_failed_verdict_gives_way_and_a_given_one_stays(folder: Path) -> None:
    unreadable = Judgement(Verdict(None, Orientation.BOTH), (Attempt("verdict", "?"),))
    with Store.to_write(folder) as store:
        store.hold(DATA)
        model, judge = mark(store, FAILED)
        assert list(store.verdicts(model, judge)) == []
        assert store.judged(model, "v2", 0) == set()
        assert store.count_verdicts(model, judge) == (0, {"timeout": 1})
        mark(store, unreadable)
        assert list(store.verdicts(model, judge)) == [(0, 1, unreadable.verdict)]
        mark(store, MARKED, FAILED)
        assert list(store.verdicts(model, judge)) == [(0, 1, unreadable.verdict)]
        assert store.judged(model, "v2", 0) == {(judge, 1, 0)}
        assert store.count_verdicts(model, judge) == (1, {})


def test_everything_is_there_when_it_is_opened_again(folder: Path) -> None:
    with Store.to_write(folder) as store:
        store.hold(DATA)
        model, judge = mark(store, MARKED)
    with Store.to_read(folder) as store:
        assert store.data() == DATA
        assert store.responses(model, 0) == {1: SAID}
        assert list(store.verdicts(model, judge)) == [(0, 1, MARKED.verdict)]
        assert [text for *_, text in store.judge_texts(model, judge)] == [
            [{"asked": "verdict", "text": "Rating: 2 …"}]
        ]
        assert store.models() == [(model, "p/m", {"provider": "p", "name": "m"})]


def test_rows_are_written_all_or_none(folder: Path) -> None:
    with Store.to_write(folder) as store:
        store.hold(DATA)
        model = put(store)
        good = response_row(model, 0, 1, SAID, 0.5)
        with pytest.raises(RunUnwritableError):
            store.commit([good, ("INSERT INTO nowhere VALUES (1)", ())])
        assert store.responses(model, 0) == {}


# --- what the run is about ---


def test_other_data_is_refused_with_both_named_once_there_is_an_answer(folder: Path) -> None:
    with Store.to_write(folder) as store:
        store.hold(DATA)
        put(store, SAID)
        store.hold(DATA)
        with pytest.raises(
            RunConflictError, match=r"holds the data set three .* this one is other"
        ):
            store.hold(OTHER)


@pytest.mark.parametrize("answers", [(), (FAILED,)])
def test_a_run_in_which_nothing_was_done_takes_other_data(
    folder: Path, answers: tuple[Failure, ...]
) -> None:
    with Store.to_write(folder) as store:
        store.hold(DATA)
        model = put(store, *answers)
        store.hold_audio({0: AudioFacts("/a", "x", 1.0, ())})
        store.hold(OTHER)
        assert store.data() == OTHER
        assert store.fact("annotations_sha256") == annotations_sha256(OTHER.clips)
        assert store.covered == 0
        assert store.responses(model, 0) == {}
        assert store.audio_sha256() is not None  # of no clips yet
        assert store.widen(1) == 1


def test_another_model_is_refused_with_the_difference_named(folder: Path) -> None:
    with Store.to_write(folder) as store:
        store.hold(DATA)
        model = store.hold_model(spec("m", temperature=0.0))
        store.commit([response_row(model, 0, 1, SAID, 0.5)])
        assert store.hold_model(spec("m", temperature=0.0)) == model
        with pytest.raises(RunConflictError, match=r"\(temperature: 0\.0 there, 0\.7 here\)"):
            store.hold_model(spec("m", temperature=0.7))
        with pytest.raises(
            RunConflictError, match=r"holds answers of p/m, not of p/n \(name: m there"
        ):
            store.hold_model(spec("n", temperature=0.0))


@pytest.mark.parametrize("answers", [(), (FAILED,)])
def test_a_run_without_an_answer_takes_another_model(
    folder: Path, answers: tuple[Failure, ...]
) -> None:
    with Store.to_write(folder) as store:
        store.hold(DATA)
        put(store, *answers)
        model = put(store, name="n")
        assert [label for _, label, _ in store.models()] == ["p/n"]
        assert store.count_responses(model) == (0, 0, {})


def test_another_protocol_is_refused_once_there_is_a_verdict(folder: Path) -> None:
    with Store.to_write(folder) as store:
        store.hold(DATA)
        mark(store, FAILED)
        store.hold_protocol("v1")
        store.hold_protocol("v2")
        mark(store, MARKED)
        with pytest.raises(RunConflictError, match="judged by protocol v2, not v1"):
            store.hold_protocol("v1")


def test_other_audio_is_refused_once_there_is_an_answer(folder: Path) -> None:
    one, other = (AudioFacts("/a/0.wav", sha256, 1.0, ("resampled",)) for sha256 in "xy")
    with Store.to_write(folder) as store:
        store.hold(DATA)
        store.hold_audio({0: other})
        store.hold_audio({0: one})  # mended before anything was spent on it
        put(store, SAID)
        store.hold_audio({0: one, 1: other})
        with pytest.raises(RunConflictError, match=r"/a/0\.wav: other audio than the run"):
            store.hold_audio({0: other})
        assert store.audio_sha256() is None  # clip 2 was never read
        assert store.treated_clips() == 2
        store.hold_audio({2: one})
        assert store.audio_sha256() == combined_sha256({"0": "x", "1": "y", "2": "x"})


def test_what_was_found_in_the_audio_is_kept_by_clip(folder: Path) -> None:
    plain = AudioFacts("/a/0.wav", "x", 1.0, ())
    odd = AudioFacts("/a/1.wav", "y", 1.0, (), 7, ("silence only",))
    with Store.to_write(folder) as store:
        store.hold(DATA)
        store.widen(2)
        assert store.audio_found() is None  # nobody has looked
        store.hold_audio({0: plain, 1: plain, 2: odd})
        assert store.audio_found() == {}  # clip 2 is not covered
        store.hold_audio({1: odd})
        assert store.audio_found() == {"1": {"clipped": 7, "warnings": ["silence only"]}}
        store.widen(3)
        store.hold_audio({1: plain})
        assert list(store.audio_found() or {}) == ["2"]
        store.hold(DataSet("other", DATA.clips[:1]))  # no answer hangs on the first data set
        assert store.audio_found() is None


def test_judges_stay_if_they_gave_a_verdict(folder: Path) -> None:
    with Store.to_write(folder) as store:
        store.hold(DATA)
        _, judge = mark(store, FAILED)
        store.hold_judges([spec("k")])
        assert [label for _, label, _ in store.judges()] == ["p/k"]
        _, judge = mark(store, MARKED)
        store.hold_judges([spec("k")])
        assert [label for _, label, _ in store.judges()] == ["p/j", "p/k"]
        assert store.hold_judges([spec("j")]) == [judge]


def test_a_run_is_widened_and_never_narrowed(folder: Path) -> None:
    with Store.to_write(folder) as store:
        assert [store.widen(clips) for clips in (2, 1, 3, 2)] == [2, 2, 3, 3]
        assert store.covered == 3


# --- one writer, many readers ---


def _hold_until_killed(folder: Path, ready: Any) -> None:
    with Store.to_write(folder) as store:
        store.hold(DATA)
        put(store, SAID)
        ready.set()
        signal.pause()


def test_a_second_writer_is_refused_until_the_first_is_killed(folder: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    ready = context.Event()
    writer = context.Process(target=_hold_until_killed, args=(folder, ready))
    writer.start()
    try:
        assert ready.wait(30)
        with pytest.raises(
            RunConflictError, match=f"process {writer.pid} on .* is writing to this run"
        ):
            Store.to_write(folder)
        with Store.to_read(folder) as store:
            assert store.responses(1, 0) == {1: SAID}
    finally:
        writer.kill()
        writer.join()
    with Store.to_write(folder) as store:
        store.hold(DATA)
        assert store.fact("holder") == f"process {os.getpid()} on {os.uname().nodename}"
        assert store.responses(1, 0) == {1: SAID}
    with Store.to_read(folder) as store:
        assert store.fact("holder") is None


def test_a_reader_writes_nothing(folder: Path) -> None:
    with Store.to_write(folder) as store:
        store.hold(DATA)
        put(store)
    with Store.to_read(folder) as store, pytest.raises(RunUnwritableError):
        store.commit([response_row(1, 0, 1, SAID, 0.5)])


def test_where_there_is_no_run_a_reader_makes_none(folder: Path) -> None:
    with pytest.raises(InputError, match="no run there"):
        Store.to_read(folder)
    assert not folder.exists()


# --- what lies there is something else ---


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(b"SQLite format 3\0" + b"x" * 4080, "broken, or not a run"), (b"text" * 99, "not a run")],
)
def test_a_broken_file_is_refused(folder: Path, content: bytes, complaint: str) -> None:
    folder.mkdir(parents=True)
    (folder / "run.db").write_bytes(content)
    for open_it in (Store.to_read, Store.to_write):
        with pytest.raises(RunConflictError, match=complaint):
            open_it(folder)
    assert (folder / "run.db").read_bytes() == content


@pytest.mark.parametrize(
    ("application", "version", "complaint"),
    [
        (7, SCHEMA_VERSION, "a database of something else"),
        (0, 0, "a database of something else"),
        (
            APPLICATION_ID,
            SCHEMA_VERSION + 1,
            f"made by a newer jasco .schema version {SCHEMA_VERSION + 1}",
        ),
    ],
)
def test_a_foreign_or_newer_file_is_refused_and_left_alone(
    folder: Path, application: int, version: int, complaint: str
) -> None:
    folder.mkdir(parents=True)
    connection = sqlite3.connect(folder / "run.db")
    connection.executescript(
        f"CREATE TABLE x (y); PRAGMA application_id = {application};"
        f"PRAGMA user_version = {version};"
    )
    connection.close()
    before = (folder / "run.db").read_bytes()
    for open_it in (Store.to_read, Store.to_write):
        with pytest.raises(RunConflictError, match=complaint):
            open_it(folder)
    assert (folder / "run.db").read_bytes() == before


def test_a_file_where_the_folder_should_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="file: a file; --run takes a folder"):
        Store.to_write(tmp_path / "file")


# --- what users may query ---

DOCUMENTED = {
    "facts": ("name", "value"),
    "clips": ("clip", "id", "sound", "speech", "audio_path", "audio_sha256", "treatments"),
    "models": ("model", "label", "identity"),
    "judges": ("judge", "label", "identity"),
    "responses": ("model", "clip", "instruction", "text", "failure_kind", "failure_message",
                  "finish_reason", "usage", "served", "seconds", "written_at"),
    "verdicts": ("model", "judge", "protocol", "repeat", "clip", "instruction", "rating",
                 "orientation", "failure_kind", "failure_message", "attempts", "seconds"),
}  # fmt: skip


def test_users_may_query_the_file_with_any_tool(folder: Path) -> None:
    with Store.to_write(folder) as store:
        store.hold(DATA)
        mark(store, MARKED)
        connection = sqlite3.connect(folder / "run.db")  # also while it is open
        for table, columns in DOCUMENTED.items():
            connection.execute(f"SELECT {', '.join(columns)} FROM {table}").fetchall()
        query = (
            "SELECT id, label, rating, orientation, json_extract(attempts, '$[0].text') "
            "FROM verdicts JOIN judges USING (judge) JOIN clips USING (clip)"
        )
        assert connection.execute(query).fetchall() == [("0", "p/j", 2, "Both", "Rating: 2 …")]
        assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        assert connection.execute("PRAGMA journal_mode").fetchone() != ("wal",)
        connection.close()


# --- another moment, another version ---


def test_a_reader_sees_one_moment_of_a_run_that_grows(folder: Path) -> None:
    with Store.to_write(folder) as store:
        store.hold(DATA)
        store.widen(2)
        model = put(store, SAID)
        reader = Store.to_read(folder)
        before = reader.count_responses(model)
        rows = [response_row(model, 1, 1, SAID, 0.5)]
        writing = threading.Thread(target=store.commit, args=(rows,))
        writing.start()
        time.sleep(0.2)
        assert reader.count_responses(model) == before
        reader.close()
        writing.join()
        with Store.to_read(folder) as later:
            assert later.count_responses(model) != before


def as_version_3(folder: Path) -> None:
    with sqlite3.connect(folder / "run.db") as run:
        run.execute("ALTER TABLE responses DROP COLUMN reasoning")
        run.execute("PRAGMA user_version = 3")


def as_version_2(folder: Path) -> None:
    as_version_3(folder)
    with sqlite3.connect(folder / "run.db") as run:
        for table in ("responses", "verdicts"):
            run.execute(f"ALTER TABLE {table} DROP COLUMN final")
        run.execute("PRAGMA user_version = 2")


def test_a_run_of_version_2_is_read_as_it_is_and_migrated_when_written_to(folder: Path) -> None:
    with Store.to_write(folder) as store:
        store.hold(DATA)
        model, judge = mark(store, MARKED)
        refused = Failure("rejected", "HTTP 400")
        rows = [response_row(model, 0, 2, refused, 1.0), response_row(model, 0, 3, FAILED, 1.0)]
        store.commit(rows)
    as_version_2(folder)
    before = (folder / "run.db").read_bytes()
    with Store.to_read(folder) as store:
        assert store.count_final(model) == 1
        assert store.responses(model, 0)[2] == Failure("rejected", "HTTP 400", final=True)
        assert store.judged(model, "v2", 0) == {(judge, 1, 0)}
    assert (folder / "run.db").read_bytes() == before
    with Store.to_write(folder) as store:
        assert store.count_final(model) == 1
        store.commit([response_row(model, 1, 1, Failure("content filter", "no", True), 1.0)])
        assert store.count_final(model) == 2
    assert (folder / "run-version-2.db").read_bytes()[:16] == b"SQLite format 3\0"
    with sqlite3.connect(folder / "run-version-2.db") as copy:
        assert copy.execute("PRAGMA user_version").fetchone() == (2,)
        assert copy.execute("SELECT count(*) FROM responses").fetchone() == (3,)
    with sqlite3.connect(folder / "run.db") as run:
        assert run.execute("PRAGMA user_version").fetchone() == (4,)


def test_a_run_of_version_3_is_read_as_it_is_and_keeps_reasoning_once_it_is_written_to(
    folder: Path,
) -> None:
    with Store.to_write(folder) as store:
        store.hold(DATA)
        model, _ = mark(store, MARKED)
        held = store.responses(model, 0)
    as_version_3(folder)
    before = (folder / "run.db").read_bytes()
    with Store.to_read(folder) as store:
        assert store.responses(model, 0) == held
    assert (folder / "run.db").read_bytes() == before
    thoughtful = Response("They flee.", reasoning="A siren.")
    with Store.to_write(folder) as store:
        store.commit([response_row(model, 1, 1, thoughtful, 1.0)])
        assert store.responses(model, 1)[1] == thoughtful
    with sqlite3.connect(folder / "run-version-3.db") as copy:
        assert copy.execute("PRAGMA user_version").fetchone() == (3,)
