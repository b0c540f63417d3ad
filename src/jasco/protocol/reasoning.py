"""Separation of a model's reasoning from its answer.

Reasoning models write their reasoning into the text, between tags, unless the server removes it.
Judges see only the answer: the published rubric does not consider reasoning, and a judge that reads
"it may be a beach, or a car park" cannot know which answer is final.
"""

import re
from collections.abc import Mapping
from dataclasses import replace

from jasco.errors import one_line
from jasco.protocol.responses import Failure, Response

NO_TEXT = "no text"
"""The kind of failure of a completion without an answer, for example with reasoning only."""
_NAME = r"(?:think|thinking|thought|reasoning)"
_TAG = rf"(?:<{_NAME}>|\[THINK\]|<\|channel\|>analysis<\|message\|>)"
_OPENING = re.compile(_TAG, re.IGNORECASE)
_OPENING_FIRST = re.compile(rf"\s*+{_TAG}", re.IGNORECASE)
_CLOSING = re.compile(rf"</{_NAME}>|\[/THINK\]|<\|channel\|>final<\|message\|>", re.IGNORECASE)
# The opening tags of only these may be part of the prompt.
_CLOSING_ALONE = re.compile(r"</think>|\[/THINK\]|<\|channel\|>final<\|message\|>", re.IGNORECASE)


def split_reasoning(text: str) -> tuple[str, str]:
    """Return the reasoning at the beginning of a text, and the answer.

    Parameters
    ----------
    text : str
        Output of a model.

    Returns
    -------
    reasoning, answer : str
        The two parts of the text. The reasoning includes its tags; it is empty if there is none. It
        ends with its closing tag, with or without an opening tag (which many chat templates add to
        the prompt). If the closing tag is missing, the answer is empty. Tags after the beginning of
        the answer are part of the answer.

    Examples
    --------
    >>> split_reasoning("<think>Gulls, so a beach.</think>They build a sandcastle.")
    ('<think>Gulls, so a beach.</think>', 'They build a sandcastle.')
    >>> split_reasoning("They build a sandcastle.")
    ('', 'They build a sandcastle.')
    """
    end = 0
    while opening := _OPENING_FIRST.match(text, end):
        closing = _CLOSING.search(text, opening.end())
        if not closing:
            return text, ""
        end = closing.end()
    alone = _CLOSING_ALONE.search(text, end)
    if alone and not _OPENING.search(text, end, alone.start()):
        end = alone.end()
    return text[:end], text[end:]


def without_reasoning(answer: Response, identity: Mapping[str, object]) -> Response | Failure:
    """Return a response with the reasoning removed from its text.

    Parameters
    ----------
    answer : Response
        The response as the model returned it.
    identity : mapping
        The identity of the model. With ``reasoning=keep``, the text begins with the reasoning, so
        that judges see it.

    Returns
    -------
    Response or Failure
        A failure (``cut off`` or ``no text``) if no answer follows the reasoning.
    """
    reasoning, text = split_reasoning(answer.text)
    if identity.get("reasoning") == "keep":
        if not answer.reasoning:
            return answer
        return replace(answer, text=f"<think>\n{answer.reasoning}\n</think>\n\n{answer.text}")
    if not reasoning:
        return answer
    if not text.strip():
        cut_off = answer.finish_reason == "length"
        greedy = identity.get("temperature", 0) == 0  # None: the server's own sampling
        return only_reasoning(reasoning, cut_off=cut_off, greedy=greedy)
    joined = f"{answer.reasoning}\n{reasoning}" if answer.reasoning else reasoning
    return replace(answer, text=text.lstrip(), reasoning=joined)


def only_reasoning(reasoning: str, *, cut_off: bool, greedy: bool) -> Failure:
    """Return the failure of a completion that has reasoning but no answer."""
    beginning = one_line(reasoning, 120)
    if cut_off:
        kind, reason = "cut off", "no answer within max_tokens"
        remedy = "increase max_tokens"
    else:
        kind, reason = NO_TEXT, "no answer"
        remedy = (
            "disable reasoning (for many servers: chat_template_kwargs.enable_thinking=false), or "
            "correct the server's reasoning parser"
        )
    return Failure(kind, f"reasoning only, {reason}: {beginning!r}; {remedy}", final=greedy)
