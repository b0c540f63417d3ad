"""From Python, messages name parameters, and not the options of the command."""

import logging
from pathlib import Path
from typing import Any

import pytest

import jasco
from chat_server import Serve
from jasco.api.messages import named_as_in_python, python_names


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("continue anyway with --no-preflight", "continue anyway with preflight=False"),
        (
            "--limit 3 has no effect; use a different --run",
            "limit=3 has no effect; use a different run=",
        ),
        ("use --protocol v2, or a different --run", "use protocol='v2', or a different run="),
        ("--judge a/b,t=1: no such judge of m", "judges=['a/b,t=1']: no such judge of m"),
        ("retry them with --retry-final", "retry them with retry_final=True"),
        ("--compat cannot score it", "compat=True cannot score it"),
        ("no answers; see: jasco eval --help", "no answers; see: help(jasco.evaluate)"),
        (
            "remove them: jasco forget runs/a --judge offline",
            "remove them: jasco forget runs/a --judge offline (in a terminal)",
        ),
        (
            "unknown; see: jasco models; did you mean x?",
            "unknown; see: jasco models (in a terminal); did you mean x?",
        ),
        (
            "last output: no argument --limit-mm-per-prompt",
            "last output: no argument --limit-mm-per-prompt",
        ),
        ("my--run: a file", "my--run: a file"),
        ("--max-calls: invalid value '0'", "max_calls: invalid value '0'"),
        ("reached; allow more with --max-cost", "reached; allow more with max_cost="),
    ],
)
def test_options_become_parameters(message: str, expected: str) -> None:
    assert python_names(message) == expected


@pytest.mark.parametrize("kind", [jasco.InputError, jasco.RunConflictError, jasco.IncompleteError])
def test_the_class_and_the_notes_of_an_error_stay(kind: type[Exception]) -> None:
    class Special(kind):  # type: ignore[misc, valid-type]
        pass

    error = Special("use a different --run")
    error.add_note("kept")
    with pytest.raises(Special, match=r"use a different run=") as caught, named_as_in_python():
        raise error
    assert caught.value.__notes__ == ["kept"]


def test_what_is_raised_and_logged_names_parameters(
    data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, serve: Serve
) -> None:
    def constant(audio: Any, sampling_rate: int, prompt: str) -> str:
        return "always the same"

    run = tmp_path / "run"
    with pytest.raises(jasco.RunConflictError, match="preflight=False"):
        jasco.evaluate(constant, data=data, judges=[], run=run, name="constant")
    with caplog.at_level(logging.INFO, "jasco"):
        model = f"openai/m,base_url={serve().url}"
        jasco.evaluate(model, data=data, judges=["offline"], run=run)
        jasco.evaluate(model, data=data, judges=["offline"], run=run, limit=1)
    assert "limit=1 has no effect" in caplog.text
    assert "--" not in caplog.text
    with pytest.raises(jasco.RunConflictError, match="a different run="):
        jasco.evaluate(f"{model},seed=3", data=data, judges=[], run=run)
    with pytest.raises(jasco.InputError, match=r"judges=\['ofline'\]: .* did you mean offline"):
        jasco.score(run, judges="ofline")
    with pytest.raises(jasco.InputError, match=r"jasco models \(in a terminal\)"):
        jasco.evaluate("opnai/m", data=data, judges=[])
