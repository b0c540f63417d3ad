"""The conclusion of an answer: the predicted action, without cues that are only quoted.

Models describe the cues before they conclude ("I hear rain. He says 'run'. They are ..."), and the
rubric rates the conclusion alone. Other sentences are recognised by their form: a label
("Audio: ..."), a verb of hearing or saying, a remark on the voice, an address to the judge. They
are excluded unless they also contain an inference.
"""

import json
import re
from dataclasses import dataclass

_FLAGS = re.IGNORECASE

_THINKING = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", _FLAGS | re.DOTALL)
_JSON = re.compile(r"\{.*\}", re.DOTALL)
_CUE_KEY = re.compile(
    r"[\W_]*(?:audio|sound|spoken|speech|transcri|text|background|noise|voice|words|tone|emotion"
    r"|language|speaker_|gender|heard|confidence|rating|orientation|score|explanation)",
    _FLAGS,
)
_MARKUP = re.compile(r"[*_`#{}\[\]|<>\\]+")
_QUOTE = re.compile(
    r'"[^"\n]{1,400}"|“[^”\n]{1,400}”|„[^“”\n]{1,400}[“”]|«[^»\n]{1,400}»|「[^」\n]{1,400}」'
    r"|(?<!\w)'[^'\n]{3,300}'(?!\w)|‘[^’\n]{3,300}’(?!\w)"
)
_HIDDEN = "\x00"
_SENTENCE_END = re.compile(
    r"(?<=[.!?])\s+|\n+|(?<=[。！？])|;\s+|,\s+(?=(?:but|although|though|however|yet)\b)", _FLAGS
)

_LABEL = re.compile(
    r"^\W*(?:\d+[.)]\s*|step\s+\d+\s*[-–:.]*\s*)?(?:the\s+)?"
    r"(?:audio|spoken|speech|sounds?|text|transcript\w*|background|recording|clip|what i hear"
    r"|what the speaker says|what is said|other sounds|words?|heard|noise|voice|said|listening"
    r"|music|overall quality)\b"
    r"[^.]{0,40}?(?::|\bis\b|\bare\b|\bcontains?|\bhas\b|\bhave\b|\bfeatures?\b|\bincludes?\b)",
    _FLAGS,
)
_PERCEIVES = re.compile(
    r"\bi\s+(?:can\s+|could\s+)?(?:also\s+|clearly\s+)?(?:hear|heard|detect|notice|perceive"
    r"|recogni[sz]e|make out)\b"
    r"|\b(?:can|could) be heard|\b(?:is|are) audible|\bin the (?:background|distance)\b"
    r"|\b(?:speaker|voice|man|woman|person|someone|somebody|he|she|child|girl|boy)\s+(?:\w+ly\s+)?"
    r"(?:says?|said|asks?|asked|shouts?|exclaims?|states?|utters?|whispers?|calls?|speaks?)\b"
    r"|\bthere (?:is|are)\b[^.]{0,40}\b(?:sounds?|noises?|voices?|whistles?|music)\b"
    r"|\bit contains\b|\bwhat i hear\b"
    r"|\bon entend\b|\bdit\b|\bse (?:oye|escucha)\b|\bhört\b|\bsagt\b|\bsi sente\b|\bdice\b"
    r"|音频|说话人说|听到",
    _FLAGS,
)
_MANNER = re.compile(
    r"\b(?:voice|tone|(?:high|low)-pitched|accent|recording|gender|mood)\b"
    r"|\b(?:speaker|man|woman|he|she|person)\s+(?:seems?|sounds?|appears?|speaks?)\b",
    _FLAGS,
)
_INFERS = re.compile(
    r"\b(?:suggest\w*|indicat\w+|impl(?:y|ies|ied|ying)|likely|probabl[ye]|must be|guess|infer\w*"
    r"|conclu\w+|therefore|thus|hence|presumably|perhaps|possibly|maybe|looks like|scenario"
    r"|situation|because|since"
    r"|wants? to)\b"
    r"|\b(?:they|the speakers|people|two|one|who)(?:'re| are| may| might| must| could)\b"
    r"|因此|可能|正在",
    _FLAGS,
)
_PLAYS_JUDGE = re.compile(
    r"\b(?:rating|orientation|score|explanation)\w*\s*\d?\s*[:=]"
    r"|\b(?:ignore|disregard|forget)\b.{0,40}\b(?:instruction|rubric|above|previous|criteria)"
    r"|\b(?:reference|expected|correct|gold|target)[ _](?:answer|key|label|checker)"
    r"|\b(?:dear|attention|note (?:to|for)(?: the)?) judge\b|^\W*judge,"
    r"|\b(?:graders?|evaluators?|annotators?|evaluat(?:es|ion model))\b"
    r"|\bmodel (?:prediction|answer|response)\b|\b(?:this|my|the present) (?:response|prediction)\b"
    r"|\b(?:scoring|grading|evaluation) (?:guide|note|rule|instruction|criteri)"
    r"|\bboth (?:inputs|modalities)"
    r"|\b(?:treat|count|consider|accept) (?:this|my|the) (?:answer|text)"
    r"|\byou (?:must|have to|are to|should) (?:write|output)\b"
    r"|\bfull (?:marks|score|credit)|\brubric|\bjudge\b.{0,40}\b(?:rat|giv|award|mark)"
    r"|\b(?:give|award|rate|mark)\b.{0,30}\b(?:2|two|full|maximum)\b|\bkey ?words?\b",
    _FLAGS,
)
_REFUSES = re.compile(
    r"\b(?:sorry|unable|language model|speculat\w+|insufficient|more context)\b"
    r"|\btoo (?:short|quiet|noisy|faint|unclear)\b[^.]{0,20}\bto\b"
    r"|\b(?:cannot|can't|can not|could not|couldn't|not able to|impossible to|hard to)\b"
    r"[^.]{0,40}\b(?:determine|tell|say|infer|predict|know|identify|make|conclude|answer)\b"
    r"|(?:\bnot?|n't)\b[^.]{0,20}\benough (?:information|context|evidence|detail)|\bfeel free\b",
    _FLAGS,
)
_VERDICT_TAG = re.compile(
    r"<(score|orientation|rating|grad\w*|verdict|keyword\w*)\b[^>]*>.*?(?:</\1>|\Z)",
    _FLAGS | re.DOTALL,
)
_ASIDE = re.compile(r"\([^()\n]{1,400}\)")
_LETTERS = re.compile(r"[^\W\d_]{2,}")
_A_WORD = re.compile(r"[^\W\d_]{3,}|[\u3040-\u9fff]")
_NOTHING = re.compile(
    r"\W*(?:nan|none|null|n/?a|unknown|no (?:response|answer|output))?\W*", _FLAGS
)


@dataclass(frozen=True)
class Reading:
    """The parts of an answer.

    Attributes
    ----------
    sentences : tuple of str
        All sentences, without quoted passages.
    conclusion : tuple of str
        The sentences that predict an action; possibly none.
    quotes : int
        Number of quoted passages.
    plays_judge : bool
        Whether the answer addresses or imitates a judge.
    refuses : bool
        Whether the answer states that no conclusion is possible.
    """

    sentences: tuple[str, ...]
    conclusion: tuple[str, ...]
    quotes: int
    plays_judge: bool
    refuses: bool

    @property
    def concluded(self) -> str:
        """The conclusion as one text."""
        return " ".join(self.conclusion)


def read(answer: str) -> Reading:
    """Parse an answer. Instructions in it are not followed: text that plays judge is ignored."""
    sentences, quotes = _sentences(_prose(answer))
    return Reading(
        sentences=tuple(sentence.replace(_HIDDEN, " ") for sentence in sentences),
        conclusion=tuple(
            sentence.replace(_HIDDEN, " ") for sentence in sentences if _concludes(sentence)
        ),
        quotes=quotes,
        plays_judge=bool(_PLAYS_JUDGE.search(answer)),
        refuses=any(_REFUSES.search(sentence) for sentence in sentences),
    )


def _concludes(sentence: str) -> bool:
    if (
        not _is_language(sentence)
        or _PLAYS_JUDGE.search(sentence)
        or _REFUSES.search(sentence)
        or _NOTHING.fullmatch(sentence)
    ):
        return False
    describes = any(pattern.search(sentence) for pattern in (_LABEL, _PERCEIVES, _MANNER))
    return not describes or bool(_INFERS.search(sentence))


def _is_language(sentence: str) -> bool:
    """Return whether a text consists of words, not of single letters as from a broken model."""
    letters = sum(map(len, _LETTERS.findall(sentence)))
    return bool(_A_WORD.search(sentence)) and 2 * letters >= len("".join(sentence.split()))


def _prose(answer: str) -> str:
    """Remove reasoning and markup; of a JSON object, keep only values that are not cues."""
    text = _VERDICT_TAG.sub("\n", _THINKING.sub("", answer))
    if found := _JSON.search(text):
        try:
            values = json.loads(found[0])
        except (ValueError, RecursionError):
            values = None
        if isinstance(values, dict):
            lines = [str(value) for key, value in values.items() if not _CUE_KEY.match(key)]
            text = text[: found.start()] + "\n".join(lines) + text[found.end() :]
    # Only an aside that plays judge is removed; the rest of its sentence may be a prediction.
    text = _ASIDE.sub(lambda aside: "" if _PLAYS_JUDGE.search(aside[0]) else aside[0], text)
    return _MARKUP.sub(" ", text)


def _sentences(prose: str) -> tuple[list[str], int]:
    """Split a text into sentences with quotes hidden; return them and the number of quotes."""
    quotes = 0

    def hide(quote: re.Match[str]) -> str:
        nonlocal quotes
        quotes += 1
        # A sentence that ends inside the quotes ends there.
        return f" {_HIDDEN}{'. ' if quote[0][-2] in '.!?' else ' '}"

    parts = _SENTENCE_END.split(_QUOTE.sub(hide, prose))
    return [part.strip() for part in parts if part.strip(f" {_HIDDEN}.-•")], quotes
