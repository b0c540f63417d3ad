"""What the text of an answer contains: a reference keyword, or a refusal.

Keywords
--------
A keyword is compared with the words of an answer by their stems (the English stemmer of Snowball,
"porter2"), so that "surf" matches "surfing" and "evacuate" matches "evacuating", but "song" does
not match "songbird". Case, accents and articles are ignored, and the words of a keyword must be
consecutive: "defuse a bomb" matches "defusing the bomb". A compound may be spelled as one word,
with a hyphen or as two words: "sandcastle" matches "sand castle".

The comparison is literal. Synonyms and irregular forms do not match, a negated keyword does, and
words with the same stem are not distinguished ("fishing" and "a fish").

Refusals
--------
A refusal is recognised by a list of English phrases, in which the model states that it has no
audio, cannot hear it, or cannot answer. Quotations and reported speech are ignored: "The speaker
says: I cannot hear you" is not a refusal. An answer that names an action after such a phrase also
matches; whether an answer rests on a cue is the judge's decision.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise

# --- keywords ---

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_ARTICLES = frozenset({"a", "an", "the"})
_LEAST_PART = 3  # minimum number of letters of each part of a compound


def contains_keyword(text: str, keywords: str) -> bool:
    """Return whether a text contains one of several keywords, in any form of the word.

    Parameters
    ----------
    text : str
        The answer.
    keywords : str
        The comma-separated keywords of a clip.

    Examples
    --------
    >>> contains_keyword("They are watching shooting stars.", "shooting star,meteor")
    True
    >>> contains_keyword("They hear a songbird.", "song")
    False
    """
    words = _words(text)
    stems = [_stem(word) for word in words]
    line = _as_line(stems)
    return any(
        _as_line(parts) in line or compound in stems or _has_parts(words, compound)
        for parts, compound in _keywords(keywords)
    )


def keyword_spans(text: str, keywords: str) -> list[tuple[int, int]]:
    """Return where keywords occur in a text, as start and end of each occurrence.

    A compound that is spelled as two words is found as well, as in :func:`contains_keyword`.

    Examples
    --------
    >>> keyword_spans("They surf, then go surfing.", "surfing")
    [(5, 9), (19, 26)]
    """
    if not contains_keyword(text, keywords):
        return []
    spelled = [(match.span(), _plain(match[0])) for match in _WORD.finditer(text)]
    words = [(span, word) for span, word in spelled if word not in _ARTICLES]
    stems = tuple(_stem(word) for _, word in words)
    spans = set()
    for parts, compound in _keywords(keywords):
        for start in range(len(words)):
            for length in {1, 2, len(parts)}:
                end = start + length - 1
                if end < len(words) and (
                    stems[start : end + 1] == parts
                    or (length == 1 and stems[start] == compound)
                    or (length == 2 and _has_parts([words[start][1], words[end][1]], compound))
                ):
                    spans.add((words[start][0][0], words[end][0][1]))
    return _merged(sorted(spans))


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return sorted spans, those that overlap as one."""
    merged: list[tuple[int, int]] = []
    for start, end in spans:
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def keyword_stems(keywords: str) -> frozenset[str]:
    """Return the stems of the words of comma-separated keywords, without articles."""
    return frozenset(stem for parts, _ in _keywords(keywords) for stem in parts)


@lru_cache(maxsize=2**12)
def _keywords(keywords: str) -> tuple[tuple[tuple[str, ...], str], ...]:
    """Return each keyword as the stems of its words, and as the stem of its closed spelling."""
    split = filter(None, map(_words, _plain(keywords).split(",")))
    return tuple((tuple(map(_stem, words)), _stem("".join(words))) for words in split)


def _has_parts(words: list[str], compound: str) -> bool:
    """Return whether two consecutive words are the parts of a compound, given by its stem."""
    return any(
        min(len(first), len(second)) >= _LEAST_PART
        and compound.startswith(first)
        and _stem(first + second) == compound
        for first, second in pairwise(words)
    )


def _as_line(stems: list[str] | tuple[str, ...]) -> str:
    return f" {' '.join(stems)} "


def _words(text: str) -> list[str]:
    return [word for word in _WORD.findall(_plain(text)) if word not in _ARTICLES]


def _plain(text: str) -> str:
    """Return a text in lower case, without accents and typographic apostrophes."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.replace("’", "'"))
    return "".join(char for char in decomposed if not unicodedata.combining(char)).casefold()


@lru_cache(maxsize=2**16)
def _stem(word: str) -> str:
    # The stemmer itself: the package's entry point would use PyStemmer if it is installed. Each
    # call has a separate one, because it has a state and threads may run at the same time.
    from snowballstemmer.english_stemmer import EnglishStemmer

    return str(EnglishStemmer().stemWord(word))


# --- refusals ---

_QUOTE = re.compile(
    r'"[^"\n]{1,400}"|“[^”\n]{1,400}”|«[^»\n]{1,400}»'
    r"|(?<!\w)'[^'\n]{3,300}'(?!\w)|‘[^’\n]{3,300}’(?!\w)"
)
_REPORTED = re.compile(
    r"\b(?:says|said|saying|asks|asked|shouts|shouted|states|stated|exclaims|exclaimed|replies"
    r"|replied|complains|complained|whispers|whispered)\b.*"
    r"|\b(?:speech|spoken|speaker|text|words?|transcript\w*)\b[^:\n]{0,20}:.*"
)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")

_UNABLE = r"(?:cannot|can not|can't|could not|couldn't|(?:not able|unable) to)"
_I_CANNOT = rf"(?:\bi(?: am|'m)? |^(?:(?:i'm |i am )?sorry,? )?(?:but )?){_UNABLE}(?: \w+ly)?"
_I_DO_NOT = r"\b(?:i|and|but) (?:do not|don't|did not|didn't)(?: \w+ly)?"
_PLEASE = r"\b(?:please|could you|can you|if you(?: could| can)?)"
_SEND = r"(?:provide|upload|share|attach|send)"
_HEAR = r"(?:hear|listen|perceive|access|play|process|analy[sz]e|receive|transcribe)\b"
_CONCLUDE = r"(?:determine|tell|infer|identify|answer|conclude|know|predict|guess)\b"
_AUDIO = r"(?:audios?|sounds?|recordings?|clips?|speech|files?)\b"
_INFORMATION = r"(?:information|context|details)\b"
_GIVEN = r"(?:provided|attached|available|given|included|uploaded|shared|received|present)\b"
_REFUSALS = [
    re.compile(pattern)
    for pattern in (
        # "I can't hear the audio", "I am unable to listen to recordings", "I cannot hear."
        rf"{_I_CANNOT} {_HEAR}(?: (?:\w+ ){{0,4}}?(?:{_AUDIO}|anything\b)|\W*$)",
        # "I don't have access to the audio", "I do not have the ability to hear"
        rf"{_I_DO_NOT} (?:have|receive|see) (?:\w+ ){{0,5}}?(?:{_AUDIO}|{_HEAR})",
        # "I would need to hear the audio", "without access to the recording"
        rf"\bi(?:'d| would)? need (?:\w+ ){{0,4}}?(?:{_AUDIO}|{_INFORMATION}|{_HEAR})",
        r"\bwithout (?:(?:hearing|listening|access)\b|(?:the |an? )?(?:actual )?audio\b)",
        # "as a text-based model", "I'm a text-only assistant"
        r"\b(?:as|am|'m) (?:only |just )?an? text[- ](?:based|only)\b",
        # "no audio was provided", "there is no audio.", "no recording is attached"
        r"\bno audio(?: (?:file|clip|recording|input|data|content))?(?:\W*$|[,;]| (?:in|for|to)\b)",
        rf"\bno (?:\w+ )?{_AUDIO}(?: \w+)?(?: (?:was|is|were|are|has been|have been))? {_GIVEN}",
        # "the audio is not attached", "the clip has not been provided"
        rf"\b{_AUDIO}(?: \w+)? (?:was|is|were|are|has|have)(?: not|n't)(?: been)? {_GIVEN}",
        # "you haven't provided a clip", "the audio appears to be silent", "no discernible speech"
        rf"\byou (?:have not|haven't|did not|didn't) (?:\w+ly )?(?:{_GIVEN}|{_SEND})",
        rf"\b{_AUDIO}(?: \w+)? (?:is|was|seems|appears)(?: to be)? (?:silent|empty|missing)\b",
        rf"\bno (?:audible|discernible|recogni[sz]able)\b[^.]{{0,20}}\b(?:{_AUDIO}|content\b)",
        # "please provide the audio", "could you share the recording or a transcript"
        rf"{_PLEASE} {_SEND} [^.]{{0,60}}\b(?:{_AUDIO}|{_INFORMATION}|transcript|description)",
        # "I can't determine what they are doing", "I'm sorry, but I can't help with that"
        rf"{_I_CANNOT} (?:{_CONCLUDE}|(?:help|assist|provide)\b)",
        # "I don't know", "it is impossible to tell", "this cannot be determined"
        rf"{_I_DO_NOT} know\b",
        rf"\b(?:impossible|not possible) to (?:\w+ly )?{_CONCLUDE}",
        rf"\b{_UNABLE} be (?:determined|inferred|identified|answered|concluded|known)\b",
        # "there isn't enough information", "does not provide enough context"
        rf"(?:\bnot|n't)(?: \w+){{0,2}}? enough {_INFORMATION}|\binsufficient {_INFORMATION}",
    )
]


def is_refusal(text: str) -> bool:
    """Return whether an answer states that the model cannot hear, or cannot answer.

    Examples
    --------
    >>> is_refusal("I'm sorry, but I cannot listen to audio.")
    True
    >>> is_refusal("They cannot hear each other because of the train.")
    False
    """
    unquoted = _QUOTE.sub(" ", text).replace("’", "'").lower()
    sentences = (_REPORTED.sub("", sentence) for sentence in _SENTENCE_END.split(unquoted))
    return any(pattern.search(sentence) for sentence in sentences for pattern in _REFUSALS)
