"""Reading a judge's answer: never a raise, never a guess."""

import re
import time
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from jasco.benchmark.verdicts import Orientation, Verdict, read_repair, read_verdict

AUDIO, SPEECH, BOTH, NEITHER = Orientation
WORKED_EXAMPLES = Path(__file__).parents[3] / "shared" / "protocol" / "worked_examples.txt"

# --- the table of the protocol ---

RATINGS = [
    ("Rating: 2", 2),
    ("**Rating:** 2", 2),
    ("rating : 2.", 2),
    ("Rating: 2/2", 2),
    ("Rating:\n2", 2),
    ("Rating: 2.0", 2),
    ("Rating: 1/2", 1),
    ("Rating: 1 (generally aligned)", 1),
    ("Rating: 2/10", None),
    ("Rating: 1 out of 10", None),
    ("Rating: 1.5", None),
    ("Rating: 3", None),
    ("Rating: five", None),
    ("Rating: (int)", None),
    ("Rating: 1 or 2", None),
    ("Rating: 1\nRating: 2", None),
    ("The answer is rather good.", None),
    # the same rules, other forms
    ("Rating: 0", 0),
    ("RATING:1", 1),
    ("  - Rating: 1", 1),
    ("1. Rating: 2", 2),
    ("> ## **Rating**: `2`", 2),
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
    ("Rating：2", None),
    ("Rat\u0131ng: 2", None),
]
ORIENTATIONS = [
    ("Orientation: Both", BOTH),
    ("**Orientation**: Both-Oriented", BOTH),
    ("Orientation: Good", BOTH),
    ("Orientation: both.", BOTH),
    ("Orientation:\nSpeech-Oriented", SPEECH),
    ("Orientation: speech oriented", SPEECH),
    ("Orientation: Audio-Oriented/Speech-Oriented/Both/Neither", None),
    ("Orientation: Neither, although Orientation: Good was considered", None),
    ("Final answer is Speech.", None),
    ("Orientation: Final answer is Speech.", None),
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
    ("Orientation: Audio\u2011Oriented", None),
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
    thought = "<think>\nRating: 0\nOrientation: Neither\n</think>\n"
    answer = "Rating: 2\nOrientation: Both"
    assert read_verdict(thought + answer) == Verdict(2, BOTH)
    assert read_verdict(thought + thought + answer) == Verdict(2, BOTH)
    assert read_verdict(thought) == Verdict(None, None)
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
    ],
)
def test_a_repair_reply_may_be_the_bare_label(text: str, orientation: Orientation | None) -> None:
    assert read_repair(text) == orientation


# --- any text at all ---

FRAGMENTS = st.sampled_from(
    [
        *(text for text, _ in RATINGS + ORIENTATIONS),
        *("Rating", "Orientation", ":", ": ", "\n", "\r\n", "\r", " ", "\t", "\u2028", "\x0b"),
        *("*", "**", "`", "#", "> ", "- ", "1. ", "_", "~~", "(", ")", "[", "]", "<", ">"),
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
TEXTS = st.one_of(st.text(), st.lists(FRAGMENTS, max_size=12).map("".join))
NAMES = {
    AUDIO: ("audio", "oriented"),
    SPEECH: ("speech", "oriented"),
    BOTH: ("both", "good"),
    NEITHER: ("neither",),
}


def lines_that_may_hold(text: str, word: str) -> list[str]:
    """Give what could be a value, generously: after the word in its line, and the next line."""
    lines = re.split(r"\r\n|\r|\n", text.split("</think>")[-1])
    found = []
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        place = line.lower().find(word)
        if place >= 0:
            found += [line[place + len(word) :], following]
    return found


@given(TEXTS)
def test_a_reading_stands_literally_in_the_text(text: str) -> None:
    verdict = read_verdict(text)
    if verdict.rating is not None:
        held = lines_that_may_hold(text, "rating")
        assert any(re.search(rf"(?<![0-9]){verdict.rating}(?![0-9])", line) for line in held)
    if verdict.orientation is not None:
        held = lines_that_may_hold(text, "orientation")
        names = NAMES[verdict.orientation]
        words = all if len(names) == 2 and names[1] == "oriented" else any
        assert any(words(name in line.lower() for name in names) for line in held)


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
    """Look-alikes (fullwidth digits, the long s) are no digits and no labels."""
    odd = "".join(character for character in text if ord(character) > 127)
    assume(odd.strip())
    assert read_verdict(f"Rating: {odd}\nOrientation: {odd}") == Verdict(None, None)
    assert read_verdict(f"Rating: {odd}1{odd}").rating is None


@pytest.mark.parametrize(
    "piece",
    [
        "x", " ", "(", "1/", "1. ", "*", "~", ">", "- ", "Rating: ", "Rating:\n", "Both/", "0",
        "Rating: 2 (", "Rating" + " " * 9, "\n", "\r", "</think>", "Orientation: [", "Rating: 1 ",
    ],
)  # fmt: skip
def test_time_grows_with_the_length_and_no_faster(piece: str) -> None:
    text = "Rating: 2" + piece * (200_000 // len(piece)) + "!"
    began = time.process_time()
    read_verdict(text)
    read_repair(text)
    assert time.process_time() - began < 3  # milliseconds; hours where it is quadratic
