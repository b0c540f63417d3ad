"""What the client returns or raises for a server's responses; whole runs are in test_faults."""

import asyncio
import base64
import json
import resource
import time
from typing import Any

import pytest

from chat_server import NO_ANSWER, ChatServer, Serve
from jasco.backends import chat_client as chat
from jasco.backends.specs import open_spec
from jasco.errors import InputError
from jasco.protocol.responses import Failure, Response
from substrings import substrings

SECRET = "sk-5ecret-Ahx7-0123456789"
QUESTION = [{"role": "user", "content": "What is it?"}]
WAV = b"RIFF\x26\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x80\x3e\0\0\0\x7d\0\0\2\0\x10\0data\2\0\0\0\7\0"
WITH_AUDIO = [
    {
        "role": "user",
        "content": [
            {
                "type": "input_audio",
                "input_audio": {"data": base64.b64encode(WAV).decode(), "format": "wav"},
            },
            {"type": "text", "text": "What are they doing?"},
        ],
    }
]


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "LONGEST_BACKOFF", 0.0)
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)


def ask(
    server: ChatServer,
    options: str = "",
    messages: Any = QUESTION,
    lines: list[str] | None = None,
    calls: int = 1,
) -> list[Response | Failure]:
    async def ask_all() -> list[Response | Failure]:
        judge = open_spec("judge", f"openai/m,base_url={server.url}{options}")
        judge.notify = (lines if lines is not None else []).append
        client = chat.ChatClient(judge)
        try:
            return await asyncio.gather(*(client.ask(messages) for _ in range(calls)))
        finally:
            await client.close()

    return asyncio.run(ask_all())


def get_failure(server: ChatServer, options: str = "", messages: Any = QUESTION) -> Failure:
    [outcome] = ask(server, options, messages)
    assert isinstance(outcome, Failure)
    return outcome


def get_response(server: ChatServer, options: str = "", messages: Any = QUESTION) -> Response:
    [outcome] = ask(server, options, messages)
    assert isinstance(outcome, Response)
    return outcome


# --- errors of one call ---


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_an_input_that_is_refused_is_a_final_failure(serve: Serve, status: int) -> None:
    server = serve(status=status, error="too long")
    failure = get_failure(server)
    assert (failure.kind, failure.final) == ("rejected", True)
    assert "too long" in failure.message
    assert len(server.requests()) == 1


@pytest.mark.parametrize("status", [405, 410])
def test_what_is_refused_for_other_reasons_is_not_final(serve: Serve, status: int) -> None:
    failure = get_failure(serve(status=status))
    assert (failure.kind, failure.final) == ("rejected", False)


@pytest.mark.parametrize("status", [400, 403])
def test_an_input_that_moderation_flags_is_a_final_failure_of_that_call(
    serve: Serve, status: int
) -> None:
    server = serve(status=status, error="Your input was flagged by moderation")
    failure = get_failure(server)
    assert (failure.kind, failure.final) == ("moderation", True)
    assert len(server.requests()) == 1


def test_a_403_is_about_the_key_until_the_key_has_been_accepted(serve: Serve) -> None:
    server = serve(status_by_text={"gun": 403}, error="Forbidden")
    with pytest.raises(InputError, match="api_key_env"):
        ask(server, messages=[{"role": "user", "content": "gun"}], calls=3)
    [failure] = ask(server, messages=[{"role": "user", "content": "gun"}])
    assert isinstance(failure, Failure)
    assert not failure.final

    async def ask_all() -> list[Response | Failure]:
        judge = open_spec("judge", f"openai/m,base_url={server.url}")
        client = chat.ChatClient(judge)
        words = ["a", "gun", "b"]
        try:
            return [await client.ask([{"role": "user", "content": word}]) for word in words]
        finally:
            await client.close()

    first, forbidden, last = asyncio.run(ask_all())
    assert isinstance(first, Response)
    assert isinstance(last, Response)
    assert isinstance(forbidden, Failure)
    assert (forbidden.kind, forbidden.final) == ("rejected", True)


@pytest.mark.parametrize(
    ("fault", "kind", "calls"),
    [
        ("error as finish reason", "error", chat.ATTEMPTS),
        ("error in the choice", "error", chat.ATTEMPTS),
        ("error beside the choices", "error", chat.ATTEMPTS),
        ("choice of another index", "malformed", chat.ALIKE),
        ("null as content", "malformed", chat.ALIKE),
        ("html", "malformed", chat.ALIKE),
    ],
)
def test_what_a_repeat_may_mend_is_repeated_and_never_final(
    serve: Serve, fault: str, kind: str, calls: int
) -> None:
    server = serve(faults=1.0, kinds=(fault,))
    failure = get_failure(server)
    assert (failure.kind, failure.final) == (kind, False)
    assert len(server.requests()) == calls


@pytest.mark.parametrize(("options", "greedy"), [("", True), (",temperature=0.7", False)])
@pytest.mark.parametrize("fault", NO_ANSWER)
def test_what_comes_again_is_asked_once_and_final_where_it_is_sure_to_come_again(
    serve: Serve, fault: str, options: str, *, greedy: bool
) -> None:
    server = serve(faults=1.0, kinds=(fault,))
    failure = get_failure(server, options)
    assert failure.kind == NO_ANSWER[fault]
    assert failure.final == (greedy or failure.kind == "content filter")
    assert len(server.requests()) == 1


def test_a_refusal_in_a_field_of_its_own_is_an_answer(serve: Serve) -> None:
    assert get_response(serve(faults=1.0, kinds=("refusal",))).text == "I cannot help with that."


def test_the_message_of_a_cut_off_names_the_option(serve: Serve) -> None:
    server = serve(faults=1.0, kinds=("nothing within max_tokens",))
    assert "max_tokens=9 " in get_failure(server, ",max_tokens=9").message


# --- errors of all calls ---


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (402, "Insufficient credits", ""),
        (429, "You exceeded your current quota", "insufficient_quota"),
        (400, "Your credit balance is too low", ""),
    ],
)
def test_an_empty_account_ends_it_at_once_with_the_servers_message(
    serve: Serve, status: int, error: str, code: str
) -> None:
    server = serve(status=status, error=error, code=code)
    with pytest.raises(chat.QuotaExhaustedError, match=error):
        ask(server)
    assert len(server.requests()) == 1


@pytest.mark.parametrize("status", [400, 401, 403])
def test_an_invalid_key_ends_it_at_once_whatever_the_status(serve: Serve, status: int) -> None:
    server = serve(status=status, error="API key not valid. Please pass a valid API key.")
    with pytest.raises(InputError, match="API key not valid"):
        ask(server)
    assert len(server.requests()) == 1


def test_a_rate_limit_for_hours_ends_it_at_once(serve: Serve) -> None:
    server = serve(status=429, error="limit per day", retry_after="43200")
    with pytest.raises(chat.QuotaExhaustedError, match=r"12\.0 h"):
        ask(server)
    assert len(server.requests()) == 1


def test_nothing_but_rate_limits_end_it_when_patience_ends(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "RATE_LIMIT_PATIENCE", 0.2)
    with pytest.raises(chat.ServerGoneError, match="slow down"):
        ask(serve(status=429, error="slow down"))


def test_a_server_in_trouble_is_gone_when_patience_ends(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "PATIENCE", 0.0)
    with pytest.raises(chat.ServerGoneError):
        ask(serve(faults=1.0, kinds=("503",)), calls=4)


@pytest.mark.parametrize("fault", ["html", "error beside the choices"])
def test_nothing_usable_in_a_row_for_long_ends_it(
    serve: Serve, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "FAILED_IN_A_ROW", 4)
    server = serve(faults=1.0, kinds=(fault,))
    assert all(isinstance(outcome, Failure) for outcome in ask(server, calls=5))
    monkeypatch.setattr(chat, "FAILING_PATIENCE", 0.0)
    assert all(isinstance(outcome, Failure) for outcome in ask(server, calls=3))
    with pytest.raises(chat.ServerGoneError, match="4 consecutive calls"):
        ask(server, calls=4)


@pytest.mark.parametrize("status", [400, 500])
def test_a_server_without_audio_is_reported(serve: Serve, status: int) -> None:
    server = serve(status=status, error="audio input is not supported - hint: the mmproj")
    with pytest.raises(InputError, match="does not accept audio"):
        ask(server, messages=WITH_AUDIO)
    assert len(server.requests()) == 1


@pytest.mark.parametrize(
    ("wants", "option"),
    [("no temperature", "temperature=none"), ("no system role", "system=user")],
)
def test_prompt_and_sampling_are_changed_by_the_user_alone(
    serve: Serve, wants: str, option: str
) -> None:
    server = serve(wants=wants)
    messages = [{"role": "system", "content": "You judge."}, *QUESTION]
    with pytest.raises(InputError, match=option):
        ask(server, messages=messages)
    if wants == "no temperature":
        assert get_response(server, f",{option}", messages)


# --- waiting ---


def test_a_long_wait_is_announced_once_with_its_reason(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "ANNOUNCED_WAIT", 0.5)
    lines: list[str] = []
    server = serve(busy=4, retry_after="1")
    outcomes = ask(server, lines=lines, calls=4)
    assert all(isinstance(outcome, Response) for outcome in outcomes)
    [line] = lines
    assert "busy" in line
    assert "429" in line


def test_a_short_wait_is_not_announced(serve: Serve) -> None:
    lines: list[str] = []
    ask(serve(busy=4, retry_after="1"), lines=lines)
    assert not lines


# --- forms of requests ---


@pytest.mark.parametrize("wants", ["max_completion_tokens", "stream", "audio_url", "data_url"])
def test_names_and_transport_are_adapted_once_and_reported(serve: Serve, wants: str) -> None:
    lines: list[str] = []
    server = serve(wants=wants)
    outcomes = ask(server, messages=WITH_AUDIO, lines=lines, calls=8)
    assert all(isinstance(outcome, Response) for outcome in outcomes)
    refused = [request for request in server.requests() if request.kind == "refused"]
    assert 1 <= len(refused) <= 8
    [line] = lines
    assert wants.replace("_url", "") in line


def test_a_change_that_does_not_help_is_not_kept(serve: Serve) -> None:
    server = serve(status=400, error="Unknown part type: input_audio")
    lines: list[str] = []
    outcomes = ask(server, messages=WITH_AUDIO, lines=lines, calls=3)
    assert {outcome.kind for outcome in outcomes if isinstance(outcome, Failure)} == {"rejected"}
    assert len(server.requests()) == 4
    assert not lines


@pytest.mark.parametrize(
    ("option", "key", "value"),
    [
        ("stream=true", "stream", True),
        ("temperature=none", "temperature", None),
        ("modalities=text", "modalities", ["text"]),
        ("extra_body.top_k=5", "top_k", 5),
        ("extra_body.stop_token_ids=[1]", "stop_token_ids", [1]),
        ("extra_body.thinking_token_budget=5", "thinking_token_budget", 5),
        ("extra_body.reasoning.effort=low", "reasoning", {"effort": "low"}),
        (
            "chat_template_kwargs.enable_thinking=false",
            "chat_template_kwargs",
            {"enable_thinking": False},
        ),
    ],
)
def test_options_go_into_the_request(serve: Serve, option: str, key: str, value: Any) -> None:
    server = serve(bodies=True)
    get_response(server, f",{option}")
    [request] = server.requests()
    assert request.body.get(key) == value


@pytest.mark.parametrize(
    "option",
    [
        "extra_body.model=x",
        "extra_body.temperature=1",
        "extra_body=1",
        "extra_body.=1",
        "extra_body.api_key=sk-1",
        'extra_body.metadata={"api_key":"sk-1"}',
    ],
)
def test_what_we_write_is_no_further_parameter(option: str) -> None:
    with pytest.raises(InputError):
        open_spec("judge", f"openai/m,base_url=http://127.0.0.1:9/v1,{option}")


def test_further_parameters_are_part_of_the_identity_where_given_and_transport_is_not() -> None:
    def identity(options: str) -> dict[str, Any]:
        address = "base_url=http://127.0.0.1:9/v1"
        return dict(open_spec("judge", f"openai/m,{address}{options}").spec.identity)

    plain = identity("")
    assert identity(",stream=true,modalities=text,timeout=9") == plain
    assert identity(",extra_body.top_k=5") == {**plain, "extra_body": {"top_k": 5}}
    assert identity(",system=user") == {**plain, "system": "user"}
    assert identity(",temperature=none") == {**plain, "temperature": None}


# --- addresses and keys ---


def test_the_query_of_an_address_stays_and_its_user_is_sent(serve: Serve) -> None:
    server = serve(bodies=True)
    address = server.url.replace("//", "//me:p%40ss@") + "?api-version=2"

    class Server:
        url = address

    ask(Server())  # type: ignore[arg-type]
    [request] = server.requests()
    credentials = base64.b64encode(b"me:p@ss").decode()
    assert request.headers["Authorization"] == f"Basic {credentials}"


@pytest.mark.parametrize("key", ["clé", "two words", "line\nbreak"])
def test_a_key_that_no_header_can_carry_is_named_not_quoted(
    serve: Serve, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(InputError, match="OPENAI_API_KEY") as error:
        ask(serve())
    assert key not in str(error.value)


@pytest.mark.parametrize("key", ["test", "null", "EMPTY", "choices"])
def test_a_word_for_a_key_changes_no_answer(
    serve: Serve, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    server = serve(judge_says={"": f"This is a {key} of gulls, null or EMPTY."})
    assert get_response(server).text == f"This is a {key} of gulls, null or EMPTY."


def test_once_a_format_is_accepted_an_error_is_about_the_request(serve: Serve) -> None:
    server = serve(status_by_text={"corrupt": 400}, error="Unknown part type: input_audio")
    lines: list[str] = []

    async def ask_all() -> list[Response | Failure]:
        judge = open_spec("judge", f"openai/m,base_url={server.url}")
        judge.notify = lines.append
        client = chat.ChatClient(judge)
        corrupt = [
            {
                **WITH_AUDIO[0],
                "content": [WITH_AUDIO[0]["content"][0], {"type": "text", "text": "corrupt"}],
            }
        ]  # type: ignore[index]
        try:
            return [await client.ask(messages) for messages in (WITH_AUDIO, corrupt)]
        finally:
            await client.close()

    first, second = asyncio.run(ask_all())
    assert isinstance(first, Response)
    assert isinstance(second, Failure)
    assert not lines
    assert len(server.requests()) == 2


def test_no_key_is_fine(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    server = serve(bodies=True)
    get_response(server)
    assert "Authorization" not in server.requests()[0].headers


def test_the_key_is_in_no_message_and_in_no_answer(serve: Serve) -> None:
    outcome = get_response(serve(echoes=True))
    output = json.dumps([outcome.text, outcome.reasoning, outcome.served])
    assert "***" in output
    for part in substrings(SECRET, 12):
        assert part not in output
    message = get_failure(serve(status=400, echoes=True)).message
    assert "***" in message
    for part in substrings(SECRET, 6):
        assert part not in message


# --- size ---


def test_a_body_that_is_too_large_is_not_read_to_its_end(serve: Serve) -> None:
    server = serve(size=300 * 2**20)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.monotonic()
    failure = get_failure(server)
    assert (failure.kind, failure.final) == ("malformed", False)
    assert "8 MiB" in failure.message
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024
    assert time.monotonic() - began < 30


# --- proxies ---


def test_a_server_is_reached_through_the_proxy_of_the_environment(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = serve()
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
    monkeypatch.setenv("no_proxy", "other.invalid")
    monkeypatch.setattr(ChatServer, "url", "http://server.invalid/v1")  # only a proxy reaches it
    get_response(proxy)
    assert len(proxy.requests()) == 1


def test_a_server_without_a_proxy_is_reached_directly(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # nothing listens there
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    get_response(serve())


def test_the_password_of_a_proxy_is_not_shown(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = serve()  # it refuses to connect to another server, and aiohttp quotes its address
    monkeypatch.setenv("https_proxy", f"http://user:p4ssw0rd@127.0.0.1:{proxy.port}")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setattr(ChatServer, "url", "https://server.invalid/v1")
    monkeypatch.setattr(chat, "ATTEMPTS", 1)
    monkeypatch.setattr(chat, "PATIENCE", 0.0)
    with pytest.raises(chat.ServerGoneError) as error:
        ask(proxy, calls=5)
    assert "p4ssw0rd" not in str(error.value)
    assert "***@127.0.0.1" in str(error.value)
