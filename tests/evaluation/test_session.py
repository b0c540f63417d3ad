"""A job on its run: recorded where it fits, refused before the first call where it does not."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from fake_providers import ALL_ITEMS, FakeJudge, FakeModel, fake_spec
from jasco.data.audio import file_sha256
from jasco.data.dataset import DataSet, read_data_set
from jasco.errors import InputError, RunConflictError
from jasco.evaluation.job import Job
from jasco.evaluation.run_job import run_job
from jasco.human.listening_study import CANNOT_TELL, Participant
from jasco.runs.read_run import results_of_run
from jasco.runs.reader import RunReader
from jasco.runs.writer import RunWriter
from runs import audio_sha256
from synthetic import tone, write_wav


def test_without_a_run_or_its_answers_there_is_nothing_to_judge(
    run_evaluation: Any, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="run not found"):
        run_evaluation(None, FakeJudge(), data=None)
    assert not (tmp_path / "run").exists()
    with pytest.raises(InputError, match="no answers"):
        run_evaluation(None, FakeJudge())


def test_a_run_that_was_killed_before_it_began_has_no_answers_to_judge(
    data: Path, tmp_path: Path
) -> None:
    with RunWriter.open(tmp_path / "run") as store:
        store.set_data(read_data_set(data))
        store.set_model(fake_spec("model"))
    with pytest.raises(InputError, match="no answers"):
        run_job(Job(tmp_path / "run", None, None, [FakeJudge()]), print)


def test_a_later_larger_limit_extends_the_run(run_evaluation: Any, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run_evaluation(FakeModel(), FakeJudge(), limit=1)
    assert results_of_run(run).data.clips == 1
    assert results_of_run(run).complete
    model = FakeModel()
    run_evaluation(model, FakeJudge(), limit=3)
    assert sorted(model.audio) == ALL_ITEMS[8:24]
    run_evaluation(FakeModel(), FakeJudge(), limit=2)
    assert results_of_run(run).data.clips == 3
    run_evaluation(FakeModel(), FakeJudge(), limit=99)
    assert results_of_run(run).data.items == 32


def test_a_model_that_uses_no_audio_needs_no_files(
    run_evaluation: Any, data: Path, tmp_path: Path
) -> None:
    for path in data.rglob("*.wav"):
        path.unlink()
    model = FakeModel(uses_audio=False)
    run_evaluation(model)
    assert set(model.audio.values()) == {None}
    with RunReader.open(tmp_path / "run") as store:
        assert audio_sha256(store) is None


def test_missing_audio_is_an_error_before_anything_is_asked(
    run_evaluation: Any, data: Path
) -> None:
    (data / "dataset" / "v0" / "3.wav").unlink()
    model = FakeModel()
    with pytest.raises(InputError, match=r"3\.wav: .*missing"):
        run_evaluation(model)
    assert model.audio == {}
    run_evaluation(model, limit=3)  # the clips before it are complete
    assert len(model.audio) == 24


def test_converted_clips_are_counted(run_evaluation: Any, data: Path, tmp_path: Path) -> None:
    path = data / "dataset" / "v0" / "2.wav"
    soundfile.write(path, np.stack([tone(2)] * 2, axis=1), 16_000)
    assert run_evaluation(FakeModel()) == ["converted to 16 kHz mono PCM16: 1 of 4 clips"]
    assert results_of_run(tmp_path / "run").answers.converted_clips == 1


def test_other_audio_is_refused(run_evaluation: Any, data: Path) -> None:
    run_evaluation(FakeModel(failing=[("0", 1)]))
    soundfile.write(data / "dataset" / "v0" / "1.wav", tone(9), 16_000)
    with pytest.raises(RunConflictError, match=r"1\.wav: the audio differs"):
        run_evaluation(FakeModel())


def test_what_is_hashed_are_the_bytes_that_are_decoded(
    run_evaluation: Any, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that changes whenever it is opened is refused, not recorded under a wrong hash."""
    path, versions = data / "dataset" / "v0" / "2.wav", itertools.count()
    open_original = Path.open

    def open_replaced(self: Path, *arguments: Any, **options: Any) -> Any:
        if self == path and arguments == ("rb",):
            write_wav(path, tone(50 + next(versions)))
        return open_original(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", open_replaced)
    with pytest.raises(RunConflictError, match=r"2\.wav: replaced"):
        run_evaluation(FakeModel())
    monkeypatch.undo()
    write_wav(path, tone(50))
    with RunReader.open(tmp_path / "run") as store:
        assert store.audio_files()["2"][1] == file_sha256(path)


def test_clipped_and_silent_clips_are_reported_and_counted(
    run_evaluation: Any, data: Path, tmp_path: Path
) -> None:
    folder = data / "dataset" / "v0"
    samples = tone(1)
    samples[100:105], samples[200:203] = 32767, -32768
    write_wav(folder / "1.wav", samples)
    write_wav(folder / "3.wav", np.concatenate([np.full(3, 32767, np.int16), tone(3)]))
    opposite = np.rint(-0.95 * tone(2)).astype(np.int16)
    soundfile.write(folder / "2.wav", np.stack([tone(2), opposite], axis=1), 16_000)
    assert run_evaluation(FakeModel(), limit=3) == [
        "converted to 16 kHz mono PCM16: 1 of 3 clips",
        "clipped samples: 1 of 3 clips (most: clip 1, 8 samples)",
        "channels cancel each other out: 1 of 3 clips (2)",
    ]
    answers = results_of_run(tmp_path / "run").answers
    assert answers.clipped == {"1": 8}
    assert answers.audio_warnings == {"channels cancel each other out": ["2"]}
    run_evaluation(FakeModel())
    answers = results_of_run(tmp_path / "run").answers
    assert answers.clipped == {"1": 8, "3": 3}


def test_other_data_models_and_protocols_are_refused(run_evaluation: Any, data: Path) -> None:
    run_evaluation(FakeModel(), FakeJudge())
    data_set = read_data_set(data)
    with pytest.raises(RunConflictError, match="data set synthetic"):
        run_evaluation(FakeModel(), data=DataSet("less", data_set.clips[:2], data_set.folder))
    with pytest.raises(RunConflictError, match="test/model, not of test/other"):
        run_evaluation(FakeModel("other"))
    with pytest.raises(RunConflictError, match="protocol v2, not v1"):
        run_evaluation(FakeModel(), FakeJudge(), protocol="v1")


def test_the_run_remembers_its_protocol(run_evaluation: Any, tmp_path: Path) -> None:
    run_evaluation(FakeModel(), FakeJudge(), protocol="v1")
    run_evaluation(None, FakeJudge("later"), data=None)
    assert results_of_run(tmp_path / "run").protocol == "v1"


def test_a_data_set_in_another_order_keeps_every_answer_with_its_clip(
    run_evaluation: Any, data: Path, tmp_path: Path
) -> None:
    run_evaluation(FakeModel(failing=[("0", 1)]))
    data_set = read_data_set(data)
    reversed_data_set = DataSet(data_set.name, data_set.clips[::-1], data_set.folder)
    model, judge = FakeModel(), FakeJudge()
    run_evaluation(model, judge, data=reversed_data_set)
    assert list(model.audio) == [("0", 1)]
    assert np.array_equal(model.audio["0", 1].samples, tone(0))
    assert judge.responses == {(clip, n): f"answer {clip} {n}" for clip, n in ALL_ITEMS}


def test_of_a_participant_one_item_per_clip_is_counted(data: Path, tmp_path: Path) -> None:
    participant = Participant.open(tmp_path, "Anna", read_data_set(data))
    for item in participant.items[:3]:
        participant.answer(item, CANNOT_TELL)
    judge = FakeJudge()
    run_job(Job(participant.folder, None, None, [judge]), print)
    assert sorted(judge.responses) == sorted(
        (item.clip.id, item.number) for item in participant.items[:3]
    )
    results = results_of_run(participant.folder)
    assert (results.single_prompt, results.complete) == (True, False)
    assert (results.answers.expected, results.answers.answered, results.data.items) == (4, 3, 4)
    assert results.figures.panel.coverage == 3 / 4
    participant.answer(participant.items[3], CANNOT_TELL)
    run_job(Job(participant.folder, None, None, [judge]), print)
    assert results_of_run(participant.folder).complete
    assert len(judge.responses) == 4
