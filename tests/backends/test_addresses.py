"""When OpenAI's own address cannot be what was meant."""

import pytest

from jasco.backends.addresses import DEFAULT_ADDRESS, default_address_note

HUB = "Qwen/Qwen2-Audio-7B-Instruct"


def test_a_name_on_the_hub_without_address_and_key_is_told_where_it_would_ask() -> None:
    note = default_address_note(HUB, (), {})
    assert note is not None
    for word in (DEFAULT_ADDRESS, "base_url=http://HOST:PORT/v1", "OPENAI_API_KEY"):
        assert word in note


def test_the_variable_of_the_spec_is_the_one_to_set() -> None:
    note = default_address_note(HUB, (), {"OPENAI_API_KEY": "k"}, "OTHER_KEY")
    assert note is not None
    assert "set OTHER_KEY" in note


def test_blank_variables_are_none() -> None:
    assert default_address_note(HUB, (), {"OPENAI_API_KEY": " ", "OPENAI_BASE_URL": ""})


@pytest.mark.parametrize(
    ("name", "base_urls", "environment"),
    [
        ("gpt-4o-audio-preview", (), {}),
        (HUB, ("http://gpu1:8000/v1",), {}),
        (HUB, (), {"OPENAI_BASE_URL": "http://gateway/v1"}),
        (HUB, (), {"OPENAI_API_KEY": "key"}),
        ("", (), {}),
    ],
)
def test_what_may_work_is_let_through(
    name: str, base_urls: tuple[str, ...], environment: dict[str, str]
) -> None:
    assert default_address_note(name, base_urls, environment) is None
