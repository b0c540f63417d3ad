"""Whether a model can be asked without audio is known before its questions are asked."""

from pathlib import Path
from typing import Any

import pytest

from fake_providers import FakeModel
from jasco.data.dataset import read_data_set
from jasco.evaluation.job import Job
from jasco.evaluation.no_audio_check import NoAudioRefusedError
from jasco.evaluation.run_job import run_job
from jasco.protocol.clips import Item
from jasco.protocol.conditions import condition_of
from jasco.protocol.responses import Failure, Response
from jasco.runs.reader import RunReader
from jasco.runs.schema import SKIPPED_FACT
from synthetic import make_data


class Model(FakeModel):
    """A model whose first answer, that to the probe, is given."""

    accepts_no_audio = True
    probe: Response | Failure = Response("yes")

    async def answer(self, item: Item, audio: Any) -> Response | Failure:
        answered = await super().answer(item, audio)
        return self.probe if len(self.asked) == 1 else answered


@pytest.fixture
def job(tmp_path: Path) -> Job:
    data = read_data_set(make_data(tmp_path / "data", 2, seconds=0.02))
    return Job(tmp_path / "run", data, Model(), [], condition=condition_of("none"))  # type: ignore[arg-type]


def model_of(job: Job) -> Any:
    return job.model


def skipped(job: Job) -> str | None:
    with RunReader.open(job.run) as run:
        return run.fact(SKIPPED_FACT)


def test_a_model_that_accepts_no_audio_gets_none(job: Job) -> None:
    assert run_job(job, print)
    model = model_of(job)
    assert len(model.asked) == 1 + 16
    assert {*model.audio.values()} == {None}
    assert skipped(job) == ""


def test_a_model_that_does_not_declare_it_is_not_asked(job: Job) -> None:
    model_of(job).accepts_no_audio = False
    with pytest.raises(NoAudioRefusedError, match="accepts_no_audio"):
        run_job(job, print)
    assert not model_of(job).asked
    assert "accepts_no_audio" in (skipped(job) or "")


@pytest.mark.parametrize("kind", ["error", "rejected", "malformed", "no text"])
def test_a_failure_of_the_first_question_skips_the_condition(job: Job, kind: str) -> None:
    model_of(job).probe = Failure(kind, "audio is required")
    with pytest.raises(NoAudioRefusedError, match="audio is required"):
        run_job(job, print)
    assert len(model_of(job).asked) == 1


@pytest.mark.parametrize("kind", ["timeout", "connection", "server", "rate limit"])
def test_a_failure_that_says_nothing_about_the_audio_does_not(job: Job, kind: str) -> None:
    model_of(job).probe = Failure(kind, "busy")
    assert run_job(job, print)
    assert skipped(job) == ""
