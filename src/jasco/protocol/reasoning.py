"""Separation of a model's reasoning from its answer.

Reasoning models write their reasoning into the text, between tags, unless a server removes it.
Judges see the answer only: the published rubric does not expect reasoning, and a judge that reads
"it may be a beach, or a car park" cannot know which answer is final.
"""

import re
from collections.abc import Mapping
from dataclasses import replace

from jasco.errors import one_line
from jasco.protocol.responses import Failure, Response

NO_TEXT = "no text"
"""The kind of failure of a completion without an answer, such as one of reasoning only."""
_NAME = r"(?:think|thinking|thought|reasoning)"
_TAG = rf"(?:<{_NAME}>|\[THINK\]|<\|channel\|>analysis<\|message\|>)"
_OPENING = re.compile(_TAG, re.IGNORECASE)
_OPENING_FIRST = re.compile(rf"\s*+{_TAG}", re.IGNORECASE)
_CLOSING = re.compile(rf"</{_NAME}>|\[/THINK\]|<\|channel\|>final<\|message\|>", re.IGNORECASE)
# Only the opening tags of these may stand in the prompt.
_CLOSING_ALONE = re.compile(r"</think>|\[/THINK\]|<\|channel\|>final<\|message\|>", re.IGNORECASE)


def split_reasoning(text: str) -> tuple[str, str]:
    """Split a text into the reasoning at its beginning and the answer.

    Parameters
    ----------
    text : str
        Output of a model.

    Returns
    -------
    reasoning, answer : str
        The text in two parts. The reasoning includes its tags, and is empty where there is none. It
        ends with its closing tag, with or without an opening one (which many chat templates write
        into the prompt); reasoning that is not closed leaves no answer. Tags after the beginning of
        an answer are part of it.

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
    """Move the reasoning of an answer out of its text.

    Parameters
    ----------
    answer : Response
        The answer as the model returned it.
    identity : mapping
        The identity of the model. With ``reasoning=keep`` the reasoning stays, or becomes, the
        beginning of the text, so that judges read it.

    Returns
    -------
    Response or Failure
        A failure (``cut off`` or ``no text``) where nothing follows the reasoning.
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
    """Return the failure of a completion with reasoning and without an answer."""
    beginning = one_line(reasoning, 120)
    if cut_off:
        kind, reason = "cut off", "no answer within max_tokens"
        remedy = "a larger max_tokens leaves room for one"
    else:
        kind, reason = NO_TEXT, "no answer"
        remedy = (
            "turn reasoning off (for many servers: chat_template_kwargs.enable_thinking=false), or "
            "correct the server's reasoning parser"
        )
    return Failure(kind, f"reasoning only, {reason}: {beginning!r}; {remedy}", final=greedy)
