"""The command of a vLLM server; for servers that run, see the tests of models and judges."""

import pytest

from jasco.backends.specs import Spec, parse_spec
from jasco.backends.vllm_server import VllmServer, check_vllm, serve_command
from jasco.errors import InputError
from jasco.models.vllm_model import VllmModel


def spec(options: str = "") -> Spec:
    return parse_spec(f"vllm/org/m{options}", VllmModel)


@pytest.mark.parametrize(
    ("options", "arguments"),
    [
        ("", []),
        (",serve.max-model-len=8192", ["--max-model-len", "8192"]),
        (",serve.enforce-eager=true", ["--enforce-eager"]),
        (",serve.enable-prefix-caching=False", ["--no-enable-prefix-caching"]),
        (",serve.compilation-config.level=3", ["--compilation-config.level", "3"]),
        (",serve.x.y=true", ["--x.y", "true"]),
        (",serve.api-key=abcd,serve.hf-token=efgh", []),
        (",serve.hf-token=true", ["--hf-token"]),
    ],
)
def test_options_become_flags_except_secrets(options: str, arguments: list[str]) -> None:
    assert serve_command(spec(options))[0] == ["vllm", "serve", "org/m", *arguments]


def test_the_program_may_be_named_and_has_to_exist() -> None:
    with_command = spec(",serve.command=/no/such/vllm")
    assert serve_command(with_command)[0][0] == "/no/such/vllm"
    with pytest.raises(InputError, match="/no/such/vllm"):
        check_vllm(with_command)


def test_requests_have_the_key_that_the_server_gets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_API_KEY", "ambient-key")
    assert VllmServer(spec(), None).key == "ambient-key"
    assert VllmServer(spec(",serve.api-key=own-key"), None).key == "own-key"
    monkeypatch.delenv("VLLM_API_KEY")
    assert VllmServer(spec(), None).key == ""


def test_a_secret_that_no_header_can_carry_is_not_quoted() -> None:
    with pytest.raises(InputError, match=r"serve\.api-key") as refusal:
        VllmServer(spec(",serve.api-key=two words"), None)
    assert "two words" not in str(refusal.value)
