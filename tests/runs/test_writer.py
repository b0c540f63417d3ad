"""Writing a run: accepted, replaced and refused data."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jasco.data.dataset import DataSet
from jasco.errors import InputError, RunConflictError
from jasco.protocol.clips import annotations_sha256, combined_sha256
from jasco.protocol.instructions import INSTRUCTIONS
from jasco.protocol.responses import Failure, Response
from jasco.protocol.verdicts import Attempt, Judgement, Orientation, Verdict
from jasco.runs.audio_manifest import AudioFacts
from jasco.runs.database import RunUnwritableError
from jasco.runs.reader import RunReader
from jasco.runs.schema import response_row, verdict_row
from jasco.runs.writer import RunWriter
from rows_of_runs import ANSWER, DATA, FAILED, JUDGEMENT, OTHER, add_answers, add_verdicts, spec
from runs import audio_sha256


def test_a_failure_gives_way_to_a_later_answer_and_an_answer_to_nothing(folder: Path) -> None:
    with RunWriter.open(folder) as run:
        run.set_data(DATA)
        model = add_answers(run, FAILED)
        assert run.responses(model, 0) == {1: FAILED}
        add_answers(run, Failure("server", "500"))
        assert run.responses(model, 0) == {1: Failure("server", "500")}
        add_answers(run, ANSWER)
        assert run.responses(model, 0) == {1: ANSWER}
        add_answers(run, FAILED, Response("another"))
        assert run.responses(model, 0) == {1: ANSWER}
        assert run.count_responses(model) == (1, 0)


def test_an_empty_answer_is_an_answer(folder: Path) -> None:
    with RunWriter.open(folder) as run:
        run.set_data(DATA)
        model = add_answers(run, Response("", "length"), ANSWER)
        assert run.responses(model, 0) == {1: Response("", "length")}
        assert run.count_responses(model) == (1, 1)


def test_a_failed_verdict_gives_way_and_a_given_one_stays(folder: Path) -> None:
    unreadable = Judgement(Verdict(None, Orientation.BOTH), (Attempt("verdict", "?"),))
    with RunWriter.open(folder) as run:
        run.set_data(DATA)
        model, judge = add_verdicts(run, FAILED)
        assert run.judgements(model, judge) == {}
        assert run.judged(model, "v2", 0) == set()
        assert run.verdict_counts(model, judge).verdicts == 0
        assert [reason.kind for reason in run.reasons(model, judge)] == ["timeout"]
        add_verdicts(run, unreadable)
        assert run.judgements(model, judge) == {("0", 1): (["?"], unreadable.verdict)}
        add_verdicts(run, JUDGEMENT, FAILED)
        assert run.judgements(model, judge) == {("0", 1): (["?"], unreadable.verdict)}
        assert run.judged(model, "v2", 0) == {(judge, 1, 0)}
        assert (run.verdict_counts(model, judge).verdicts, run.reasons(model, judge)) == (1, ())


def test_rows_are_written_all_or_none(folder: Path) -> None:
    with RunWriter.open(folder) as run:
        run.set_data(DATA)
        model = add_answers(run)
        row = response_row(model, 0, 1, ANSWER, 0.5)
        with pytest.raises(RunUnwritableError):
            run.commit([row, ("INSERT INTO nowhere VALUES (1)", ())])
        assert run.responses(model, 0) == {}


def test_other_data_is_refused_with_both_named_once_there_is_an_answer(folder: Path) -> None:
    with RunWriter.open(folder) as run:
        run.set_data(DATA)
        add_answers(run, ANSWER)
        run.set_data(DATA)
        with pytest.raises(RunConflictError, match=r"three .*other"):
            run.set_data(OTHER)


@pytest.mark.parametrize("answers", [(), (FAILED,)])
def test_a_run_in_which_nothing_was_done_takes_other_data(
    folder: Path, answers: tuple[Failure, ...]
) -> None:
    with RunWriter.open(folder) as run:
        run.set_data(DATA)
        model = add_answers(run, *answers)
        run.set_audio({"0": AudioFacts("/a", "x", 1.0, ())})
        run.set_data(OTHER)
        assert run.data() == OTHER
        assert run.fact("annotations_sha256") == annotations_sha256(OTHER.clips)
        assert run.covered == 0
        assert run.responses(model, 0) == {}
        assert audio_sha256(run) is not None  # of no clips yet
        assert run.widen(1) == 1


def test_another_model_is_refused_with_the_difference_named(folder: Path) -> None:
    with RunWriter.open(folder) as run:
        run.set_data(DATA)
        model = run.set_model(spec("m", temperature=0.0))
        run.commit([response_row(model, 0, 1, ANSWER, 0.5)])
        assert run.set_model(spec("m", temperature=0.0)) == model
        with pytest.raises(RunConflictError, match=r"\(temperature: 0\.0 in the run, 0\.7 now\)"):
            run.set_model(spec("m", temperature=0.7))
        with pytest.raises(RunConflictError, match="answers of p/m, not of p/n; use"):
            run.set_model(spec("n", temperature=0.0))


@pytest.mark.parametrize("answers", [(), (FAILED,)])
def test_a_run_without_an_answer_takes_another_model(
    folder: Path, answers: tuple[Failure, ...]
) -> None:
    with RunWriter.open(folder) as run:
        run.set_data(DATA)
        add_answers(run, *answers)
        model = add_answers(run, name="n")
        assert [label for _, label, _ in run.models()] == ["p/n"]
        assert run.count_responses(model) == (0, 0)


def test_another_protocol_is_refused_once_there_is_a_verdict(folder: Path) -> None:
    with RunWriter.open(folder) as run:
        run.set_data(DATA)
        add_verdicts(run, FAILED)
        run.set_protocol("v1")
        run.set_protocol("v2")
        add_verdicts(run, JUDGEMENT)
        with pytest.raises(RunConflictError, match="v2, not v1"):
            run.set_protocol("v1")


def test_other_audio_is_refused_once_there_is_an_answer(folder: Path) -> None:
    one, other = (AudioFacts("/a/0.wav", sha256, 1.0, ("resampled",)) for sha256 in "xy")
    with RunWriter.open(folder) as run:
        run.set_data(DATA)
        run.set_audio({"0": other})
        run.set_audio({"0": one})  # corrected before any answer
        add_answers(run, ANSWER)
        run.set_audio({"0": one, "1": other})
        with pytest.raises(RunConflictError, match=r"/a/0\.wav: the audio differs"):
            run.set_audio({"0": other})
        assert audio_sha256(run) is None  # clip 2 was never read
        assert run.count_converted_clips() == 2
        run.set_audio({"2": one})
        assert audio_sha256(run) == combined_sha256({"0": "x", "1": "y", "2": "x"})


def test_what_was_found_in_the_audio_is_kept_by_clip(folder: Path) -> None:
    plain = AudioFacts("/a/0.wav", "x", 1.0, ())
    clipped = AudioFacts("/a/1.wav", "y", 1.0, (), 7, ("silence only",))
    with RunWriter.open(folder) as run:
        run.set_data(DATA)
        run.widen(2)
        assert run.audio_findings() is None  # not examined
        run.set_audio({"0": plain, "1": plain, "2": clipped})
        assert run.audio_findings() == {}  # clip 2 is not covered
        run.set_audio({"1": clipped})
        assert run.audio_findings() == {"1": {"clipped": 7, "warnings": ["silence only"]}}
        run.widen(3)
        run.set_audio({"1": plain})
        assert list(run.audio_findings() or {}) == ["2"]
        run.set_data(DataSet("other", DATA.clips[:1]))  # no answer needs the first data set
        assert run.audio_findings() is None


def test_judges_stay_if_they_gave_a_verdict(folder: Path) -> None:
    with RunWriter.open(folder) as run:
        run.set_data(DATA)
        _, judge = add_verdicts(run, FAILED)
        run.add_judges([spec("k")])
        assert [label for _, label, _ in run.judges()] == ["p/k"]
        _, judge = add_verdicts(run, JUDGEMENT)
        run.add_judges([spec("k")])
        assert [label for _, label, _ in run.judges()] == ["p/j", "p/k"]
        assert run.add_judges([spec("j")]) == [judge]


def test_a_run_is_widened_and_never_narrowed(folder: Path) -> None:
    with RunWriter.open(folder) as run:
        assert [run.widen(clips) for clips in (2, 1, 3, 2)] == [2, 2, 3, 3]
        assert run.covered == 3


_WRITE_UNTIL_KILLED = """
import signal, sys
from pathlib import Path
from jasco.runs.writer import RunWriter
from rows_of_runs import ANSWER, DATA, add_answers
with RunWriter.open(Path(sys.argv[1])) as run:
    run.set_data(DATA)
    add_answers(run, ANSWER)
    print("ready", flush=True)
    signal.pause()
"""


def test_a_second_writer_is_refused_until_the_first_is_killed(folder: Path) -> None:
    program = [sys.executable, "-c", _WRITE_UNTIL_KILLED, str(folder)]
    paths = os.pathsep.join(sys.path)
    with subprocess.Popen(
        program, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": paths}
    ) as first:
        assert first.stdout
        assert first.stdout.readline() == b"ready\n"
        with pytest.raises(RunConflictError, match=f"process {first.pid} on "):
            RunWriter.open(folder)
        with RunReader.open(folder) as run:
            assert run.responses(1, 0) == {1: ANSWER}
        first.kill()
    with RunWriter.open(folder) as run:
        run.set_data(DATA)
        assert run.fact("holder") == f"process {os.getpid()} on {os.uname().nodename}"
        assert run.responses(1, 0) == {1: ANSWER}
    with RunReader.open(folder) as run:
        assert run.fact("holder") is None


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="--run"):
        RunWriter.open(tmp_path / "file")


# --- samples and instructions ---


def test_responses_and_verdicts_of_one_item_are_kept_by_sample(folder: Path) -> None:
    with RunWriter.open(folder) as run:
        run.set_data(DATA)
        model, judge = add_verdicts(run, JUDGEMENT)
        run.widen(3, 2)
        run.commit([response_row(model, 0, 1, Response("again"), 1.0, sample=1)])
        assert run.count_responses(model) == (2, 0)
        assert run.count_unjudged(model, judge, "v2") == 1
        assert run.judged(model, "v2", 0, 1) == set()
        run.commit([verdict_row(model, judge, "v2", 0, 0, 1, FAILED, 1.0, sample=1)])
        assert run.failures(model, judge, 1) == {("0", 1): FAILED}
        assert run.failures(model, judge) == {}
        run.commit([verdict_row(model, judge, "v2", 0, 0, 1, JUDGEMENT, 1.0, sample=1)])
        assert run.count_unjudged(model, judge, "v2") == 0
        assert run.judged(model, "v2", 0, 1) == {(judge, 1, 0)}
        assert run.verdict_counts(model, judge).verdicts == 2
        assert run.verdict_table(model, judge, 0, 1).tolist() == [[0, 1 + 4 * 2 + 2]]
        assert len(run.rows_of("verdicts", 0, 1, 1)) == 1


def test_the_number_of_samples_only_grows_unless_they_have_no_answer(folder: Path) -> None:
    with RunWriter.open(folder) as run:
        run.set_data(DATA)
        model = add_answers(run, ANSWER)
        assert run.samples == 1
        run.widen(3, 3)
        run.widen(3, 2)
        assert run.samples == 3
        run.commit([response_row(model, 0, 1, ANSWER, 1.0, sample=1)])
        run.narrow(3, 1)
        assert run.samples == 3
        run.narrow(3, 2)
        assert run.samples == 2


def test_instructions_are_stored_only_where_they_are_not_the_published_ones(folder: Path) -> None:
    with RunWriter.open(folder) as run:
        run.set_data(DATA)
        assert run.set_instructions(None) == INSTRUCTIONS
        assert run.set_instructions(INSTRUCTIONS) == INSTRUCTIONS
        assert run.fact("instructions") is None
        assert run.set_instructions(["What?", "Où?"]) == ("What?", "Où?")
        assert run.fact("instructions") == '["What?", "Où?"]'
        assert run.set_instructions(None) == ("What?", "Où?")
        assert run.set_instructions(INSTRUCTIONS) == INSTRUCTIONS
        assert run.fact("instructions") is None
        run.set_instructions(["What?"])
        add_answers(run, ANSWER)
        with pytest.raises(RunConflictError, match=r"'What\?' in the run, 'Why\?' given"):
            run.set_instructions(["Why?"])
