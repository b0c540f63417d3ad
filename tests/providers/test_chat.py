"""What the client makes of what a server answers; for whole runs, see test_faults."""

import asyncio

import pytest
from chat_server import NO_ANSWER, ChatServer, Serve
from tenacity import wait_none

from jasco.benchmark.responses import Failure
from jasco.providers import chat
from jasco.providers.specs import open_spec

SECRET = "sk-5ecret-Ahx7"


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "_BACKOFF", wait_none())
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)


def failed(server: ChatServer, options: str = "") -> Failure:
    async def go() -> Failure:
        client = chat.ChatClient(
            open_spec("judge", f"openai/m,base_url={server.url}{options}").spec
        )
        try:
            outcome = await client.ask([{"role": "user", "content": "What is it?"}])
        finally:
            await client.close()
        assert isinstance(outcome, Failure)
        return outcome

    return asyncio.run(go())


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_an_input_that_is_refused_is_a_final_failure(serve: Serve, status: int) -> None:
    server = serve(status=status, error="too long")
    failure = failed(server)
    assert (failure.kind, failure.final) == ("rejected", True)
    assert "too long" in failure.message
    assert len(server.requests()) == 1


@pytest.mark.parametrize("status", [402, 405, 410])
def test_what_is_refused_for_other_reasons_is_not_final(serve: Serve, status: int) -> None:
    failure = failed(serve(status=status))
    assert (failure.kind, failure.final) == ("rejected", False)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("error as finish reason", "error"),
        ("error in the choice", "error"),
        ("error beside the choices", "error"),
        ("choice of another index", "malformed"),
        ("null as content", "malformed"),
    ],
)
def test_what_a_repeat_may_mend_is_repeated_and_never_final(
    serve: Serve, fault: str, kind: str
) -> None:
    server = serve(faults=1.0, kinds=(fault,))
    failure = failed(server)
    assert (failure.kind, failure.final) == (kind, False)
    assert len(server.requests()) == chat.ATTEMPTS


@pytest.mark.parametrize(("options", "greedy"), [("", True), (",temperature=0.7", False)])
@pytest.mark.parametrize("fault", NO_ANSWER)
def test_what_comes_again_is_asked_once_and_final_where_it_is_sure_to_come_again(
    serve: Serve, fault: str, options: str, *, greedy: bool
) -> None:
    server = serve(faults=1.0, kinds=(fault,))
    failure = failed(server, options)
    assert failure.kind == NO_ANSWER[fault]
    assert failure.final == (greedy or failure.kind == "content filter")
    assert len(server.requests()) == 1


def test_the_message_of_a_cut_off_names_the_option(serve: Serve) -> None:
    server = serve(faults=1.0, kinds=("nothing within max_tokens",))
    assert "max_tokens=9 " in failed(server, ",max_tokens=9").message


def test_the_key_is_in_no_message(serve: Serve) -> None:
    for fault in ("filtered in part", "error beside the choices"):
        server = serve(faults=1.0, kinds=(fault,), judge_says={"": f"{SECRET}!"}, error=SECRET)
        message = failed(server).message
        assert SECRET not in message
        assert "***" in message
