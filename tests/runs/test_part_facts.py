"""Facts about the parts of a run, combined."""

from dataclasses import replace
from pathlib import Path

import pytest

from jasco.backends.budget import Spent
from jasco.errors import RunConflictError
from jasco.protocol.clips import ClipHash, combined_sha256
from jasco.protocol.failure_reasons import Reason
from jasco.runs.part_facts import PartFacts, combine, combined_audio_sha256
from jasco.runs.results import Answers, JudgeFacts
from jasco.runs.spending import Spending

CLIPS = [ClipHash("0", "x"), ClipHash("1", "y"), ClipHash("2", "z")]
TIMEOUT = Reason("timeout", "too late", 2, 3, 0)
IDENTITY = {"provider": "p", "name": "j"}


def part(
    answers: Answers, judges: dict[str, JudgeFacts], without: dict[str, list[Reason]] | None = None
) -> PartFacts:
    spent = Spending({"p/m": Spent(calls=2)}, {})
    return PartFacts(answers, judges, without or {}, ("served",), {"a": 1}, spent, {})


def combined(*parts: PartFacts) -> PartFacts:
    return combine(parts, Path("run"), CLIPS)


def test_answers_are_added() -> None:
    one = Answers(8, 7, 1, converted_clips=1, max_audio_seconds=30.0, cut_clips=1,
                  runtime=[{"device": "cpu"}], clipped={"2": 5}, audio_warnings={"silent": ["2"]},
                  reasons=[TIMEOUT])  # fmt: skip
    two = Answers(8, 8, runtime=[{"device": "cpu"}, {"device": "cuda"}], clipped={"0": 9},
                  audio_warnings={"silent": ["0"], "short": ["0"]},
                  reasons=[replace(TIMEOUT, count=1, of=1)])  # fmt: skip
    facts = combined(part(one, {}), part(two, {}))
    answers = facts.answers
    assert (answers.expected, answers.answered, answers.truncated) == (16, 15, 1)
    assert (answers.converted_clips, answers.max_audio_seconds, answers.cut_clips) == (1, 30.0, 1)
    assert answers.runtime == [{"device": "cpu"}, {"device": "cuda"}]
    assert list((answers.clipped or {}).items()) == [("0", 9), ("2", 5)]
    assert answers.audio_warnings == {"silent": ["0", "2"], "short": ["0"]}
    assert answers.reasons == (Reason("timeout", "too late", 3, 4, 0),)
    assert facts.spent.total.calls == 4
    assert facts.served == ("served",)


def test_a_judge_counts_its_failures_in_parts_without_a_verdict() -> None:
    judged = JudgeFacts(verdicts=8, cut_off=1, repeats=2, identity=IDENTITY, served=("b",))
    other = JudgeFacts(verdicts=4, cut_off=2, identity=IDENTITY, served=("a",), proxy=True)
    facts = combined(
        part(Answers(8, 8), {"j": judged}),
        part(Answers(8, 8), {"j": other}),
        part(Answers(8, 8), {}, {"j": [TIMEOUT], "k": [TIMEOUT]}),
    )
    [judge] = facts.judges.values()
    assert (judge.verdicts, judge.cut_off, judge.repeats, judge.proxy) == (12, 3, 2, True)
    assert judge.served == ("a", "b")
    assert judge.reasons == (TIMEOUT,)
    assert facts.reasons_without_verdict == {"k": (TIMEOUT,)}


def test_one_part_is_unchanged_and_no_part_is_nothing() -> None:
    only = part(Answers(8, 8), {})
    assert combined(only) is only
    assert combined().answers.expected == 0


def test_different_judges_of_the_same_name_are_refused() -> None:
    one, two = (JudgeFacts(identity=IDENTITY | {"temperature": t}) for t in (0, 1))
    with pytest.raises(RunConflictError, match="different judges with the name j"):
        combined(part(Answers(8, 8), {"j": one}), part(Answers(8, 8), {"j": two}))


def test_the_hash_of_the_audio_needs_all_clips() -> None:
    hashes = {"0": "a", "1": "b", "2": "c"}
    assert combined_audio_sha256(hashes, CLIPS) == combined_sha256(hashes)
    assert combined_audio_sha256({"0": "a", "1": None, "2": "c"}, CLIPS) is None
    assert combined_audio_sha256({"0": "a", "1": "b"}, CLIPS) is None
