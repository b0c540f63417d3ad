"""The language model of the cascade: its prompts, its servers, and (slow) the real model."""

import queue
import random
import sys
from itertools import takewhile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jasco.backends.weights import SMOLLM2, find_weight
from jasco.models.cascade import language
from jasco.models.cascade.language import make_prompt
from jasco.protocol.instructions import INSTRUCTIONS
from jasco.protocol.responses import Failure, Response


def test_the_prompt_of_the_language_model() -> None:
    prompt = make_prompt(["Rain", "Water"], "Come in!", "What is going on?")
    turns = (prompt.clip + prompt.instruction).split("<|im_start|>")[1:]
    assert [turn.partition("\n")[0] for turn in turns] == [
        "system",
        *["user", "assistant"] * 3,
    ]
    assert turns[-2:] == [
        (
            'user\nSounds: Rain, Water\nSpeech: "Come in!"\nWhat is going on? '
            "Answer in one sentence.<|im_end|>\n"
        ),
        "assistant\n",
    ]
    assert all(turn.endswith("<|im_end|>\n") for turn in turns[:-1])
    assert prompt.clip == make_prompt(["Rain", "Water"], "Come in!", "Why?").clip
    assert make_prompt([], "", "What?").clip.endswith("user\nSounds: none\nSpeech: none\n")


@pytest.mark.parametrize("instruction", INSTRUCTIONS)
def test_no_instruction_begins_with_what_marks_the_end_of_a_part(instruction: str) -> None:
    prompt = make_prompt([], "", instruction)
    assert not prompt.instruction.startswith(language._OTHER)
    assert not prompt.clip.removeprefix(language._SHARED).startswith(language._OTHER)


class Server:
    def __init__(self, *replies: Any) -> None:
        self.replies = list(replies)
        self.asked: list[Any] = []

    def handle_completions(self, question: Any) -> Any:
        self.asked.append(question)
        reply = told("") if question["max_tokens"] == 0 else self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply


class CachingServer:
    """Keeps what a prompt has in common with the last one, as llama.cpp does, unless it fails.

    What it computes anew is one batch; it answers with the batches that the prompt was computed in.
    """

    def __init__(self) -> None:
        self.batches: list[str] = []
        self.fails = 0

    def handle_completions(self, question: Any) -> Any:
        pairs = zip("".join(self.batches), question["prompt"], strict=False)
        left = shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        kept = []
        for batch in self.batches:
            kept.append(batch[:left])
            left -= len(kept[-1])
        self.batches = [*filter(None, kept), question["prompt"][shared:]]
        if self.fails:
            self.fails -= 1
            self.batches = []
            raise RuntimeError("out of memory")
        return told(repr(self.batches))


def language_model(*servers: Any) -> language.LanguageModel:
    model = language.LanguageModel.__new__(language.LanguageModel)
    model._idle = queue.SimpleQueue()
    for server in servers:
        model._idle.put((server, ""))
    return model


PROMPT = make_prompt(["Rain"], "Come in!", "What?")


def reply(given: Any) -> tuple[Response | Failure, Server]:
    server = Server(given)
    return language_model(server).reply(PROMPT, 5, 0.0, 11), server


@pytest.mark.parametrize("servers", [1, 3])
@pytest.mark.parametrize("fails", [0, 1, 2, 3])
def test_an_answer_does_not_depend_on_what_was_asked_before(servers: int, fails: int) -> None:
    questions = [
        (make_prompt(tags, speech, instruction), 64, 0.0, 5)
        for tags, speech in ((["Rain"], "Come in!"), (["Rain"], "Come out!"), ([], ""))
        for instruction in INSTRUCTIONS
    ]
    alone = [language_model(CachingServer()).reply(*question) for question in questions]
    for order in (range(24), reversed(range(24)), random.Random(1).sample(range(24), 12)):
        llama = [CachingServer() for _ in range(servers)]
        model = language_model(*llama)
        for count, place in enumerate(order):
            if count == 6:
                llama[0].fails = fails
            answer = model.reply(*questions[place])
            assert answer == alone[place] or (fails and isinstance(answer, Failure))


def test_what_is_asked() -> None:
    model = language_model(server := Server(told("Yes."), told("Yes."), told("No.")))
    other = make_prompt(["Rain"], "Come in!", "Why?"), make_prompt(["Rain"], "Come out!", "Why?")
    for prompt in (PROMPT, *other):
        model.reply(prompt, 5, 0.5, 11)
    asked = [question.pop("prompt") for question in server.asked]
    shared = language._SHARED
    assert asked == [
        *(shared + "-", PROMPT.clip + "-", PROMPT.clip + PROMPT.instruction),
        *(PROMPT.clip + "-", other[0].clip + other[0].instruction),
        *(shared + "-", other[1].clip + "-", other[1].clip + other[1].instruction),
    ]
    questions = [options for options in server.asked if options["max_tokens"]]
    assert questions == [{"max_tokens": 5, "temperature": 0.5, "seed": 11}] * 3


def test_a_server_is_free_again_whatever_happens() -> None:
    given = RuntimeError("gone"), KeyError("odd"), {"error": {}}, MemoryError(), told("Yes.")
    model = language_model(Server(*given))
    kinds = []
    for _ in given:
        try:
            kinds.append(type(model.reply(PROMPT, 5, 0.0, 0)))
        except MemoryError:
            kinds.append(MemoryError)
    assert kinds == [Failure, Failure, Failure, MemoryError, Response]


def test_a_part_that_cannot_be_computed_is_not_built_upon() -> None:
    class Stuck(Server):
        def handle_completions(self, question: Any) -> Any:
            super().handle_completions(question)
            return {"error": {"message": "too long"}}

    failure = language_model(server := Stuck()).reply(PROMPT, 5, 0.0, 0)
    assert failure == Failure("rejected", "too long")
    assert len(server.asked) == 1


def test_servers_compute_in_one_order_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums are the same however many cores there are: one thread, one question at a time."""

    class Parameters:
        def __init__(self) -> None:
            self.model, self.cpuparams, self.cpuparams_batch = (SimpleNamespace() for _ in "abc")

    made: list[Any] = []
    library = SimpleNamespace(
        CommonParams=Parameters,
        Server=made.append,
        llama_flash_attn_type=SimpleNamespace(LLAMA_FLASH_ATTN_TYPE_DISABLED="off"),
    )
    monkeypatch.setitem(sys.modules, "xllamacpp", library)
    language.LanguageModel(Path("model.gguf"), 3)
    assert len(made) == 3
    for parameters in made:
        assert parameters.n_parallel == 1
        assert parameters.cpuparams.n_threads == parameters.cpuparams_batch.n_threads == 1
        assert parameters.flash_attn_type == "off"
        assert parameters.cache_ram_mib == 0
        assert parameters.n_gpu_layers == 0


def told(content: str | None) -> dict[str, Any]:
    return {
        "choices": [{"finish_reason": "length", "text": content}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12},
    }


def test_replies_become_responses_or_failures() -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 5}
    assert reply(told("Yes."))[0] == Response("Yes.", "length", usage)
    assert reply(told(""))[0] == Response("", "length", usage)
    assert reply(told(None))[0] == Response("", "length", usage)
    assert reply({"error": {"code": 400, "message": "too long"}})[0] == Failure(
        "rejected", "too long"
    )
    assert reply(RuntimeError("gone"))[0] == Failure("error", "RuntimeError: gone")
    assert isinstance(reply({"unknown": 1})[0], Failure)


def test_lone_surrogates_are_replaced_both_ways() -> None:
    response, _ = reply(told("a \udc00 \ud83d\ude00"))
    assert isinstance(response, Response)
    assert response.text == "a � 😀"
    prompt = make_prompt([], "b \ud800", "c \ud800")
    assert "b �" in prompt.clip
    assert "c �" in prompt.instruction


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_only_what_questions_share_is_kept_between_them(real_models: None) -> None:
    """Else how much is computed anew, and how it rounds, depends on what was asked before."""
    model = language.LanguageModel(find_weight(SMOLLM2) / next(iter(SMOLLM2.files)), 1)
    server, _ = model._idle.get()
    asked = []

    class Watched:
        def handle_completions(self, question: Any) -> Any:
            reply = server.handle_completions(question)
            usage = reply["usage"]
            tokens = usage["prompt_tokens"], usage["prompt_tokens_details"]["cached_tokens"]
            asked.append((question["max_tokens"], *tokens))
            return reply

    model._idle.put((Watched(), ""))
    for tags in (["Rain", "Water"], ["Rain"], []):
        for speech in ("Come in!", "Come", "- no", ""):
            for instruction in INSTRUCTIONS[:4]:
                assert isinstance(
                    model.reply(make_prompt(tags, speech, instruction), 2, 0.0, 0), Response
                )
    (_, shared, _), *rest = asked  # with the token that marks the end of a part
    clip = -1
    for max_tokens, tokens, kept in rest:
        if max_tokens:
            assert kept == clip - 1
        elif kept == shared - 1:
            clip = tokens
        else:
            assert tokens in (shared, clip)
    assert len(rest) == 12 * 2 + 36 + 48 - 1


@pytest.mark.slow
def test_an_overlong_conversation_is_rejected(real_models: None) -> None:
    model = language.LanguageModel(find_weight(SMOLLM2) / next(iter(SMOLLM2.files)), 1)
    reply = model.reply(make_prompt([], "word " * 3_000, "What?"), 4, 0.0, 0)
    assert isinstance(reply, Failure)
    assert reply.kind == "rejected"
    assert "context" in reply.message
