"""The server that a spec's requests go to, and when the default server is refused."""

import pytest
from yarl import URL

from jasco.backends.chat_transport import DEFAULT_BASE_URL, Endpoint, check_default_base_url
from jasco.backends.specs import parse_spec
from jasco.errors import InputError
from jasco.models.chat_model import ChatModel

HUB = "Qwen/Qwen2-Audio-7B-Instruct"
VARIABLES = ("OPENAI_BASE_URL", "OPENAI_API_KEY", "OTHER_KEY")


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)


def check(name: str) -> None:
    check_default_base_url(parse_spec(f"openai/{name}", ChatModel))


def test_a_name_on_the_hub_without_address_and_key_is_refused() -> None:
    with pytest.raises(InputError) as refusal:
        check(HUB)
    for word in (DEFAULT_BASE_URL, "base_url=http://HOST:PORT/v1", "OPENAI_API_KEY"):
        assert word in str(refusal.value)


def test_the_variable_of_the_spec_is_the_one_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    with pytest.raises(InputError, match="set OTHER_KEY"):
        check(f"{HUB},api_key_env=OTHER_KEY")


def test_blank_variables_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", " ")
    monkeypatch.setenv("OPENAI_BASE_URL", "")
    with pytest.raises(InputError):
        check(HUB)


@pytest.mark.parametrize(
    ("name", "environment"),
    [
        ("gpt-4o-audio-preview", {}),
        (f"{HUB},base_url=http://gpu1:8000/v1", {}),
        (HUB, {"OPENAI_BASE_URL": "http://gateway/v1"}),
        (HUB, {"OPENAI_API_KEY": "key"}),
    ],
)
def test_what_may_work_is_accepted(
    name: str, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    check(name)


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("http://h:1/v1", "http://h:1/v1/chat/completions"),
        ("http://h:1/v1/", "http://h:1/v1/chat/completions"),
        ("https://h/a%20b/v1?api-version=2", "https://h/a%20b/v1/chat/completions?api-version=2"),
        ("http://u:p@h/v1", "http://h/v1/chat/completions"),
    ],
)
def test_completions_stand_under_the_base_url_whose_query_stays(base_url: str, url: str) -> None:
    assert str(Endpoint.of(base_url, "").url) == url


def test_a_key_that_the_spec_names_goes_before_the_user_of_the_address() -> None:
    url = "http://u:p%40@h/v1"
    assert Endpoint.of(url, "k").headers["Authorization"] == "Basic dTpwQA=="
    assert Endpoint.of(url, "k", "MY_KEY").headers["Authorization"] == "Bearer k"
    assert Endpoint.of("http://h/v1", "k").headers["Authorization"] == "Bearer k"
    assert "Authorization" not in Endpoint.of("http://h/v1", "").headers
    assert Endpoint.of(url, "k").shown == "http://***@h/v1"


def test_the_organisation_is_sent_to_openai_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    assert Endpoint.of(DEFAULT_BASE_URL, "k").headers["OpenAI-Organization"] == "org-1"
    assert "OpenAI-Organization" not in Endpoint.of("http://h/v1", "k").headers


@pytest.mark.parametrize(
    ("environment", "proxy"),
    [
        ({}, None),
        ({"HTTP_PROXY": "http://u:p@gate:3128"}, "http://u:p@gate:3128"),
        ({"http_proxy": "gate:3128"}, "http://gate:3128"),
        ({"https_proxy": "http://gate:3128"}, None),
        ({"http_proxy": "http://gate:3128", "no_proxy": "h"}, None),
        ({"http_proxy": "http://gate:3128", "no_proxy": "h:1"}, None),
        ({"http_proxy": "http://gate:3128", "no_proxy": "h:2"}, "http://gate:3128"),
        ({"http_proxy": "http://gate:3128", "no_proxy": "*"}, None),
    ],
)
def test_the_proxy_is_the_one_of_the_environment(
    environment: dict[str, str], proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.upper(), raising=False)
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    assert Endpoint.of("http://h:1/v1", "").proxy == (proxy and URL(proxy))
    assert Endpoint.of("http://h:1/v1", "", use_proxy=False).proxy is None


@pytest.mark.parametrize("address", ["http://u:secret@gate:x", "socks5://u:secret@gate", "http://"])
def test_an_invalid_proxy_is_refused_without_its_password(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", address)
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(InputError, match="https_proxy") as refusal:
        Endpoint.of("https://h/v1", "")
    assert "secret" not in str(refusal.value)
