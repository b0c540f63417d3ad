"""The prompt: question and transcript in the template of the training data.

The published code calls the template ``alpaca_short``.
"""

import re

from jasco.models.ports.text import BOS, Tokenizer

_QUESTION = "### Instruction:\n{question}\n\n"
_TRANSCRIPT = "### Input:\n{transcript}\n\n"
_ANSWER = "### Response:\n"

# In lower case, with an initial capital or in capitals; no other spelling is removed.
_THANKS = re.compile(
    r"(?:(?:[Tt]hanks|[Tt]hank you) for watching|(?:THANKS|THANK YOU) FOR WATCHING)[.!]?"
)


def prompt_text(question: str, transcript: str) -> str:
    """Return the prompt for a question and the transcript of the clip.

    Parameters
    ----------
    question : str
    transcript : str
        If it is empty, its heading is omitted as well.
    """
    section = _TRANSCRIPT.format(transcript=transcript) if transcript else ""
    return _QUESTION.format(question=question) + section + _ANSWER


def prompt_ids(tokenizer: Tokenizer, question: str, transcript: str) -> list[int]:
    """Return the tokens that follow the clip: BOS and those of the prompt."""
    return [BOS, *tokenizer.encode(prompt_text(question, transcript))]


def remove_thanks_for_watching(text: str) -> str:
    """Remove "Thanks for watching", which Whisper tends to hallucinate in silence.

    The phrase ends many videos.
    """
    return _THANKS.sub("", text)


def clean_transcript(text: str) -> str:
    """Clean Whisper's transcript as the published script does."""
    return remove_thanks_for_watching(text.lstrip())
