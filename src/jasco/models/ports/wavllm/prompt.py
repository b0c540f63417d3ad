"""The text of the prompt before and after the audio."""

from dataclasses import dataclass

from jasco.models.ports.text import BOS, Tokenizer

LEFT = (
    "[INST]<<SYS>>\nAs a helpful language and speech assistant, you are able to understand the "
    "speech content provided by the user, and assist the user with a variety of tasks using "
    "natural language.\n<</SYS>>\n\n<SPEECH>"
)
RIGHT = " </SPEECH> {question} [/INST]"
QUOTED = '"{question}"'
"""The text from which the LoRA scale is predicted."""


@dataclass(frozen=True)
class PromptTokens:
    """The token ids of a question's prompt.

    Attributes
    ----------
    left, right : list of int
        Tokens before and after the audio.
    quoted : list of int
        Tokens of the question in quotation marks, for the scale.
    """

    left: list[int]
    right: list[int]
    quoted: list[int]


def make_prompt(tokenizer: Tokenizer, question: str, *, second_bos: bool = True) -> PromptTokens:
    """Return the prompt of a question as token ids, in the original's format.

    Parameters
    ----------
    tokenizer : Tokenizer
    question : str
    second_bos : bool
        Whether a second BOS replaces the first token of the right part (a lone space), as in the
        original search, which starts from BOS and then forces the tokens after the first.
    """
    right = tokenizer.encode(RIGHT.format(question=question))
    return PromptTokens(
        left=[BOS, *tokenizer.encode(LEFT)],
        right=[BOS, *right[1:]] if second_bos else right,
        quoted=tokenizer.encode(QUOTED.format(question=question)),
    )
