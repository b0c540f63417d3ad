"""Keywords and refusals in the texts of answers."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jasco.protocol.answer_texts import (
    contains_keyword,
    is_refusal,
    keyword_spans,
    keyword_stems,
)


@pytest.mark.parametrize(
    ("text", "keywords"),
    [
        ("They are taking a surfing lesson.", "surf"),
        ("They surf", "surfing"),
        ("Everybody is evacuating the building", "fire,evacuate"),
        ("An evacuation", "fire,evacuate"),
        ("two BAPTISMS!", "baptism,christening"),
        ("They watch shooting stars.", "shooting star,falling star,meteor"),
        ("A shooting\nstar?", "shooting star"),
        ("musical-chairs", "musical chairs"),
        ("They play musical chair", "musical chairs"),
        ("He is defusing the bomb", "defuse a bomb"),
        ("They are flying their kites or a kite: they fly kites", "fly a kite"),
        ("at a drive thru", "drive-thru,street vendor"),
        ("They are setting up shelves", "set up,assemble,shelf"),
        ("a café visit", "cafe"),
        ("a cafe", "Café"),
        ("a cafe\u0301", "café"),
        ("the bird's nest", "nest"),
        ("the bird’s eggs", "bird"),
        ("MOVIE night", "movie, TV show"),
        ("watching tv shows", "movie, TV show"),
        ("a tv", "movie， tv"),
        ("building a sand castle", "sandcastle"),
        ("building sand-castles", "sandcastle"),
        ("They go bird watching", "birdwatching,photograph"),
        ("playing videogames", "video game"),
        ("Straße", "strasse"),
    ],
)
def test_forms_of_a_keyword_are_found(text: str, keywords: str) -> None:
    assert contains_keyword(text, keywords)
    assert keyword_spans(text, keywords)


@pytest.mark.parametrize(
    ("text", "keywords"),
    [
        ("They hear a songbird.", "song"),
        ("They look at the image.", "birthday,age"),
        ("The star is shooting.", "shooting star"),
        ("shooting at a falling meteorite star", "shooting star"),
        ("a star", "shooting star"),
        ("anything at all", ""),
        ("anything, at all", " , ,, "),
        ("a", "a"),
        ("", "surf"),
        ("", ""),
        ("They avoid it", "void"),
        ("a void", "avoid"),  # parts of fewer than three letters are no compound
        ("at tack", "attack"),
        ("ten t", "tent"),
        ("water sports hall", "sand"),
        ("sand and castle", "sandcastle"),
        ("listening to music", "musical chairs"),
    ],
)
def test_other_words_are_not_found(text: str, keywords: str) -> None:
    assert not contains_keyword(text, keywords)
    assert not keyword_spans(text, keywords)


def test_stems_of_keywords() -> None:
    assert keyword_stems("Shooting Star, surfing") == {"shoot", "star", "surf"}
    assert keyword_stems("fly a kite") == {"fli", "kite"}
    assert keyword_stems(" ,") == frozenset()
    assert not keyword_stems("video game") & keyword_stems("chess")
    assert keyword_stems("video game") & keyword_stems("games")


@given(st.text(), st.text())
def test_any_text_can_be_read(text: str, keywords: str) -> None:
    assert contains_keyword(text, keywords) in (True, False)
    assert is_refusal(text) in (True, False)


@given(st.sampled_from(["surf", "shooting star", "ambulance"]), st.text(alphabet="abc .,-'\n"))
def test_a_keyword_is_found_in_any_surroundings(keyword: str, around: str) -> None:
    assert contains_keyword(f"{around} {keyword} {around}", f"zebra,{keyword}")


@pytest.mark.parametrize(
    ("text", "keywords", "marked"),
    [
        ("They surf, then go surfing.", "surfing", ["surf", "surfing"]),
        ("A sand castle and a Sandcastle!", "sandcastle", ["sand castle", "Sandcastle"]),
        ("He defuses the bomb.", "defuse a bomb,bomb", ["defuses the bomb"]),
        ("Ein Caf\u00e9 \N{WATER WAVE} surf", "cafe,surf", ["Caf\u00e9", "surf"]),
    ],
)
def test_keywords_are_found_where_they_are(text: str, keywords: str, marked: list[str]) -> None:
    assert [text[start:end] for start, end in keyword_spans(text, keywords)] == marked


@given(st.text(), st.text())
def test_spans_of_any_text_are_in_order_and_inside(text: str, keywords: str) -> None:
    ends = [end for span in keyword_spans(text, keywords) for end in span]
    assert ends == sorted(ends)
    assert all(0 <= end <= len(text) for end in ends)


@pytest.mark.parametrize(
    "text",
    [
        "I cannot hear the audio.",
        "I can’t hear any sound.",
        "I can't hear anything in this file.",
        "Sorry, I cannot hear.",
        "I'm sorry, but I am unable to listen to audio files.",
        "I'm not able to directly process audio.",
        "Unable to access the recording.",
        "I don't have access to the audio, so I can only guess.",
        "I do not have the ability to hear or listen.",
        "I did not receive an audio clip.",
        "As a text-based model, I work with text.",
        "I'm a text-only assistant.",
        "No audio was provided.",
        "There is no audio.",
        "There is no audio file attached to your message.",
        "It looks like no recording is available.",
        "The audio has not been provided.",
        "It seems that the audio clip wasn't included.",
        "Please provide the audio.",
        "Could you share the recording or a transcript?",
        "If you can provide a description of the sounds, I will help.",
        "I can't determine what they are doing without audio.",
        "Without the audio, I cannot infer what the speakers are doing.",
        "I'm sorry, but I can't assist with that request.",
        "I can't answer this question.",
        "It is impossible to tell what they are doing.",
        "It's not possible to accurately determine their activity.",
        "This cannot be determined from the given input.",
        "There is not enough information.",
        "Unfortunately, there isn't enough information in this clip.",
        "The clip does not provide enough context.",
        "It seems like you haven't provided the audio clip.",
        "I don't see an audio file attached.",
        "Since there's no audio provided, any answer is speculation.",
        "I would need to hear the recording.",
        "The audio appears to be silent.",
        "There is no discernible speech in this clip.",
        "I don't know.",
        "I'm just an AI language model and don't have the ability to hear audio.",
        "Without hearing the audio, it's difficult to say.",
        "The text reads nothing.\nI am unable to hear the sound.",
    ],
)
def test_refusals(text: str) -> None:
    assert is_refusal(text)
    assert is_refusal(text.upper())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nan",
        'The speaker says: "I cannot hear the music."',
        "The speaker says: I cannot hear you.",
        "The speaker says I can't hear the sound of the train.",
        "Speech: I can't hear anything. Sound: a train.",
        "The spoken text is: Please send me the recording.",
        "The transcript reads 'I can’t hear the sound'.",
        "They cannot hear each other.",
        "They cannot hear the sound of the train because of the music.",
        "The man shouts that he cannot hear.",
        "There is no sound in the background, so they are in a library.",
        "There is no audio feedback from the speaker, so they repair it.",
        "They cannot stop laughing.",
        "They are watching a silent film without sound.",
        "He complains that there is no sound. They are repairing a radio.",
        "They need to hear the starting signal.",
        "The water is silent, and they have not provided life jackets.",
        "They do not know each other. They are on a blind date.",
        "He says: 'You can't believe how heavy this is!' They are hiking.",
        "They are recording audio in a studio.",
        "They are sharing audio files.",
        "I can hear a dog, and I can hear a man.",
        "They are listening to a text being read.",
        "A deaf child who cannot hear is learning sign language.",
        "They are taking a surfing lesson.",
        "The audio is clear: they are surfing.",
    ],
)
def test_other_answers_are_no_refusals(text: str) -> None:
    assert not is_refusal(text)


def test_the_answers_of_a_large_run_are_read_quickly() -> None:
    texts = [
        f"I hear sound number {n} and the speaker says that they are going. The word number {n} "
        "suggests that they are likely taking a surfing lesson near the beach, so a teacher "
        "explains to beginners how to stand on the board when the next wave arrives."
        for n in range(1200)
    ] * 10
    start = time.process_time()
    assert all(sum(map(ord, text)) for text in texts)
    unit = time.process_time() - start  # the same text, character by character
    start = time.process_time()
    found = [contains_keyword(text, "sandcastle,shooting star,surf") for text in texts]
    refused = [is_refusal(text) for text in texts]
    assert all(found)
    assert not any(refused)
    assert time.process_time() - start < 100 * unit  # measured: 29 to 35 times, about 3 s


@pytest.mark.parametrize(
    "text",
    [
        "i cannot hear " + "a " * 50_000,
        "please provide " * 10_000,
        "no " * 50_000,
        "'" * 50_000,
        "speech " * 20_000,
        "a-" * 50_000,
        "'a" * 50_000,
        " " * 100_000,
        "without " * 20_000,
    ],
)
def test_long_hostile_texts_are_read_quickly(text: str) -> None:
    start = time.process_time()
    is_refusal(text)
    contains_keyword(text, "shooting star")
    assert time.process_time() - start < 2
