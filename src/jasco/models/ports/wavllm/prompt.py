"""The words around the sounds."""

from dataclasses import dataclass

from jasco.models.ports.text import BOS, Tokenizer

LEFT = (
    "[INST]<<SYS>>\nAs a helpful language and speech assistant, you are able to understand the "
    "speech content provided by the user, and assist the user with a variety of tasks using "
    "natural language.\n<</SYS>>\n\n<SPEECH>"
)
RIGHT = " </SPEECH> {question} [/INST]"
QUOTED = '"{question}"'
"""What the scale of the updates is predicted from."""


@dataclass(frozen=True)
class PromptTokens:
    """A question as token numbers.

    Attributes
    ----------
    left, right : list of int
        What stands before and behind the sounds.
    quoted : list of int
        The question alone, for the scale.
    """

    left: list[int]
    right: list[int]
    quoted: list[int]


def make_prompt(tokenizer: Tokenizer, question: str, *, second_bos: bool = True) -> PromptTokens:
    """Put a question into the published form.

    Parameters
    ----------
    tokenizer : Tokenizer
    question : str
    second_bos : bool
        Whether the right part's first token (a lone space) gives way to a second BOS, as in the
        published search: it starts from BOS and then forces the words without their first token.
    """
    right = tokenizer.encode(RIGHT.format(question=question))
    return PromptTokens(
        left=[BOS, *tokenizer.encode(LEFT)],
        right=[BOS, *right[1:]] if second_bos else right,
        quoted=tokenizer.encode(QUOTED.format(question=question)),
    )
