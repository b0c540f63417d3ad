"""Reasoning is separated from the answer that follows it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jasco.protocol.reasoning import split_reasoning, without_reasoning
from jasco.protocol.responses import Failure, Response


@pytest.mark.parametrize(
    ("text", "reasoning", "answer"),
    [
        ("They flee.", "", "They flee."),
        ("<think>A siren.</think>They flee.", "<think>A siren.</think>", "They flee."),
        ("A siren.\n</think>\n\nThey flee.", "A siren.\n</think>", "\n\nThey flee."),
        ("\n<thinking>\nA\n</thinking> They", "\n<thinking>\nA\n</thinking>", " They"),
        ("[THINK]A siren.[/THINK]They flee.", "[THINK]A siren.[/THINK]", "They flee."),
        (
            (
                "<|channel|>analysis<|message|>A siren.<|end|><|start|>assistant<|channel|>final"
                "<|message|>They flee."
            ),
            (
                "<|channel|>analysis<|message|>A siren.<|end|><|start|>assistant<|channel|>final"
                "<|message|>"
            ),
            "They flee.",
        ),
        ("<think>A siren.", "<think>A siren.", ""),
        ("<think>A</think> <think>B</think>They", "<think>A</think> <think>B</think>", "They"),
        (
            "They are at the beach. <reasoning>Waves.</reasoning>",
            "",
            "They are at the beach. <reasoning>Waves.</reasoning>",
        ),
        ("<answer>beach</answer><think>x</think>", "", "<answer>beach</answer><think>x</think>"),
        ("They are at the beach.\n</thought>", "", "They are at the beach.\n</thought>"),
        ("I think they flee.", "", "I think they flee."),
        ("They wrote <think> on the wall.", "", "They wrote <think> on the wall."),
    ],
)
def test_reasoning_ends_where_the_answer_begins(text: str, reasoning: str, answer: str) -> None:
    assert split_reasoning(text) == (reasoning, answer)


@given(st.text() | st.lists(st.sampled_from(["<think>", "</think>", "a", " "])).map("".join))
def test_nothing_is_lost(text: str) -> None:
    assert "".join(split_reasoning(text)) == text


def test_judges_are_shown_the_answer_only_unless_reasoning_is_kept() -> None:
    inline = Response("<think>A siren.</think>\nThey flee.", "stop")
    separate = Response("They flee.", "stop", reasoning="A siren.")
    assert without_reasoning(inline, {}) == Response(
        "They flee.", "stop", reasoning="<think>A siren.</think>"
    )
    assert without_reasoning(separate, {}) == separate
    assert without_reasoning(inline, {"reasoning": "keep"}) == inline
    with_reasoning = without_reasoning(separate, {"reasoning": "keep"})
    assert isinstance(with_reasoning, Response)
    assert with_reasoning.text == "<think>\nA siren.\n</think>\n\nThey flee."
    response = Response(" They flee.")
    assert without_reasoning(response, {}) is response


@pytest.mark.parametrize(
    ("temperature", "reason", "kind", "final"),
    [
        (0.0, "stop", "no text", True),
        (0.7, "stop", "no text", False),
        (None, "stop", "no text", False),
        (0.0, "length", "cut off", True),
    ],
)
def test_reasoning_without_an_answer_is_a_failure(
    temperature: float | None, reason: str, kind: str, *, final: bool
) -> None:
    outcome = without_reasoning(Response("<think>A siren.", reason), {"temperature": temperature})
    assert isinstance(outcome, Failure)
    assert (outcome.kind, outcome.final) == (kind, final)
