"""Specs: how a user names a model or a judge."""

import json
from importlib.metadata import EntryPoint
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jasco.backends import specs
from jasco.backends.options import Option, at_least
from jasco.backends.specs import (
    Provider,
    Spec,
    identity_key,
    open_spec,
    parse_spec,
    providers,
    reopen,
)
from jasco.errors import InputError
from jasco.judges.chat_judge import ChatJudge
from jasco.models.chat_model import ChatModel
from jasco.models.csv_model import CsvModel
from substrings import substrings


class Named(Provider):
    NAME = "MODEL"
    raw_name = False
    OPTIONS = (
        Option("warmth", "", at_least(0, float), 0.0, identity=True),
        Option("length", "", at_least(1, int), 5, identity=True),
        Option("url", "", repeatable=True),
        Option("timeout", "", at_least(0.01, float), 300.0),
    )

    def __init__(self, spec: Spec) -> None:
        self.spec = spec


class Nameless(Named):
    NAME = None


def test_provider_and_name_are_enough() -> None:
    spec = parse_spec("named/meta/Big-8B:q4", Named)
    assert (spec.provider, spec.name) == ("named", "meta/Big-8B:q4")
    assert spec.options == {
        "warmth": 0.0, "length": 5, "url": (), "timeout": 300.0, "label": None,
    }  # fmt: skip
    assert spec.label == "named/meta/Big-8B:q4"


def test_options_are_read_and_may_hold_equals_signs_and_slashes() -> None:
    spec = parse_spec("named/m,url=http://h/?a=b,length=7,timeout=2", Named)
    assert spec.options == {
        "warmth": 0.0, "length": 7, "url": ("http://h/?a=b",), "timeout": 2.0, "label": None,
    }  # fmt: skip


def test_an_address_may_be_given_several_times() -> None:
    assert parse_spec("named/m,url=a,length=7,url=b", Named).options["url"] == ("a", "b")


def test_identity_is_what_may_change_a_number() -> None:
    spec = parse_spec("named/m,url=http://here,timeout=1,warmth=0.5", Named)
    equal_spec = parse_spec("named/m,warmth=0.50,url=http://there,url=http://too", Named)
    assert spec.identity == equal_spec.identity
    assert spec.identity == {"provider": "named", "name": "m", "warmth": 0.5, "length": 5}
    for other in ("named/m", "named/m,warmth=0.6", "named/n,warmth=0.5", "other/m,warmth=0.5"):
        assert parse_spec(other, Named).identity != spec.identity


class Numbered(Named):
    OPTIONS = (
        Option("temperature", "", at_least(0, float), 0.0, identity=True),
        Option("top_p", "", at_least(0, float), identity=True),
        Option("penalty", "", float, 1, identity=True),
        Option("seed", "", int, identity=True),
        Option("extra", "", json.loads, identity=True),
        Option("timeout", "", float, 1.0),
    )


@pytest.mark.parametrize(
    "spellings",
    [
        ("", ",temperature=0", ",temperature=-0.0", ",temperature=-0", ",temperature=0e0",
         ",temperature=1e-400", ",temperature=-1e-400", ",temperature=+.0", ",penalty=1",
         ",penalty=1.0", ",timeout=2"),
        (",temperature=0.7", ",temperature=.7", ",temperature=7e-1", ",temperature=0.70"),
        (",top_p=1", ",top_p=1.0"),
        (",top_p=0", ",top_p=-0.0", ",top_p=-0"),
        (",penalty=0", ",penalty=-0.0", ",penalty=-1e-999"),
        (",seed=7", ",seed=07", ",seed=+7"),
        (",seed=0", ",seed=-0"),
        (",extra=[0.0]", ",extra=[-0.0]", ",extra=[ 0e5 ]"),
        (',extra={"a":{"b":0.0}}', ',extra={"a":{"b":-0.0}}'),
    ],
)  # fmt: skip
def test_numbers_that_are_equal_make_one_identity_however_they_are_written(
    spellings: tuple[str, ...],
) -> None:
    parsed = [parse_spec(f"numbered/m{options}", Numbered) for options in spellings]
    assert len({identity_key(spec.identity) for spec in parsed}) == 1
    assert len({spec.label for spec in parsed}) == 1
    assert "-0" not in identity_key(parsed[0].identity)


def test_other_numbers_and_names_stay_other_identities() -> None:
    texts = ("m", "m/", "./m", "M", "m,top_p=1.0", "m,temperature=5e-324", "m,seed=0", "m,seed=-1")
    parsed = [parse_spec(f"numbered/{text}", Numbered) for text in texts]
    assert len({identity_key(spec.identity) for spec in parsed}) == len(texts)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e999", "NaN"])
def test_a_number_that_is_not_finite_makes_no_identity(value: str) -> None:
    for key in ("penalty", "temperature", "top_p"):
        with pytest.raises(InputError, match=f"{key}: invalid value '{value}' .* number"):
            parse_spec(f"numbered/m,{key}={value}", Numbered)
    with pytest.raises(InputError, match="a finite number"):
        parse_spec('numbered/m,extra={"a":[1e999]}', Numbered)


@given(value=st.floats(0, allow_infinity=False, allow_nan=False))
def test_a_number_is_the_same_in_the_run_as_in_the_spec(value: float) -> None:
    identity = parse_spec(f"numbered/m,top_p={value!r}", Numbered).identity
    assert json.loads(identity_key(identity)) == identity
    assert identity["top_p"] == value


def test_the_label_shows_the_identity_that_differs_from_the_default() -> None:
    assert parse_spec("named/m,length=7,url=http://x,timeout=1", Named).label == "named/m,length=7"
    assert parse_spec("named/m,length=5,warmth=0", Named).label == "named/m"
    assert parse_spec("named/m,length=7,warmth=1", Named).label == (
        parse_spec("named/m,warmth=1.0,length=7", Named).label
    )


def test_a_provider_may_take_no_name() -> None:
    assert parse_spec("cascade", Nameless).name == ""
    spec = parse_spec("cascade,length=7,url=a/b", Nameless)
    assert (spec.provider, spec.name, spec.label) == ("cascade", "", "cascade,length=7")
    with pytest.raises(InputError, match=r"takes no name; write cascade\[,key=value"):
        parse_spec("cascade/big", Nameless)


@pytest.mark.parametrize(
    "name", ["a,b.csv", "a,b=c,.csv", "/abs/olute.csv", "x=1.csv", ",", "日本"]
)
def test_a_verbatim_name_is_everything_after_the_slash(name: str) -> None:
    spec = parse_spec(f"csv/{name}", CsvModel)
    assert (spec.name, spec.label) == (name, f"csv/{name}")
    assert spec.identity == {"provider": "csv", "name": name}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("named", "write named/MODEL"),
        ("named/", "write named/MODEL"),
        ("named,length=7", "write named/MODEL"),
        ("named/,length=7", "write named/MODEL"),
        ("named/m,depth=3", "unknown key 'depth'; .*: warmth, length, url, timeout"),
        ("named/m,Length=3", "unknown key 'Length'"),
        ("named/m,", "unknown key ''"),
        ("named/m,length", "length: missing value; write length="),
        ("named/m,length=", "length: missing value"),
        ("named/m,length=1,length=2", "length is given twice"),
        ("named/m,length=many", "length: invalid value 'many'"),
        ("named/m,length=0", "length: invalid value '0' .*integer >= 1"),
        ("named/m,length=1.5", "length: invalid value '1.5'"),
        ("named/m,warmth=-1", "warmth: invalid value '-1'"),
        ("named/m,warmth=nan", "warmth: invalid value 'nan'"),
        ("named/m,warmth=inf", "warmth: invalid value 'inf'"),
        ("named/m,timeout=0", "timeout: invalid value '0'"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_remedy(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        parse_spec(text, Named)
    assert text in str(error.value)


# --- the real providers ---


def test_what_is_built_in_can_be_named() -> None:
    assert {"cascade", "csv", "openai", "python"} <= providers("model").keys()
    assert {"csv", "openai"} <= providers("judge").keys()
    assert isinstance(open_spec("model", "openai/m"), ChatModel)
    assert isinstance(open_spec("judge", "openai/m"), ChatJudge)
    assert isinstance(open_spec("model", "csv/x.csv"), CsvModel)


def test_decoding_is_identity_and_where_the_server_is_is_not() -> None:
    spec = open_spec("model", "openai/m,base_url=http://h:1/v1,timeout=3").spec
    assert spec.identity == open_spec("model", "openai/m").spec.identity
    assert spec.identity["temperature"] == 0
    assert spec.label == "openai/m"
    assert spec.options["base_url"] == ("http://h:1/v1",)
    for key in ("temperature=0.5", "top_p=0.9", "max_tokens=7", "seed=1"):
        assert open_spec("model", f"openai/m,{key}").spec.identity != spec.identity
        assert open_spec("model", f"openai/m,{key}").spec.label == f"openai/m,{key}"


@pytest.mark.parametrize("kind", ["model", "judge"])
@pytest.mark.parametrize("text", ["", "/", ",", "unknown/m", "OpenAI/m", "unknown", " openai/m"])
def test_an_unknown_provider_is_refused_with_where_to_look(kind: specs.Kind, text: str) -> None:
    with pytest.raises(InputError, match=f"is unknown; see: jasco {kind}s"):
        open_spec(kind, text)


@pytest.mark.parametrize(
    "url", ["nonsense", "127.0.0.1:8000/v1", "ftp://h/v1", "http://", "http://h:x/v1", "http://[::1",
            "http://h:99999/v1", "http://h h/v1", "http://h\0/v1", "http:///v1", "http://é/v1"],
)  # fmt: skip
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(InputError, match=r"base_url: invalid value"):
        open_spec("model", f"openai/m,base_url={url}")


def test_a_key_comes_from_the_variable_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="api_key_env=NO_SUCH_KEY"):
        open_spec("model", "openai/m,api_key_env=NO_SUCH_KEY")
    monkeypatch.setenv("NO_SUCH_KEY", "secret-key")
    model = open_spec("model", "openai/m,api_key_env=NO_SUCH_KEY")
    assert "secret-key" not in str(model.spec)


def test_a_provider_whose_extra_is_missing_names_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    point = EntryPoint("cascade", "no_such_library:Cascade", "jasco.models")
    monkeypatch.setattr(specs, "providers", lambda kind: {"cascade": point})
    with pytest.raises(InputError, match=r"no_such_library; run: pip install 'jasco\[cascade\]'"):
        open_spec("model", "cascade")


PARTS = st.sampled_from(
    [
        *("openai", "csv", "python", "/", ",", "=", "m", "base_url=", "http://", "http://h:1/v1"),
        *("temperature=", "max_tokens=", "seed=", "api_key_env=", "timeout=", "0", "-1", "1e999"),
        *("nan", "[", "]", "::1", "@", ":", "?", "#", "%", " ", "\0", "é", "\udcff", "．", "xn--"),
    ]
)
TEXTS = st.one_of(
    st.text(),
    st.lists(PARTS, max_size=8).map("".join),
    st.lists(PARTS, max_size=8).map(lambda parts: "openai/m,base_url=" + "".join(parts)),
    st.text(max_size=8).map(lambda text: f"openai/m,base_url=http://{text}"),
    st.text(st.characters(min_codepoint=33, max_codepoint=126)).map(
        lambda text: f"openai/m,base_url=http://{text}"
    ),
)


@pytest.mark.parametrize("kind", ["model", "judge"])
@given(text=TEXTS)
def test_no_text_raises_anything_but_an_input_error(kind: specs.Kind, text: str) -> None:
    try:
        provider = open_spec(kind, text)
    except InputError as error:
        assert str(error)
    else:
        assert provider.spec.label.encode()  # the run can hold it


KEY = "9fQ2xLw7TbV0zKdR4"


@pytest.mark.parametrize("kind", ["model", "judge"])
@pytest.mark.parametrize(
    "text",
    [
        f"openai/m,api_key={KEY}", f"openai/m,api-key={KEY}", f"openai/m,apikey={KEY},label=x",
        f"openai/m,api_key_env={KEY}", f"openai/m,{KEY}", f"openai/m,token={KEY}",
        f"openai/m,base_url=http://user:{KEY}@host:x/v1", f"openai/m,base_url=user:{KEY}@host/v1",
        f"openai/m,base_url=http://host/v1?api_key={KEY},color=red",
        f"openai/m,base_url=http://a:{KEY}@host/v1,timeout=x", f"openai/sk-{KEY}",
        f"opnai/m,api_key={KEY}", f"vllm/m,serve.api-key={KEY},timeout=x",
        f"vllm/m,serve.api-key={KEY},serve.api-key={KEY}", f"three-judges,api_key={KEY}",
    ],
)  # fmt: skip
def test_a_key_that_was_typed_into_a_spec_is_not_quoted(kind: specs.Kind, text: str) -> None:
    with pytest.raises(InputError) as error:
        specs.open_spec(kind, text).prepare(None)
    message = str(error.value)
    assert not any(part in message for part in substrings(KEY))


def test_the_message_about_a_key_in_a_spec_names_the_option() -> None:
    with pytest.raises(InputError, match="api_key_env=NAME"):
        specs.open_spec("model", "openai/m,api-key=abc")


# --- providers from a stored identity ---


@pytest.mark.parametrize(
    ("kind", "text"),
    [("model", "openai/m,temperature=0.5,max_tokens=9"), ("model", "vllm/m,serve.x=1,seed=2"),
     ("judge", "openai/a/b,output=json,label=two"), ("judge", "vllm/j"), ("judge", "offline"),
     ("model", "cascade"), ("model", "python/m.py:f"), ("model", "worker/cat -u"),
     ("judge", "csv/a,b.csv")],
)  # fmt: skip
def test_a_provider_is_made_again_from_its_identity(kind: Any, text: str) -> None:
    spec = open_spec(kind, text).spec
    reopened = reopen(kind, json.loads(json.dumps(dict(spec.identity)))).spec
    assert (reopened.provider, reopened.name) == (spec.provider, spec.name)
    assert reopened.identity == spec.identity
    assert {name: reopened.options[name] for name in spec.options if name in spec.identity} == {
        name: value for name, value in spec.options.items() if name in spec.identity
    }


@pytest.mark.parametrize(
    "identity", [{"provider": "gone", "name": "x"}, {}, {"provider": "openai"}, {"provider": None}]
)
def test_a_provider_that_is_not_there_any_more_is_none(identity: dict[str, Any]) -> None:
    assert reopen("model", identity) is None


def test_a_provider_is_made_again_without_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("KEY_OF_MINE", "x")
    spec = open_spec("judge", "openai/j,api_key_env=KEY_OF_MINE").spec
    monkeypatch.delenv("KEY_OF_MINE")
    assert reopen("judge", spec.identity) is not None
