"""Evaluations from the audio to the verdicts, with nothing done twice."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from fake_providers import ALL_ITEMS, FakeJudge, FakeModel
from jasco.data.dataset import DataSet
from jasco.errors import InputError, RunConflictError
from jasco.protocol.clips import Item
from jasco.protocol.responses import Failure
from jasco.protocol.verdicts import Judgement, Orientation, Verdict
from jasco.runs.read_run import results_of_run
from synthetic import tone

ON_CPU, ON_GPU = {"device": "cpu", "torch": "2"}, {"device": "cuda:0", "torch": "2"}


def test_every_item_is_answered_and_every_answer_judged(
    run_evaluation: Any, tmp_path: Path
) -> None:
    model, one, other = FakeModel(), FakeJudge("one"), FakeJudge("other")
    assert run_evaluation(model, one, other) == []
    assert sorted(model.audio) == ALL_ITEMS
    for (clip, _), audio in model.audio.items():
        assert audio is not None
        assert np.array_equal(audio.samples, tone(int(clip)))
    expected = {(clip, number): f"answer {clip} {number}" for clip, number in ALL_ITEMS}
    assert one.responses == other.responses == expected
    assert model.closed
    assert one.closed
    results = results_of_run(tmp_path / "run")
    assert results.complete
    assert results.figures.judges["test/one"].best_mean.value == 1


def test_the_same_command_again_does_nothing(run_evaluation: Any) -> None:
    run_evaluation(FakeModel(), FakeJudge())
    model, judge = FakeModel(), FakeJudge()
    run_evaluation(model, judge)
    assert model.audio == {}
    assert judge.responses == {}


def test_answers_may_be_judged_later_without_the_data(run_evaluation: Any, tmp_path: Path) -> None:
    run_evaluation(FakeModel())
    judge = FakeJudge()
    run_evaluation(None, judge, data=None)
    assert sorted(judge.responses) == ALL_ITEMS
    later = FakeJudge("later")
    run_evaluation(None, later, data=None)
    assert list(results_of_run(tmp_path / "run").judges) == ["test/judge", "test/later"]


def test_clips_longer_than_the_model_takes_are_reported_and_counted(
    run_evaluation: Any, data: Path, tmp_path: Path
) -> None:
    path = data / "dataset" / "v0" / "2.wav"
    soundfile.write(path, tone(2, 3.5), 16_000)
    assert run_evaluation(FakeModel(max_audio_seconds=3.5), limit=3) == []  # exactly the limit
    [message] = run_evaluation(FakeModel(max_audio_seconds=3.0))
    assert message.startswith("clips longer than 3 s: 1 of 4")
    assert "test/model" in message
    answers = results_of_run(tmp_path / "run").answers
    assert (answers.max_audio_seconds, answers.cut_clips) == (3.0, 1)


def test_each_runtime_is_recorded_once(run_evaluation: Any, tmp_path: Path) -> None:
    assert run_evaluation(FakeModel(), limit=1) == []
    for facts, clips in ((ON_CPU, 2), (ON_CPU, 3), (ON_GPU, 4)):
        run_evaluation(FakeModel(facts=facts), limit=clips)
    assert results_of_run(tmp_path / "run").answers.runtime == [ON_CPU, ON_GPU]


def test_audio_that_is_replaced_before_the_preflight_is_not_used_in_it(
    run_evaluation: Any, data: Path
) -> None:
    class ReplacingModel(FakeModel):
        async def prepare(self, data_set: DataSet) -> None:
            (data / "dataset" / "v0" / "0.wav").write_bytes(b"RIFF, half written")

    model = ReplacingModel()
    with pytest.raises(RunConflictError, match=r"0\.wav: replaced"):
        run_evaluation(model)
    assert model.audio == {}


def test_answers_that_the_model_disowns_are_refused(run_evaluation: Any) -> None:
    class DisowningModel(FakeModel):
        def disowns(self, item: Item, text: str) -> bool:
            return item.number == 5

    run_evaluation(FakeModel())
    with pytest.raises(RunConflictError, match="clip 0, instruction 5"):
        run_evaluation(DisowningModel())


def test_what_the_judge_raises_ends_the_command_and_keeps_the_rest(
    run_evaluation: Any, tmp_path: Path
) -> None:
    class FailingJudge(FakeJudge):
        async def judge(self, item: Item, *_: Any) -> Judgement | Failure:
            if item.clip.id == "2":
                raise InputError("the key is wrong")
            return Judgement(Verdict(1, Orientation.BOTH), ())

    with pytest.raises(InputError, match="the key is wrong"):
        run_evaluation(FakeModel(), FailingJudge())
    model, judge = FakeModel(), FakeJudge()
    run_evaluation(model, judge)
    assert results_of_run(tmp_path / "run").complete
    assert set(model.audio).isdisjoint(ALL_ITEMS[:8])
