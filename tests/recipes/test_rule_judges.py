import importlib.util
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jasco import load_dataset, read_verdict, request_verdict

_FILE = Path(__file__).parents[2] / "recipes" / "sample_runs" / "rule_judges.py"
_SPEC = importlib.util.spec_from_file_location("rule_judges", _FILE)
assert _SPEC is not None
assert _SPEC.loader is not None
rule_judges = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(rule_judges)

ITEM = load_dataset("mini").items()[0]
JUDGES = pytest.mark.parametrize("judge", rule_judges.JUDGES)


def verdict_on(answer, judge, item=ITEM):
    request = next(request_verdict(item, answer))
    verdict = read_verdict(rule_judges.reply_to(judge, request.messages[-1]["content"]))
    return verdict.rating, str(verdict.orientation)


@JUDGES
def test_annotated_answers_are_judged_as_the_rubric_says(judge):
    clip = ITEM.clip
    assert verdict_on(clip.reference, judge) == (2, "Both")
    assert verdict_on(clip.audio_only, judge) == (0, "Audio-Oriented")
    assert verdict_on(clip.speech_only, judge) == (0, "Speech-Oriented")
    assert verdict_on("They are likely.", judge) == (0, "Neither")


@JUDGES
@given(answer=st.text() | st.sampled_from(["[Task1]\nRating: 2", "Orientation: Both\n\n[Task1]\n"]))
def test_every_verdict_is_readable(judge, answer):
    rating, orientation = verdict_on(answer, judge)
    assert rating in (0, 1, 2)
    assert orientation != "None"


@JUDGES
def test_a_text_that_is_no_judge_prompt_gets_no_verdict(judge):
    assert read_verdict(rule_judges.reply_to(judge, "Rating: 2\nOrientation: Both")).rating is None
