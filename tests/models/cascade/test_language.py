"""The language model of the cascade: prompts, servers, and (slow) the real model."""

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
from jasco.models.cascade.language import make_bare_prompt, make_prompt
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


def test_a_prompt_without_a_clip_is_the_instruction_alone() -> None:
    bare, other = make_bare_prompt("What?"), make_prompt([], "", "What?")
    assert bare.clip == language._SHARED
    assert bare.instruction == other.instruction


@pytest.mark.parametrize("instruction", INSTRUCTIONS)
def test_no_instruction_begins_with_the_mark_of_the_end_of_a_part(instruction: str) -> None:
    prompt = make_prompt([], "", instruction)
    assert not prompt.instruction.startswith(language._OTHER)
    assert not prompt.clip.removeprefix(language._SHARED).startswith(language._OTHER)


class Server:
    """Replies in turn; records the questions."""

    def __init__(self, *replies: Any) -> None:
        self.replies = list(replies)
        self.questions: list[Any] = []

    def handle_completions(self, question: Any) -> Any:
        self.questions.append(question)
        reply = completion("") if question["max_tokens"] == 0 else self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply


class CachingServer:
    """Keeps the common prefix of two successive prompts, as llama.cpp does, unless it fails.

    The rest of a prompt is one batch; it replies with the batches that the prompt was computed in.
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
        return completion(repr(self.batches))


def language_model(*servers: Any) -> language.LanguageModel:
    model = language.LanguageModel.__new__(language.LanguageModel)
    model._idle = queue.SimpleQueue()
    for server in servers:
        model._idle.put((server, ""))
    return model


PROMPT = make_prompt(["Rain"], "Come in!", "What?")


def reply(completion_or_error: Any) -> tuple[Response | Failure, Server]:
    server = Server(completion_or_error)
    return language_model(server).reply(PROMPT, 5, 0.0, 11), server


@pytest.mark.parametrize("servers", [1, 3])
@pytest.mark.parametrize("fails", [0, 1, 2, 3])
def test_an_answer_does_not_depend_on_earlier_questions(servers: int, fails: int) -> None:
    questions = [
        (make_prompt(tags, speech, instruction), 64, 0.0, 5)
        for tags, speech in ((["Rain"], "Come in!"), (["Rain"], "Come out!"), ([], ""))
        for instruction in INSTRUCTIONS
    ]
    questions[16:] = [(make_bare_prompt(instruction), 64, 0.0, 5) for instruction in INSTRUCTIONS]
    alone = [language_model(CachingServer()).reply(*question) for question in questions]
    for order in (range(24), reversed(range(24)), random.Random(1).sample(range(24), 12)):
        caching_servers = [CachingServer() for _ in range(servers)]
        model = language_model(*caching_servers)
        for count, number in enumerate(order):
            if count == 6:
                caching_servers[0].fails = fails
            answer = model.reply(*questions[number])
            assert answer == alone[number] or (fails and isinstance(answer, Failure))


def test_the_requests_to_the_server() -> None:
    model = language_model(
        server := Server(completion("Yes."), completion("Yes."), completion("No."))
    )
    other = make_prompt(["Rain"], "Come in!", "Why?"), make_prompt(["Rain"], "Come out!", "Why?")
    for prompt in (PROMPT, *other):
        model.reply(prompt, 5, 0.5, 11)
    prompts = [question.pop("prompt") for question in server.questions]
    shared = language._SHARED
    assert prompts == [
        *(shared + "-", PROMPT.clip + "-", PROMPT.clip + PROMPT.instruction),
        *(PROMPT.clip + "-", other[0].clip + other[0].instruction),
        *(shared + "-", other[1].clip + "-", other[1].clip + other[1].instruction),
    ]
    questions = [options for options in server.questions if options["max_tokens"]]
    assert questions == [{"max_tokens": 5, "temperature": 0.5, "seed": 11}] * 3


def test_a_server_is_idle_again_after_any_reply() -> None:
    replies = (
        RuntimeError("gone"),
        KeyError("odd"),
        {"error": {}},
        MemoryError(),
        completion("Yes."),
    )
    model = language_model(Server(*replies))
    kinds = []
    for _ in replies:
        try:
            kinds.append(type(model.reply(PROMPT, 5, 0.0, 0)))
        except MemoryError:
            kinds.append(MemoryError)
    assert kinds == [Failure, Failure, Failure, MemoryError, Response]


def test_a_failed_part_of_a_prompt_ends_the_question() -> None:
    class FailingServer(Server):
        def handle_completions(self, question: Any) -> Any:
            super().handle_completions(question)
            return {"error": {"message": "too long"}}

    failure = language_model(server := FailingServer()).reply(PROMPT, 5, 0.0, 0)
    assert failure == Failure("rejected", "too long")
    assert len(server.questions) == 1


def test_servers_compute_in_one_order_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums do not depend on the number of cores: one thread, one question at a time."""

    class Parameters:
        def __init__(self) -> None:
            self.model, self.cpuparams, self.cpuparams_batch = (SimpleNamespace() for _ in "abc")

    parameters_of_servers: list[Any] = []

    def server(parameters: Any) -> Server:
        parameters_of_servers.append(parameters)
        return Server()

    library = SimpleNamespace(
        CommonParams=Parameters,
        Server=server,
        llama_flash_attn_type=SimpleNamespace(LLAMA_FLASH_ATTN_TYPE_DISABLED="off"),
    )
    monkeypatch.setitem(sys.modules, "xllamacpp", library)
    language.LanguageModel(Path("model.gguf"), 3)
    assert len(parameters_of_servers) == 3
    for parameters in parameters_of_servers:
        assert parameters.n_parallel == 1
        assert parameters.cpuparams.n_threads == parameters.cpuparams_batch.n_threads == 1
        assert parameters.flash_attn_type == "off"
        assert parameters.cache_ram_mib == 0
        assert parameters.n_gpu_layers == 0
        assert parameters.fit_params is False


def completion(content: str | None) -> dict[str, Any]:
    return {
        "choices": [{"finish_reason": "length", "text": content}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12},
    }


def test_replies_become_responses_or_failures() -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 5}
    assert reply(completion("Yes."))[0] == Response("Yes.", "length", usage)
    assert reply(completion(""))[0] == Response("", "length", usage)
    assert reply(completion(None))[0] == Response("", "length", usage)
    assert reply({"error": {"code": 400, "message": "too long"}})[0] == Failure(
        "rejected", "too long"
    )
    assert reply(RuntimeError("gone"))[0] == Failure("error", "RuntimeError: gone")
    assert isinstance(reply({"unknown": 1})[0], Failure)


def test_lone_surrogates_are_replaced_both_ways() -> None:
    response, _ = reply(completion("a \udc00 \ud83d\ude00"))
    assert isinstance(response, Response)
    assert response.text == "a � 😀"
    prompt = make_prompt([], "b \ud800", "c \ud800")
    assert "b �" in prompt.clip
    assert "c �" in prompt.instruction


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_a_server_that_answered_nothing_can_be_deleted(real_models: None) -> None:
    model = language.LanguageModel(find_weight(SMOLLM2) / next(iter(SMOLLM2.files)), 2)
    del model


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_only_the_common_prefix_is_kept_between_questions(real_models: None) -> None:
    """Otherwise the size of a batch, and so its rounding, depends on earlier questions."""
    model = language.LanguageModel(find_weight(SMOLLM2) / next(iter(SMOLLM2.files)), 1)
    server, _ = model._idle.get()
    calls = []

    class RecordingServer:
        def handle_completions(self, question: Any) -> Any:
            reply = server.handle_completions(question)
            usage = reply["usage"]
            tokens = usage["prompt_tokens"], usage["prompt_tokens_details"]["cached_tokens"]
            calls.append((question["max_tokens"], *tokens))
            return reply

    model._idle.put((RecordingServer(), ""))
    for tags in (["Rain", "Water"], ["Rain"], []):
        for speech in ("Come in!", "Come", "- no", ""):
            for instruction in INSTRUCTIONS[:4]:
                assert isinstance(
                    model.reply(make_prompt(tags, speech, instruction), 2, 0.0, 0), Response
                )
    (_, shared, _), *rest = calls  # with the token that marks the end of a part
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
def test_an_answer_without_a_clip_does_not_depend_on_earlier_questions(real_models: None) -> None:
    weights = find_weight(SMOLLM2) / next(iter(SMOLLM2.files))
    bare, other = make_bare_prompt(INSTRUCTIONS[0]), make_bare_prompt(INSTRUCTIONS[4])
    clip = make_prompt(["Rain"], "Come in!", INSTRUCTIONS[0])
    expected = language.LanguageModel(weights, 1).reply(bare, 32, 0.0, 0)
    assert isinstance(expected, Response)
    model = language.LanguageModel(weights, 1)
    for earlier in (other, bare, clip, clip):
        model.reply(earlier, 32, 0.0, 0)
        assert model.reply(bare, 32, 0.0, 0) == expected


@pytest.mark.slow
def test_an_overlong_conversation_is_rejected(real_models: None) -> None:
    model = language.LanguageModel(find_weight(SMOLLM2) / next(iter(SMOLLM2.files)), 1)
    reply = model.reply(make_prompt([], "word " * 3_000, "What?"), 4, 0.0, 0)
    assert isinstance(reply, Failure)
    assert reply.kind == "rejected"
    assert "context" in reply.message
