"""Reading a judge's answer: it never raises and never guesses."""

import re
import time
import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from jasco.protocol.verdict_parser import (
    read_constrained,
    read_orientation,
    read_rating,
    read_repair,
    read_verdict,
)
from jasco.protocol.verdicts import Orientation, Verdict
from places import SHARED

AUDIO, SPEECH, BOTH, NEITHER = Orientation
WORKED_EXAMPLES = SHARED / "protocol" / "worked_examples.txt"

# --- the table of the protocol ---

RATINGS = [
    ("Rating: 2", 2),
    ("**Rating:** 2", 2),
    ("rating : 2.", 2),
    ("Rating: 2/2", 2),
    ("Rating:\n2", 2),
    ("Rating: 2.0", 2),
    ("Rating: (2)", 2),
    ("Rating: [2]", 2),
    ("Rating: $2$", 2),
    ("Rating: (int) as follows\nRating: 2", 2),
    ("Rating: 1/2", 1),
    ("Rating: 1 (generally aligned)", 1),
    ("Rating: 2/10", None),
    ("Rating: 1 out of 10", None),
    ("Rating: 1.5", None),
    ("Rating: 3", None),
    ("Rating: five", None),
    ("Rating: (int)", None),
    ("Rating: 1 or 2", None),
    ("Rating: 2 (?)", None),
    ("Rating: 2 (wrong)", None),
    ("Rating: 1\nRating: 2", None),
    ("The answer is rather good.", None),
    # the same rules, other forms
    ("Rating: 0", 0),
    ("RATING:1", 1),
    ("  - Rating: 1", 1),
    ("1. Rating: 2", 2),
    ("## **Rating**: `2`", 2),
    ("**Rating: 2/2 (a perfect match).**", 2),
    ("Rating: 2 / 2", 2),
    ("Rating:   \r\n  2  \r\n", 2),
    ("Rating: 2\nRating: 2.0", 2),
    ("Rating: (int)\nRating: 2", 2),
    ("Rating: <int>\nRating: 2", 2),
    ("Rating: 0/1/2\nRating: 1", 1),
    ("Rating: (int)\nRating: (int)", None),
    ("Rating: 0/1/2", None),
    ("Rating: ten\nRating: 2", None),
    ("Rating: 1. 2", None),
    ("Rating: 10. 2", None),
    ("Rating: - 2", None),
    ("Rating: -2", None),
    ("Rating: ~1", None),
    ("Rating: >1", None),
    ("Rating: 12", None),
    ("Rating: 02", None),
    ("Rating: 2%", None),
    ("Rating: 1 (or 2)", None),
    ("Rating: 1 (or perhaps two)", None),
    ("Rating: 2 (out of ten)", None),
    ("Rating: 2 (1 would be too low)", None),
    ("Rating: 1/2/2", None),
    ("Rating:", None),
    ("Rating:\n\n2", None),
    ("Rating 2", None),
    ("Ratings: 2", None),
    ("My Rating: 2", None),
    ("Rating: ２", None),
    ("Rating: ²", None),
    ("Rat\u0131ng: 2", None),
]
ORIENTATIONS = [
    ("Orientation: Both", BOTH),
    ("**Orientation**: Both-Oriented", BOTH),
    ("Orientation: Good", BOTH),
    ("Orientation: both.", BOTH),
    ("Orientation: (Both)", BOTH),
    ("Orientation: Both<|eot_id|>", BOTH),
    ("Orientation:\nSpeech-Oriented", SPEECH),
    ("Orientation: speech oriented", SPEECH),
    ("Orientation: Neither-Oriented", NEITHER),
    ("Orientation: Audio-Oriented/Speech-Oriented/Both/Neither", None),
    ("Orientation: Neither, although Orientation: Good was considered", None),
    ("Final answer is Speech.", None),
    ("Orientation: Final answer is Speech.", None),
    ("Orientation: Both\nIt fits both.\nFinal Orientation: Neither", None),
    # the same rules, other forms
    ("ORIENTATION: AUDIO-ORIENTED", AUDIO),
    ("Orientation: **Neither**", NEITHER),
    ("3) Orientation: Audio-Oriented.", AUDIO),
    ("Orientation:\r\nGood\r\n", BOTH),
    ("Orientation:\rBoth", BOTH),
    ("Orientation: Audio-Oriented/Speech-Oriented/Both/Neither\nOrientation: Both", BOTH),
    ("Orientation: Audio-Oriented/Speech-Oriented/Good/Neither.\nOrientation: Good", BOTH),
    ("Orientation: (your choice)\nOrientation: Neither", NEITHER),
    ("Orientation: Good\nOrientation: Both", BOTH),
    ("Orientation: Both\nOrientation: Neither", None),
    ("Orientation: Both\nOrientation: Final answer is Speech.", None),
    ("Orientation: Audio", None),
    ("Orientation: Both Audio-Oriented and Speech-Oriented", None),
    ("Orientation: not Both", None),
    ("Orientation: Audio-Oriented/Both", None),
    ("Orientation: Audio\u2011Oriented", AUDIO),
    ("Orientation: \u017fpeech-Oriented", None),
    ("Orientation: Ｂｏｔｈ", None),
    ("Orientation is Both", None),
    ("The Orientation: Both", None),
    ("Both", None),
]


@pytest.mark.parametrize(("text", "rating"), RATINGS)
def test_ratings_are_read_as_the_protocol_says(text: str, rating: int | None) -> None:
    assert read_verdict(text) == Verdict(rating, None)
    assert read_verdict(f"Orientation: Both\n{text}") == Verdict(rating, BOTH)


@pytest.mark.parametrize(("text", "orientation"), ORIENTATIONS)
def test_orientations_are_read_as_the_protocol_says(
    text: str, orientation: Orientation | None
) -> None:
    assert read_verdict(text) == Verdict(None, orientation)
    assert read_verdict(f"{text}\nRating: 1") == Verdict(1, orientation)


# --- formatting: clear statements in other forms ---

FORMATTED = [
    # brackets, quotation marks, emphasis
    "Rating: **2**", "**Rating: 2**", "*Rating*: 2", "__Rating:__ `2`", "***Rating:*** 2",
    'Rating: "2"', "Rating: “2”", "Rating: ‘2’", "### Rating\n\nThe answer is vague.\n\nRating: 2",
    "Rating: '2'", "Rating: «2»", "Rating: 「2」", "Rating: （2）", "Rating: (2).", "Rating: {2}",
    "Rating: <2>", "Rating: [ 2 ]", "Rating: ((2))", "Rating: **(2)**", "Rating: $$2$$",
    "Rating: \\boxed{2}", "Rating: $\\boxed{2}$", "Rating: \\(2\\)", "\\boxed{Rating: 2}",
    "<b>Rating:</b> 2", "Rating: 2<br>", "Rating\\: 2", "Rating: \\textbf{2}",
    # characters
    "Rating：2", "Rating：2。", "Rating:\u00a02", "Rating\u202f: 2", "Rating:\t2", "Rating:\u30002",
    "R\u200bating: 2", "\ufeffRating: 2", "Rating: 2\u200d", "Rat\xading: 2", "Rating:\u20602",
    "Rating: 2\0", "Rating: 2\u2028Orientation: Both", "Rating: 2\x0bOrientation: Both",
    "\u00a0Rating: 2",
    # names and signs
    "Rating = 2", "Rating=2", "Rating == 2", "Rating := 2", "Final Rating: 2",
    "**Final** Rating: 2", "Revised Rating: 2", "corrected rating: 2", "UPDATED RATING: 2",
    "Overall Rating: 2", "final_rating: 2", "Rating (int): 2", "Rating (0-2): 2",
    "Rating (0/1/2): 2", "Rating (Task 1): 2", "Rating (final): 2", "* Rating: 2", "• Rating: 2",
    "(1) Rating: 2", "a) Rating: 2", "- **1. Rating:** 2", "– Rating: 2",
    # values
    "Rating: 2 / 2", "Rating: 2 out of 2", "Rating: 2/2.0", "Rating: Score2", "Rating: Score: 2",
    "Rating: 2!", "Rating: (int) 2", "Rating: (int): 2", "Rating: 2,", "Rating: 2;",
    # remarks without a hedge
    "Rating: 2 (two)", "Rating: 2 (aligned).", "Rating: 2 [perfect match]",
    "Rating: (2) (perfect match)", "Rating: 2 - because it mirrors the reference",
    "Rating: 2 – it mirrors the reference", "Rating: 2. The answer mirrors the reference.",
    "Rating: 2, because it matches", "Rating: 2: aligned", 'Rating: 2 (it names the "castle")',
    "Rating: 2\n(The answer mirrors the reference.)",
    # two statements in one line
    "Rating: 2, Orientation: Both", "Rating: 2 | Orientation: Both",
    "Rating: 2; Orientation: Both", "Rating: 2 Orientation: Both",
    "Rating: 2 and Orientation: Both", "Rating: 2. Orientation: Both",
    "Rating: 2 Explanation2: It could be anything.", "{Rating: 2, Orientation: Both}",
    # the line below, and below a heading
    "Rating:\n**2**", "Rating:\n- 2", "Rating: \n2 (aligned)", "**Rating:**\n\n2",
    "```\nRating:\n```\n2", "### Rating\n2", "### Rating\n\n2", "### Rating:\n\n**2**",
    "**Rating**\n2", "Rating\n------\n2", "# Rating\n\n\n2",
    # tables
    "| Rating | 2 |", "| **Rating** | **2** |", "| Rating: | 2 |", "|Rating|2|Aligned.|",
    "| Field | Value |\n|---|---|\n| Rating | 2 |",
    "| Rating | Orientation |\n|---|---|\n| 2 | Both |",
    "| Rating | 2 |\n|---|---|\n| Orientation | Both |",
    "Orientation | Rating\n:-- | --:\nBoth | 2", "| Rating: 2 | Orientation: Both |",
    "| | Rating |\n|-|-|\n| Verdict | 2 |",
    # objects and elements
    '{"Rating": 2}', '{"rating":2,"orientation":"Both"}', '{"RATING": "2"}', '{"Rating": 2.0}',
    '{"Rating": [2]}', '```json\n{"Rating": 2}\n```', '```json {"Rating": 2} ```',
    'Here is my verdict: {"Rating": 2}', '{\n  "Explanation1": "Rating: 1?",\n  "Rating": 2\n}',
    "{'Rating': 2}", '{"a": {"Rating": 2}}', '[{"Rating": 2}]', '{"R\\u0061ting": 2}',
    '{"Rating" : 2 }', '"Rating": 2', '{"final_rating": 2}',
    '{"Explanation1": "\\"Rating\\": 1", "Rating": 2}', "<rating>2</rating>",
    "<Rating> 2 </Rating><Orientation>Both</Orientation>",
    # the end of a turn
    "Rating: 2</s>", "Rating: 2<|im_end|>", "Rating: 2<end_of_turn>", "Rating: 2<|endoftext|>",
    "Rating: 2 <|eot_id|>", "**Rating: 2**<|im_end|>", "**Rating: 2<|im_end|>**",
    "Rating: 2<｜end▁of▁sentence｜>", "Rating: 2<|eot_id|>assistant",
    "Rating: 2<|eot_id|><|start_header_id|>assistant<|end_header_id|>",
    "Rating: 2<|im_end|><|endoftext|>",
    # without meaning: quotations, struck-out text, reasoning, echoes
    "> Rating: 1\nRating: 2", "Rating: 2\n>> **Rating:** 1", "- > Rating: 1\nRating: 2",
    '> {"Rating": 1}\nRating: 2', "> | Rating | 1 |\nRating: 2", "\u00a0> Rating: 1\nRating: 2",
    "> ### Rating\n> 1\n\nRating: 2", "~~Rating: 1~~\nRating: 2", "- ~~Rating: 1~~\nRating: 2",
    "**~~Rating: 1~~**\nRating: 2", "Rating: ~~1~~ 2",
    "~~Rating: 1\nOrientation: Both~~\nRating: 2", "~~Rating: 1~~ Rating: 2",
    '~~{"Rating": 1}~~\nRating: 2', "<del>Rating: 1</del>\nRating: 2",
    "<think>Rating: 1</think>Rating: 2", "<think>\nRating: 1\n</think\u200b>\nRating: 2",
    "[THINK]Rating: 1[/THINK]\nRating: 2", "Rating: 0, 1, or 2\nRating: 2",
    "Rating: one of 0, 1, 2\nRating: 2", "Rating: (0-2)\nRating: 2", "Rating: [int]\nRating: 2",
    "Rating: (int) will be given below\nRating: 2", "Rating: see below\nRating: 2",
    "Rating:\nExplanation1: x\nRating: 2",
    # statements that agree, and lines that are none
    'Rating: 2\n**Final Rating**: 2/2\n{"rating": "2"}', "Rating: 2\nMy rating is 2.",
    "My rating: 2\nRating: 2", '"Rating: 1" would be too low\nRating: 2',
    "Score1 is for answers that align.\nRating: 2", "A rating of 1 would be harsh.\nRating: 2",
    'The model says "Rating: 1".\nRating: 2', "It is rated.\nRating: 2",
    "Rating: 2\n[Task2]\nOrientation: Both", "Rating: 2\n1. Orientation: Both",
    "Rating: 2\n\n1) It is vague.", "Rating: 2\n(Task 2)", "Rating: 2\nNeither",
    "Rating: 2\nNext task",
]  # fmt: skip


@pytest.mark.parametrize("text", FORMATTED)
def test_a_rating_is_read_whatever_its_formatting(text: str) -> None:
    assert read_verdict(text).rating == 2
    assert read_verdict(f"Explanation1: It fits.\n\n{text}\n\nExplanation2: So do I.").rating == 2


CONTRADICTIONS = [
    "Rating: 1", "**Final rating:** 0/2", '{"Rating": 1}', "| Rating | 0 |", "### Rating\n\n1",
    "Rating: (1)", "My rating is 1.", "Rating: 1 (aligned)", "Rating:\n0",
]  # fmt: skip


@pytest.mark.parametrize("text", FORMATTED)
def test_all_statements_must_agree_whatever_their_formatting(text: str) -> None:
    for other in CONTRADICTIONS:
        assert read_verdict(f"{text}\n\n{other}").rating is None, other
        if not text.startswith(("<think", "[THINK")):
            assert read_verdict(f"{other}\n\n{text}").rating is None, other


UNREADABLE = [
    # contradictory
    '{"Rating": 1, "Rating": 2}', '{"Rating": 1}\n{"rating": 2}', "Rating: 2\n1", "Rating:\n2\n1",
    "Rating:\n- 2\n- 1", "Rating:\n* 2\n* 1", "Rating: 2\nRating is 1", "Rating: 2\nMy rating: 1",
    "Rating: 2\nSo my final rating is 1.", "Rating: 2\nOn reflection, no. Rating: 1",
    "Rating: 2\nScore: 1", "Rating: 2\nRating - 1", "Rating: 2\nActually, 1.",
    "Rating: 2\nHowever, Rating: 1", "Rating: 2\n\\boxed{1}", "Rating: 2\nI rate it 1.",
    "Rating: 2\nMy score is 1. It is vague.", 'Rating: 2\nthe json {"rating": 1} is mine',
    'Rating: 2\n{"R\\u0061ting": 1}', "Rating: 2\n<rating>1</rating>", "Rating: 2\nRating:\n\n1",
    "Rating: 2\nRating\n1", "Rating: 2\nFinal answer: 1", "Rating: 2\n(Rating: 1)",
    "Initial Rating: 1\nRating: 2", "Rating: 2\nRating: (zero)", "Rating: 2\nMy rating is one.",
    "Rating: 2 → 1", "Rating: 2 (-> 1)", "Rating: 2 vs Rating: 1", "Rating: 2, not Rating: 1",
    "| Rating | 2 | 1 |", "| Rating | 2 |\n| Rating | 1 |",
    "| a | Rating |\n|---|---|\n| b | 2 |\n| c | 1 |", "[2] [1]", "Rating: [2] [1]",
    "Rating: 2\n<think>\nRating: 1", "Rating: ~~1~~ 2\nRating: 1", "~~Rating: 1\nRating: 2",
    # hedged
    "Rating: 2?", "Rating: 2*", "**Rating:** 2*", "Rating: 2-ish", "Rating: 1-2", "Rating: 2+",
    "Rating: +2", "Rating: 2 (?!)", "Rating: 2 (or 1)", "Rating: 2 (maybe)",
    "Rating: 2 (PROBABLY)", "Rating: 2 (I am not sure)", "Rating: 2 (isn’t certain)",
    "Rating: 2 (½)", "Rating: 2 (aligned, 80)", "Rating: 2 (a castle?)", "Rating: 2 - see clip 3",
    "Rating: 2 (two thirds)", "Rating: 2 (１)", "Rating: 2 (one)", "Rating: 2 (two of ten)",
    "Rating: 2 (？)", "Rating: 2 (vielleicht)", "Rating: 2 (peut-être)", "Rating: 2 (不确定)",
    "Rating: 2 (🤔)", "Rating: 2 (!)", "Rating: 2 (-)", "Rating: 2 (…)", "Rating: 2 (...)",
    "Rating: 2...", "Rating: 2…", "Rating: 2 (", "Rating: 2 (aligned", "Rating: 2 )", "Rating: (2",
    "Rating: 2, but could be lower", "Rating: 2 - I guess", "Rating: 2. Perhaps.",
    "Rating: 2\n(wrong)", "Rating: 2\nmaybe", "Rating: 2\nmaybe, hm",
    "### Rating\n\nI say two\n\nRating: 2", 'Prediction "Rating": 2', "Rating: 2\nor 1",
    "Rating: 2\n?", "Rating: 2\nnot sure.", "Rating: 2\n…", "Rating: 2\nIsn’t certain",
    "Rating: (2) (wrong)", "Rating: maybe 2", "Rating: not 2", "Rating: != 2", "Rating != 2",
    "Rating: (probably) 2", "Rating: ≈ 2", "Rating: (2?)", "Rating (tentative): 2",
    "Rating (initial): 2", "Rating (?): 2", "Tentative Rating: 2", "Possible Rating: 2",
    "Rating?: 2",
    # on another scale, or no value at all
    "Rating (0-10): 2", "Rating (out of 5): 2", "| Rating (0-10) |\n|---|\n| 2 |",
    "Rating: 2 out of 5", "Rating: 2 of 10", "Rating: 2/2/2", "Rating: #2", "Rating: 2 000",
    "Rating: 2,5", "Rating: 2.05", "Rating: 2e0", "Rating: 2x", "Rating: A\nRating: 2",
    "Rating: two", "Rating: (1 or 2)\nRating: 2", "Rating: (?)\nRating: 2",
    "Rating: 0-2\nRating: 2", "Rating: (int) or two\nRating: 2", '{"Rating": 2.5}',
    '{"Rating": true}', '{"Rating": null}', '{"Rating": [1, 2]}', '{"Rating": {"value": 2}}',
    '{"Rating": "2\\" maybe"}', "Rating:\n1. The sound\n2. The words", "Rating:\n2. The words",
    "Rating: 2⃣", "Rating: 2†", "Rating: II",
    # in a form that is no statement, or without meaning
    "> Rating: 2", ">Rating: 2", "~~Rating: 2~~", "Rating: ~~2~~", "Rating: ~~1~~\n2",
    "Rating:\n> 2", "> ## **Rating**: `2`", "Sure.\n<think>\nRating: 2",
    "<thinking>Rating: 2</thinking>", "e.g. Rating: 2", "My Rating: 2", "(Rating: 2)",
    "[Rating: 2]", 'The model\'s answer is {"Rating": 2, "Orientation": "Both"}',
    'It says: "Rating": 2', '"Rating: 2"', "The rating is 2.", "Rating\n2", "Rating - 2",
    "Rating -> 2", "So Rating: 2", "Rating: 2<|x|>.5", "Rating: <|eot_id|>",
    "<rating>2</orientation>",
]  # fmt: skip


@pytest.mark.parametrize("text", UNREADABLE)
def test_a_doubtful_statement_is_unreadable(text: str) -> None:
    assert read_verdict(text).rating is None
    assert read_verdict(f"Orientation: Both\n\n{text}\n\nOrientation: Both").rating is None


@pytest.mark.parametrize(
    ("text", "rating"),
    [
        ("Rating: 0 (does not mention the keyword)", 0),
        ("Rating: 0 (no action predicted)", 0),
        ("Rating: 0 - the answer isn't related to the scene", 0),
        ("Rating: 0 (it isn’t mentioned)", 0),
        ("Rating: 0 (based on one modality)", 0),
        ("Rating: 1 (aligned but lacks the keyword)", 1),
        ("Rating: 1 (logical enough but not the most possible)", 1),
        ("Rating: 2 (very logical and the most probable)", 2),
        ("Rating: 2 (does not mention the keyword)", None),
        ("Rating: 2 (but vague)", None),
        ("Rating: 0 (not sure)", None),
        ("Rating: 0 (not)", None),
        ("Rating: 0 (no)", None),
        ("Rating: 1 (but not sure that it is vague)", None),
        ("Rating: 1 (not the most possible)", None),
        ("Rating: 2 (most probable)", None),
    ],
)
def test_a_remark_may_name_what_the_answer_lacks(text: str, rating: int | None) -> None:
    assert read_verdict(text).rating == rating


HEDGING = [
    "maybe", "perhaps", "possibly", "probably", "most likely", "unlikely", "presumably",
    "apparently", "it seems", "I guess", "best guess", "I think", "I suppose", "I feel",
    "in my opinion", "unsure", "uncertain", "unclear", "doubtful", "in doubt", "questionable",
    "arguable", "debatable", "tentative", "provisional", "preliminary", "draft", "pending review",
    "to be confirmed", "to be decided", "TBD", "hmm", "could be lower", "might change",
    "would be higher", "should be revised", "about", "around", "approximately", "roughly",
    "almost", "nearly", "barely", "somewhat", "mostly", "partly", "at best", "at least",
    "more or less", "borderline", "rounded up", "average", "low", "or lower", "either way",
    "if anything", "unless wrong", "except for this", "but", "although it fits", "however",
    "otherwise", "still", "wrong", "incorrect", "false", "a mistake", "an error", "typo", "oops",
    "sorry", "correction", "ignore this", "disregard", "scratch that", "retracted", "withdrawn",
    "revoked", "superseded", "reconsidered", "previously", "initially", "actually lower", "not",
    "not sure", "no", "not really", "cannot tell", "can't say", "isn't certain", "isn’t so",
    "never mind", "hard to say", "difficult", "close call", "torn", "low confidence", "estimate",
    "hypothetically", "for example", "e.g.", "default", "random", "placeholder", "joke", "half",
    "two", "ten", "vielleicht", "oder so", "peut etre", "quizas", "forse", "n/a", "idk", "so-so",
    "iffy", "dubious", "Unsure", "MAYBE", "may be", "un-sure",
]  # fmt: skip


@pytest.mark.parametrize("hedge", HEDGING)
def test_a_remark_that_hedges_makes_a_value_unclear(hedge: str) -> None:
    for template in (" ({})", " [{}]", " - {}", "; {}", ". {}.", ", because {}", " (it is {} so)"):
        remark = template.format(hedge)
        text = f"Rating: 0{remark}\nExplanation2: x\nOrientation: Both{remark}"
        assert read_verdict(text) == Verdict(None, None), text


@pytest.mark.parametrize(
    ("value", "orientation"),
    [
        ("Both (audio and speech)", BOTH), ("Both (audio, speech)", BOTH), ("Both (Good)", BOTH),
        ("'Both'.", BOTH), ("Speech-Oriented (Speech)", SPEECH),
        ("Speech-Oriented (the words alone)", SPEECH), ("Good-Oriented", BOTH),
        ("Audio\u2010Oriented", AUDIO), ("Audio_Oriented", AUDIO), ("AudioOriented", AUDIO),
        ("audio-orientated", AUDIO), ("Both - as it follows from sound and words", BOTH),
        ("\n\\text{Neither}", NEITHER), ("Both</s>", BOTH),
        ("Audio-Oriented, Speech-Oriented, Both, or Neither\nOrientation: Both", BOTH),
        ("[Audio-Oriented | Speech-Oriented | Both | Neither]\nOrientation: Both", BOTH),
        ("Audio-Oriented/Speech-Oriented/Both/Neither (choose one)\nOrientation: Both", BOTH),
        ("Both\nMy conclusion: good", BOTH), ("Neither\n> Orientation: Both", NEITHER),
        ("Both, mostly speech", None), ("Both (Speech)", None), ("Both, Speech", None),
        ("Both (mainly)", None), ("Speech-Oriented (not Audio-Oriented)", None),
        ("Both (Neither)", None), ("Both/Neither", None), ("Both\nNeither", None),
        ("Both\n\nSpeech", None), ("Both\nFinal answer is Speech.", None), ("Both?", None),
        ("Both\nFinal answer: Speech-Oriented", None), ("Both\nActually, Neither.", None),
        ("Both cues", None), ("Both\nI choose Neither.", None),
        ("Audio-Oriented/Speech-Oriented/Both\nOrientation: Both", None), ("Neither nor", None),
        ("Neither of them", None), ("Bothersome", None), ("not Both", None), ("Speech", None),
    ],
)  # fmt: skip
def test_orientations_may_be_formatted_or_doubtful_likewise(
    value: str, orientation: Orientation | None
) -> None:
    assert read_verdict(f"Orientation: {value}") == Verdict(None, orientation)


# --- whole answers ---

ANSWER = """Explanation1: The provided audio sound is [rain], the provided spoken text is [run!],
the reference answer is [they flee], while the model's answer is [they rate 2 films]. Rating it
2 would be wrong: Orientation matters.
Rating: {rating}
Explanation2: I choose among Audio-Oriented/Speech-Oriented/Both/Neither. The predicted action \
rests on the rain alone, I think it could be Neither, or Good.
Orientation: {orientation}"""


@pytest.mark.parametrize("rating", [0, 1, 2])
@pytest.mark.parametrize("orientation", list(Orientation))
def test_a_whole_answer_is_read_whatever_its_explanations_mention(
    rating: int, orientation: Orientation
) -> None:
    text = ANSWER.format(rating=rating, orientation=orientation)
    assert read_verdict(text) == Verdict(rating, orientation)
    assert read_verdict(text.replace("\n", "\r\n")) == Verdict(rating, orientation)
    assert read_verdict(text.replace("\n", "\n\n")) == Verdict(rating, orientation)


def test_the_published_examples_are_read() -> None:
    if not WORKED_EXAMPLES.is_file():
        pytest.skip(f"the published examples are not in {WORKED_EXAMPLES}")
    answers = re.split(r"^#+ .* #+\n", WORKED_EXAMPLES.read_text("utf-8"), flags=re.MULTILINE)[1:]
    assert [read_verdict(answer) for answer in answers] == [
        Verdict(0, AUDIO),
        Verdict(0, SPEECH),
        Verdict(1, BOTH),
        Verdict(2, BOTH),
    ]


def test_what_is_thought_before_the_answer_does_not_count() -> None:
    reasoning = "<think>\nRating: 0\nOrientation: Neither\n</think>\n"
    answer = "Rating: 2\nOrientation: Both"
    assert read_verdict(reasoning + answer) == Verdict(2, BOTH)
    assert read_verdict(reasoning + reasoning + answer) == Verdict(2, BOTH)
    assert read_verdict(reasoning) == Verdict(None, None)
    assert read_verdict(answer + "</think>") == Verdict(None, None)
    assert read_repair("<think>Both\n</think>Neither") == NEITHER


def test_an_echoed_prompt_says_nothing() -> None:
    echo = "Rating: (int)\nOrientation: Audio-Oriented/Speech-Oriented/Both/Neither\n"
    assert read_verdict(echo) == Verdict(None, None)
    assert read_verdict(echo + "Rating: 2\nOrientation: Both") == Verdict(2, BOTH)


# --- the reply to the repair prompt ---


@pytest.mark.parametrize(
    ("text", "orientation"),
    [
        ("Both", BOTH),
        ("Good", BOTH),
        ("**Speech-Oriented**.", SPEECH),
        ("Orientation: Neither", NEITHER),
        ("It rests on the rain.\nAudio-Oriented", AUDIO),
        ("Orientation:\nBoth", BOTH),
        ("Audio-Oriented/Speech-Oriented/Both/Neither.", None),
        ("Audio-Oriented/Speech-Oriented/Both/Neither.\nBoth", BOTH),
        ("Both\nNeither", None),
        ("Orientation: Both\nNeither", None),
        ("Orientation: hard to say\nBoth", None),
        ("I would say Both, not Neither.", None),
        ("cannot tell", None),
        ("", None),
        # the same rules, other forms
        ("'Both'", BOTH),
        ("'Neither.", NEITHER),
        ("- Both", BOTH),
        ("(Both)", BOTH),
        ("Both<|eot_id|>", BOTH),
        ("Audio\u2011Oriented", AUDIO),
        ("Bo\u200bth\u00a0", BOTH),
        ("Both-Oriented", BOTH),
        ("Answer: Both", BOTH),
        ("The final choice is 'Speech-Oriented'.", SPEECH),
        ('{"Orientation": "Both"}', BOTH),
        ("> Neither\nBoth", BOTH),
        ("~~Neither~~\nBoth", BOTH),
        ("> Both", None),
        ("~~Both~~", None),
        ("Both?", None),
        ("Both (?)", None),
        ("Both or Neither", None),
        ("Both, maybe", None),
        ("Both (?)\nBoth", None),
        ("Both\nActually, Neither.", None),
        ('Both\n{"orientation": "Neither"}', None),
        ("<think>\nBoth", None),
    ],
)
def test_a_repair_reply_may_be_the_bare_label(text: str, orientation: Orientation | None) -> None:
    assert read_repair(text) == orientation


# --- constrained answers, and cells of a table ---

OBJECT = '{"Explanation1": "x", "Rating": 2, "Explanation2": "y", "Orientation": "Both"}'


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        (OBJECT, Verdict(2, BOTH)),
        (f"<think>Rating: 0</think>{OBJECT}<|im_end|>", Verdict(2, BOTH)),
        (f"```json\n{OBJECT}\n```", Verdict(2, BOTH)),
        (f"\ufeff{OBJECT}\n", Verdict(2, BOTH)),
        (OBJECT.replace("Rating", "rating").replace("Both", "Good"), Verdict(2, BOTH)),
        (OBJECT.replace("Both", "Audio\\u2011Oriented"), Verdict(2, AUDIO)),
        (OBJECT.replace('"x"', '"Rating: 0\\nOrientation: Neither"'), Verdict(2, BOTH)),
        ('{"Rating": 1, "Rating": 2, "Orientation": "Both"}', Verdict(None, BOTH)),
        ('{"Rating": 2, "rating": 2, "Orientation": "Both"}', Verdict(2, BOTH)),
        ('{"Rating": 2, "Orientation": "Both", "ORIENTATION": "Neither"}', Verdict(2, None)),
        (OBJECT.replace("Both", "Both (?)"), Verdict(2, None)),
        (OBJECT.replace("2", "3"), Verdict(None, BOTH)),
        (OBJECT.replace("2", "2.0"), Verdict(None, None)),
        (OBJECT.replace("2", "true"), Verdict(None, None)),
        (OBJECT.replace('"Both"', "null"), Verdict(None, None)),
        (f"[{OBJECT}]", Verdict(None, None)),
        (f"{OBJECT}{OBJECT}", Verdict(None, None)),
        (OBJECT[:-1], Verdict(None, None)),
        ("Rating: 2\nOrientation: Both", Verdict(None, None)),
    ],
)
def test_a_constrained_answer_is_an_object_that_agrees_with_itself(
    text: str, verdict: Verdict
) -> None:
    assert read_constrained(text) == verdict


@pytest.mark.parametrize(
    ("cell", "rating", "orientation"),
    [
        ("2", 2, None), ("2.0", 2, None), (" 1 ", 1, None), ("1 (aligned)", 1, None),
        ("\u00a00", 0, None), ("Both", None, BOTH), ("audio-oriented", None, AUDIO),
        ("Audio\u2011Oriented", None, AUDIO), ("**Good**", None, BOTH), ("", None, None),
        (" ", None, None), ("3", None, None), ("1 or 2", None, None), ("(int)", None, None),
        ("nan", None, None), ("2\nRating: 2", None, None), ("Both\nRating: 2", None, None),
        ("Rating: 2", None, None), ("\ud800", None, None),
    ],
)  # fmt: skip
def test_a_cell_holds_one_value_and_nothing_else(
    cell: str, rating: int | None, orientation: Orientation | None
) -> None:
    assert (read_rating(cell), read_orientation(cell)) == (rating, orientation)


# --- any text at all ---

FRAGMENTS = st.sampled_from(
    [
        *(text for text, _ in RATINGS + ORIENTATIONS),
        *("Rating", "Orientation", ":", ": ", "\n", "\r\n", "\r", " ", "\t", "\u2028", "\x0b"),
        *("*", "**", "`", "#", "> ", "- ", "1. ", "_", "~~", "(", ")", "[", "]", "<", ">"),
        *(
            '"',
            "'",
            "{",
            "}",
            "|",
            "\n|---|\n",
            "\\boxed{",
            '{"Rating": ',
            '"Orientation": "',
            "<rating>",
        ),
        *(
            "\u200b",
            "\u00a0",
            "：",
            "\u2011",
            "\ud800",
            "<|eot_id|>",
            "</s>",
            "$",
            "?",
            "maybe",
            "Final ",
        ),
        *("0", "1", "2", "3", "10", "/", "/2", ".", ".0", ".5", "²", "２", "٢", "₂", "½"),
        *("Audio-Oriented", "Speech-Oriented", "Both", "Good", "Neither", "oriented", "-Oriented"),
        *(
            "\u017fpeech-Oriented",
            "Ｂｏｔｈ",
            "</think>",
            "<think>",
            "(int)",
            " or ",
            " out of ",
            ",",
        ),
    ]
)
ANY_CHARACTERS = st.text(st.characters())  # lone surrogates as well
TEXTS = st.one_of(ANY_CHARACTERS, st.lists(FRAGMENTS, max_size=12).map("".join))
NAMES = {
    AUDIO: ("audio", "oriented"),
    SPEECH: ("speech", "oriented"),
    BOTH: ("both", "good"),
    NEITHER: ("neither",),
}


def text_after(text: str, word: str) -> list[str]:
    """Return the visible text after a word, in lower case: it holds any value of the word."""
    visible = "".join(
        character
        for character in text
        if character.isprintable() or character.isspace() or character == "\u00a0"
    )
    return [visible.lower().split("</think>")[-1].partition(word)[2]]


@given(TEXTS)
def test_a_reading_occurs_literally_in_the_text(text: str) -> None:
    verdict = read_verdict(text)
    if verdict.rating is not None:
        lines = text_after(text, "rating")
        assert any(re.search(rf"(?<![0-9]){verdict.rating}(?![0-9])", line) for line in lines)
    if verdict.orientation is not None:
        lines = text_after(text, "orientation")
        names = NAMES[verdict.orientation]
        matcher = all if len(names) == 2 and names[1] == "oriented" else any
        assert any(matcher(name in line.lower() for name in names) for line in lines)


@given(TEXTS)
def test_a_repair_reading_stands_literally_in_the_text(text: str) -> None:
    orientation = read_repair(text)
    if orientation is not None:
        assert any(name in text.lower() for name in NAMES[orientation])


DEFINITE_RATINGS = {0: "Rating: 0", 1: "**Rating:** 1/2", 2: "rating : 2."}
DEFINITE_ORIENTATIONS = {
    AUDIO: "Orientation: audio oriented",
    SPEECH: "**Orientation**: Speech-Oriented",
    BOTH: "Orientation:\nGood",
    NEITHER: "- orientation : neither.",
}


@given(TEXTS, TEXTS, TEXTS, st.data())
def test_two_lines_that_differ_give_no_reading(
    before: str, between: str, after: str, data: st.DataObject
) -> None:
    assume("</think>" not in between + after)
    assume("~~" not in before + between + after)  # may strike out the text between two of them
    for definite, part in ((DEFINITE_RATINGS, 0), (DEFINITE_ORIENTATIONS, 1)):
        one, other = data.draw(st.permutations(list(definite.values())))[:2]
        verdict = read_verdict(f"{before}\n{one}\n{between}\n{other}\n{after}")
        assert (verdict.rating, verdict.orientation)[part] is None


@given(TEXTS)
def test_a_contradicting_line_takes_the_reading_away(text: str) -> None:
    verdict = read_verdict(text)
    for rating, line in DEFINITE_RATINGS.items():
        if verdict.rating is not None:
            expected = rating if rating == verdict.rating else None
            assert read_verdict(f"{text}\n{line}").rating == expected
    for orientation, line in DEFINITE_ORIENTATIONS.items():
        if verdict.orientation is not None:
            same = orientation == verdict.orientation
            assert read_verdict(f"{text}\n{line}").orientation == (orientation if same else None)


@given(TEXTS)
def test_nothing_but_plain_characters_makes_a_definite_value(text: str) -> None:
    """Characters that resemble digits and letters (fullwidth ones, the long s) do not count."""
    lookalikes = "".join(
        character
        for character in text
        if ord(character) > 127 and unicodedata.category(character)[0] in "LNS"
    )
    assume(lookalikes.strip("\u115f\u1160\u2800\u3164\uffa0"))  # these characters are invisible
    assert read_verdict(f"Rating: {lookalikes}\nOrientation: {lookalikes}") == Verdict(None, None)
    assert read_verdict(f"Rating: {lookalikes}1{lookalikes}").rating is None


@given(st.lists(st.sampled_from("\u200b\u200d\xad\ufeff\u2060\u202e\ufe0f\U000e0041\0\x1b")))
def test_invisible_characters_change_nothing(characters: list[str]) -> None:
    plain = "Rating: 2\nOrientation: Both"
    positions = range(len(characters))
    text = (
        "".join(f"{plain[n : n + 1]}{characters[n]}" for n in positions) + plain[len(characters) :]
    )
    assert read_verdict(text) == Verdict(2, BOTH)


PIECES = [
    "x", " ", "(", "1/", "1. ", "*", "~", ">", "- ", "Rating: ", "Rating:\n", "Both/", "0",
    "Rating: 2 (", "Rating" + " " * 9, "\n", "\r", "</think>", "Orientation: [", "Rating: 1 ", ":",
    "[", "{", "[{", '{"Rating": ', '{"Rating": "', '{"a":', '"rating":2,', "'Rating'", "<rating>",
    "~~", "~~a~~ ", "~~a", "> a\n", "### Rating\n\n", "Rating:\n\n", "| Rating ", "|",
    "| Rating |\n|---|\n", "|-", "\\boxed{", "$", "<|eot_id|>", "</s>x", "<|", "<think>\n", "the ",
    "my final rating ", "so, ", "Rating: 2\n(a)\n", "Explanation1: ", "\\u0052", "\\", "\u200b",
    "\u00a0", "\ud800", "\0", "\u2028", "Rating: (", "Rating: ([{<$\"'", "0/1/2/", "int ",
    "Rating: 1! ", "however, rating: 1. ", "```\n", "→ ",
]  # fmt: skip


@pytest.mark.parametrize("piece", PIECES)
def test_time_grows_with_the_length_and_no_faster(piece: str) -> None:
    assert seconds_to_read(piece, 25_000) < 1  # under 0.1 s; minutes if it were quadratic


@pytest.mark.slow
@pytest.mark.parametrize("piece", PIECES)
def test_a_megabyte_is_read_in_seconds(piece: str) -> None:
    assert seconds_to_read(piece, 1_000_000) < 20


def seconds_to_read(piece: str, length: int) -> float:
    text = "Rating: 2" + piece * (length // len(piece)) + "!"
    began = time.process_time()
    read_verdict(text)
    read_repair(text)
    read_constrained(piece * (length // len(piece)))
    return time.process_time() - began
