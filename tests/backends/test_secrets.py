"""Masked secrets: no part of a key is shown, and texts without one are unchanged."""

import base64
import string
import time
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jasco.backends.secrets import (
    is_secret_name,
    mask,
    mask_spec,
    mask_url,
    read_key,
    secrets_of,
)
from jasco.errors import InputError
from substrings import substrings

KEY = "sk-proj-9fQ2xLw7TbV0zKdR4"
keys = st.text(string.ascii_letters + string.digits + "-_./+=*", min_size=6, max_size=60)
texts = st.text(max_size=40)


@given(keys, texts, texts, st.data())
def test_no_part_of_a_key_survives(key: str, before: str, after: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(key) - 6))
    stop = data.draw(st.integers(start + 6, len(key)))
    masked = mask(before + key[start:stop] + after + key, secrets_of(key))
    assert not substrings(masked) & substrings(key)


@given(keys, st.sampled_from(["", "x", "xy"]))
def test_other_spellings_of_a_key_are_hidden(key: str, before: str) -> None:
    secrets = secrets_of(key)
    assert mask(quote(key, safe=""), secrets) == "***"
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        encoded = encode((before + key + ":").encode()).decode()
        inner = encoded[4:-4]
        assert not substrings(mask(encoded, secrets), 8) & substrings(inner, 8)


@given(st.text(st.characters(exclude_characters="*.…•xX#"), max_size=200))
def test_a_text_without_the_key_is_unchanged(text: str) -> None:
    if not substrings(text) & {
        substring for secret in secrets_of(KEY) for substring in substrings(secret)
    }:
        assert mask(text, secrets_of(KEY)) == text


@pytest.mark.parametrize(
    "remainder",
    ["sk-p****dR4", "sk-proj-...zKdR4", "sk-…", "sk-xxxxxxdR4", "sk-p [***] dR4", "***KdR4"],
)
def test_what_a_server_leaves_of_a_key_is_hidden(remainder: str) -> None:
    assert mask(f"Incorrect key: {remainder}.", secrets_of(KEY)).strip(".") == "Incorrect key: ***"


def test_user_and_password_of_an_address_are_hidden() -> None:
    secrets = secrets_of("", "http://anna:s3cr%40t!@host/v1?api_key=q1w2e3&model=large")
    encoded = base64.b64encode(b"anna:s3cr@t!").decode()
    for text in ("anna:s3cr@t!", "s3cr@t!", "s3cr%40t!", encoded, "q1w2e3"):
        assert mask(f"<{text}>", secrets) == "<***>"
    assert mask("the large model", secrets) == "the large model"


def test_a_short_key_is_hidden_where_it_stands_alone() -> None:
    assert mask("key abcd, abcde", secrets_of("abcd")) == "key ***, abcde"
    assert mask("a key a", secrets_of("a")) == "a key a"


@pytest.mark.parametrize("piece", ["ab.. x ", "*", KEY[:6], "sk-", "x. "])
def test_a_long_text_is_masked_quickly(piece: str) -> None:
    began = time.monotonic()
    mask(piece * (1_000_000 // len(piece)) + "***", secrets_of(KEY * 5))
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("value", [KEY, f"  {KEY}\n", f'"{KEY}"', f" '{KEY}' \r\n", f"{KEY}\xa0"])
def test_a_key_is_read_without_what_surrounds_it(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", value)
    assert read_key("MY_KEY") == KEY


@pytest.mark.parametrize("value", ["sk-a b", "sk-a\nb", "sk-ключ", "sk-\udcff", "sk-\x1b[0m1"])
def test_a_key_that_no_header_can_carry_is_refused_unseen(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", value)
    with pytest.raises(InputError, match="MY_KEY") as error:
        read_key("MY_KEY")
    assert "sk-" not in str(error.value)


def test_no_key_is_an_empty_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MY_KEY", raising=False)
    assert read_key("MY_KEY") == ""


def test_a_key_in_the_place_of_the_variable_is_not_quoted() -> None:
    with pytest.raises(InputError) as error:
        read_key(KEY)
    assert KEY[:6] not in str(error.value)


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("http://host:8000/v1", "http://host:8000/v1"),
        ("http://anna:secret@host/v1", "http://***@host/v1"),
        ("http://anna:se/cr?et@host/v1", "http://***@host/v1"),
        ("https://[::1]:8000/v1@2", "https://[::1]:8000/v1@2"),
        ("http://host/v1?api_key=abc&api-version=2", "http://host/v1?api_key=***&api-version=2"),
        ("http://host/v1?sig=abc#access_token=d", "http://host/v1?sig=***#access_token=***"),
        ("anna:secret@host", "***@host"),
    ],
)
def test_secrets_in_an_address_are_hidden(url: str, masked: str) -> None:
    assert mask_url(url) == masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("openai/m,api_key=sk-1,timeout=3", "openai/m,api_key=***,timeout=3"),
        ("openai/m,api-key=a,b=,c d,label=x", "openai/m,api-key=***,b=,c d,label=x"),
        ("openai/m,API_KEY=my secret", "openai/m,API_KEY=***"),
        ("openai/m,apikey=abc", "openai/m,apikey=***"),
        ("openai/m,sk-abcdefghijkl", "openai/m,***"),
        ("vllm/m,serve.api-key=a,serve.hf-token=b,serve.tokenizer=c",
         "vllm/m,serve.api-key=***,serve.hf-token=***,serve.tokenizer=c"),
        ("openai/m,max_tokens=5,api_key_env=MY_KEY", "openai/m,max_tokens=5,api_key_env=MY_KEY"),
        ("openai/m,api_key_env=gsk_9fQ2xLw7", "openai/m,api_key_env=***"),
        ("openai/m,base_url=http://u:p@h/v1,label=r", "openai/m,base_url=http://***@h/v1,label=r"),
        ("openai/m,base_url=http://h:80,label=a@b", "openai/m,base_url=http://h:80,label=a@b"),
        ("openai/m,base_url=u:p@h/v1", "openai/m,base_url=***@h/v1"),
        ('openai/m,extra_headers={"Authorization":"Bearer abc","b":"c"}',
         "openai/m,extra_headers=***"),
        ("worker/python w.py --api-key abc --token=def -x 3",
         "worker/python w.py --api-key *** --token=*** -x 3"),
        ("python/my_model.py:answer", "python/my_model.py:answer"),
        ("vllm serve m --hf-token=abc --port 3", "vllm serve m --hf-token=*** --port 3"),
    ],
)  # fmt: skip
def test_secrets_in_a_spec_are_hidden(text: str, masked: str) -> None:
    assert mask_spec(text) == masked


@given(st.sampled_from(["api_key", "api-key", "serve.api-key", "token", "x.password"]), keys)
def test_a_key_in_a_spec_is_hidden_whatever_it_holds(name: str, key: str) -> None:
    secret = substrings(key) - substrings(f"openai/m,{name}=")  # a key may resemble the option
    assert not substrings(mask_spec(f"openai/m,{name}={key}")) & secret


def test_names_that_only_resemble_a_key_are_none() -> None:
    for name in ("max_tokens", "top_k", "api_key_env", "tokenizer", "serve.ssl-keyfile", ""):
        assert not is_secret_name(name)
