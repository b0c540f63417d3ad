"""Separating what a model reasons before its answer from the answer itself.

Reasoning models write their reasoning into the text, between tags, unless a server takes it out.
Judges are shown answers: the published rubric does not expect reasoning, and a judge that reads
"it may be a beach, or a car park" cannot tell what was finally said.
"""

import re
from collections.abc import Mapping
from dataclasses import replace

from jasco.errors import one_line
from jasco.protocol.responses import Failure, Response

NO_TEXT = "no text"
"""The kind of failure of a completion that holds no answer, such as one of reasoning only."""
_NAME = r"(?:think|thinking|thought|reasoning)"
_TAG = rf"(?:<{_NAME}>|\[THINK\]|<\|channel\|>analysis<\|message\|>)"
_OPENING = re.compile(_TAG, re.IGNORECASE)
_CLOSING = re.compile(rf"</{_NAME}>|\[/THINK\]|<\|channel\|>final<\|message\|>", re.IGNORECASE)
# Of the opening tags, only that of these may stand in the prompt.
_CLOSING_ALONE = re.compile(r"</think>|\[/THINK\]|<\|channel\|>final<\|message\|>", re.IGNORECASE)


def split_reasoning(text: str) -> tuple[str, str]:
    """Split a text into the reasoning that it begins with and the answer.

    Parameters
    ----------
    text : str
        What a model wrote.

    Returns
    -------
    reasoning, answer : str
        Together they are the text. The reasoning holds its tags; it is empty where there is none.
        It ends with its closing tag, whether the opening one is there (many chat templates write
        it into the prompt) or not; reasoning that is not closed leaves no answer. Tags after the
        beginning of an answer are part of it.

    Examples
    --------
    >>> split_reasoning("<think>Gulls, so a beach.</think>They build a sandcastle.")
    ('<think>Gulls, so a beach.</think>', 'They build a sandcastle.')
    >>> split_reasoning("They build a sandcastle.")
    ('', 'They build a sandcastle.')
    """
    end = 0
    while opening := _OPENING.match(text, _after_space(text, end)):
        closing = _CLOSING.search(text, opening.end())
        if not closing:
            return text, ""
        end = closing.end()
    alone = _CLOSING_ALONE.search(text, end)
    if alone and not _OPENING.search(text, end, alone.start()):
        end = alone.end()
    return text[:end], text[end:]


def _after_space(text: str, start: int) -> int:
    return len(text) - len(text[start:].lstrip())


def without_reasoning(answer: Response, identity: Mapping[str, object]) -> Response | Failure:
    """Keep the reasoning of an answer apart from its text.

    Parameters
    ----------
    answer : Response
        As the model gave it.
    identity : mapping
        The model's. With ``reasoning=keep`` the reasoning stays, or becomes, the beginning of the
        text, so that judges read it.

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
        greedy = identity.get("temperature", 0) == 0  # none: the server samples as it likes
        return only_reasoning(reasoning, cut_off=cut_off, greedy=greedy)
    joined = f"{answer.reasoning}\n{reasoning}" if answer.reasoning else reasoning
    return replace(answer, text=text.lstrip(), reasoning=joined)


def only_reasoning(reasoning: str, *, cut_off: bool, greedy: bool) -> Failure:
    """Make the failure of a completion that holds reasoning, and no answer after it."""
    beginning = one_line(reasoning, 120)
    if cut_off:
        return Failure(
            "cut off",
            f"reasoning only, no answer within max_tokens: {beginning!r}; a larger max_tokens "
            "leaves room for one",
            final=greedy,
        )
    return Failure(
        NO_TEXT,
        f"reasoning only, no answer: {beginning!r}; turn reasoning off (for many servers: "
        "chat_template_kwargs.enable_thinking=false), or correct the server's reasoning parser",
        final=greedy,
    )
