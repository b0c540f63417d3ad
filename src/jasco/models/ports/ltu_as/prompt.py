"""The prompt: the question, and what a speech recogniser wrote down, in the form of the training.

The published code's template is ``alpaca_short``.
"""

import re

from jasco.models.ports.text import BOS, Tokenizer

_QUESTION = "### Instruction:\n{question}\n\n"
_TRANSCRIPT = "### Input:\n{transcript}\n\n"
_ANSWER = "### Response:\n"

# Lower case, a capital at the beginning, or capitals throughout: no other spelling is taken out.
_THANKS = re.compile(
    r"(?:(?:[Tt]hanks|[Tt]hank you) for watching|(?:THANKS|THANK YOU) FOR WATCHING)[.!]?"
)


def prompt_text(question: str, transcript: str) -> str:
    """Put a question, and what is said in the clip, into the words that the model was trained on.

    Parameters
    ----------
    question : str
    transcript : str
        Without one, its heading is left out as well.
    """
    heard = _TRANSCRIPT.format(transcript=transcript) if transcript else ""
    return _QUESTION.format(question=question) + heard + _ANSWER


def prompt_ids(tokenizer: Tokenizer, question: str, transcript: str) -> list[int]:
    """Give the tokens that follow the clip: BOS and the prompt's."""
    return [BOS, *tokenizer.encode(prompt_text(question, transcript))]


def remove_thanks_for_watching(text: str) -> str:
    """Take out what Whisper tends to hear in silence, a phrase that ends many videos."""
    return _THANKS.sub("", text)


def clean_transcript(text: str) -> str:
    """Clean what Whisper wrote down, as the published script does."""
    return remove_thanks_for_watching(text.lstrip())
