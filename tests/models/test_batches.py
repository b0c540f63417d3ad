"""Batches of the models that run in this process."""

import asyncio
import threading
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from jasco.backends.specs import parse_spec
from jasco.data.audio import Audio
from jasco.models.batches import BatchedModel, Question, choose_batch
from jasco.protocol.responses import Failure, Response
from outcomes import texts


def clip(seconds: float) -> Audio:
    return Audio(np.zeros(round(seconds * 16_000), np.int16))


def chosen(size: int, *clips: tuple[Audio | None, int]) -> list[int]:
    """Return the batch of so many questions about each clip."""
    questions = [Question(audio, "?") for audio, number in clips for _ in range(number)]
    return choose_batch(questions, size, lambda one: one.audio is None)


def test_the_questions_about_the_clip_of_the_oldest_question_come_first() -> None:
    one, other = clip(1), clip(1)
    questions = [Question(audio, "?") for audio in (one, other) * 8]
    assert choose_batch(questions, 8, lambda _: None) == [0, 2, 4, 6, 8, 10, 12, 14]


def test_clips_of_the_most_similar_length_share_a_batch() -> None:
    assert chosen(4, (clip(5), 2), (clip(20), 2), (clip(7), 2)) == [0, 1, 4, 5]


def test_a_batch_has_whole_clips_where_possible() -> None:
    # The clip of the most similar length does not fit.
    assert chosen(5, (clip(5), 2), (clip(5), 4), (clip(20), 3)) == [0, 1, 6, 7, 8]


def test_a_batch_is_filled_with_some_of_the_questions_about_a_clip() -> None:
    assert chosen(8, (clip(5), 6), (clip(9), 8), (clip(6), 8)) == [*range(6), 14, 15]


def test_a_clip_with_more_questions_than_a_batch_is_answered_in_their_order() -> None:
    assert chosen(8, (clip(5), 24), (clip(5), 8)) == [*range(8)]


@pytest.mark.parametrize("first", [None, clip(1)])
def test_a_batch_has_audio_for_all_questions_or_for_none(first: Audio | None) -> None:
    second = None if first else clip(1)
    assert chosen(8, (first, 1), (second, 3), (first, 2)) == [0, 4, 5]


def test_a_batch_is_never_larger_than_its_size_and_holds_the_oldest_question() -> None:
    rng = np.random.default_rng(0)
    clips = [clip(seconds) for seconds in rng.uniform(1, 9, 9)]
    for size in range(1, 20):
        questions = [Question(clips[number], "?") for number in rng.integers(9, size=30)]
        batch = choose_batch(questions, size, lambda _: None)
        assert len(batch) == len(set(batch)) == size
        assert batch[0] == 0


class Blocked(BatchedModel):
    """A model that is busy with its first batch until it is released, and records its batches."""

    NAME = "NAME"

    def load(self) -> None:
        self.batches: list[list[str]] = []
        self.is_busy, self.released = threading.Event(), threading.Event()

    def answer_batch(self, questions: Sequence[Question]) -> list[Response]:
        self.batches.append([question.prompt for question in questions])
        self.is_busy.set()
        assert self.released.wait(10)
        return [Response(question.prompt) for question in questions]


def test_questions_that_arrive_while_the_model_is_busy_share_a_batch() -> None:
    model, audio = Blocked(parse_spec("python/name", Blocked), 8), clip(1)
    model.load()

    async def answer(prompt: str) -> Response | Failure:
        item: Any = SimpleNamespace(instruction=prompt, sample=0)
        return await model.answer(item, audio)

    async def answer_all() -> list[Response | Failure]:
        calls = [asyncio.create_task(answer("0"))]
        await asyncio.to_thread(model.is_busy.wait, 10)
        for prompt in "1234":
            calls.append(asyncio.create_task(answer(prompt)))
            await asyncio.sleep(0.005)
        model.released.set()
        return await asyncio.gather(*calls)

    assert texts(asyncio.run(answer_all())) == [*"01234"]
    assert model.batches == [["0"], ["1", "2", "3", "4"]]
    asyncio.run(model.close())


def test_a_cancelled_call_affects_no_other() -> None:
    model, audio = Blocked(parse_spec("python/name", Blocked), 2), clip(1)
    model.load()

    async def answer_all() -> list[Response | Failure]:
        calls = []
        for prompt in "0123":
            item: Any = SimpleNamespace(instruction=prompt, sample=0)
            calls.append(asyncio.create_task(model.answer(item, audio)))
        await asyncio.to_thread(model.is_busy.wait, 10)
        calls[0].cancel()  # its batch is being answered
        calls[2].cancel()  # it waits
        await asyncio.sleep(0)
        model.released.set()
        return await asyncio.gather(calls[1], calls[3])

    assert texts(asyncio.run(answer_all())) == ["1", "3"]
    assert model.batches == [["0", "1"], ["3"]]


def test_an_error_outside_the_model_reaches_the_calls() -> None:
    class Broken(Blocked):
        def group_of(self, question: Question) -> None:
            raise LookupError(question.prompt)

    model = Broken(parse_spec("python/name", Broken), 2)
    item: Any = SimpleNamespace(instruction="0", sample=0)
    with pytest.raises(LookupError):
        asyncio.run(asyncio.wait_for(model.answer(item, clip(1)), 10))


def test_calls_to_a_closed_model_end() -> None:
    model = Blocked(parse_spec("python/name", Blocked), 2)
    item: Any = SimpleNamespace(instruction="0", sample=0)

    async def answer() -> None:
        await model.close()
        await asyncio.wait_for(model.answer(item, clip(1)), 10)

    with pytest.raises(RuntimeError):
        asyncio.run(answer())


def test_no_call_waits_forever_after_an_unexpected_error(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Blocked(parse_spec("python/name", Blocked), 1)

    def fail(_questions: Sequence[Question]) -> list[Response]:
        raise OSError("broken")

    monkeypatch.setattr(model, "_answer", fail)

    async def ask() -> list[Any]:
        item: Any = SimpleNamespace(instruction="?", sample=0)
        calls = [model.answer(item, clip(1)) for _ in range(3)]
        return await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 5)

    assert [type(each) for each in asyncio.run(ask())] == [OSError] * 3
