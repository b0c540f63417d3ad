"""A model that is a Python function of the user's."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jasco.backends.specs import open_spec
from jasco.data.audio import Audio
from jasco.data.dataset import DataSet
from jasco.errors import InputError
from jasco.models.batches import Question
from jasco.models.function_model import FunctionModel
from jasco.protocol.clips import Clip, items_of
from jasco.protocol.responses import Failure, Response
from outcomes import texts
from synthetic import tone

CLIP = Clip("7", "rain", "run", "a", "b", "they flee", "flee")
DATA = DataSet("one", (CLIP,))
ITEMS = items_of(CLIP)
AUDIO = Audio(tone(7))
Outcomes = list[Response | Failure]


@pytest.fixture
def ask(tmp_path: Path) -> Any:
    """Write a module, and ask its ``answer`` all items of a clip at once."""

    def ask(source: str, name: str = "mine", times: int = 1) -> tuple[Outcomes, FunctionModel]:
        path = tmp_path / f"{name}.py"
        path.write_text(f"CALLS = []\n{source}", "utf-8")

        async def answer_all() -> tuple[Outcomes, FunctionModel]:
            model: FunctionModel = open_spec("model", f"python/{path}:answer")
            await model.prepare(DATA)
            try:
                return list(
                    await asyncio.gather(*(model.answer(item, AUDIO) for item in ITEMS * times))
                ), model
            finally:
                await model.close()

        return asyncio.run(answer_all())

    return ask


def ask_without_audio(function: Any, *others: Audio) -> Outcomes:
    """Ask a function all items of a clip without audio, and the first about other clips."""

    async def answer_all() -> Outcomes:
        model = FunctionModel.of(function)
        await model.prepare(DATA)
        assert model.accepts_no_audio
        questions = [*((item, None) for item in ITEMS), *((ITEMS[0], audio) for audio in others)]
        try:
            return list(await asyncio.gather(*(model.answer(*question) for question in questions)))
        finally:
            await model.close()

    return asyncio.run(answer_all())


def the_failure(outcomes: Outcomes) -> Failure:
    """Return the failure that all outcomes are."""
    [failure] = {outcome if isinstance(outcome, Failure) else None for outcome in outcomes}
    assert failure is not None
    return failure


def test_a_single_function_is_asked_each_item(ask: Any) -> None:
    outcomes, _ = ask("def answer(audio, sampling_rate, prompt):\n    return f'{prompt}!'")
    assert texts(outcomes) == [f"{item.instruction}!" for item in ITEMS]


def test_a_batch_is_the_eight_items_of_a_clip(ask: Any) -> None:
    outcomes, _ = ask(
        "def answer(audios, sampling_rate, prompts):\n"
        "    CALLS.append(len(prompts))\n"
        "    assert len(audios) == len(prompts)\n"
        "    return [f'{len(CALLS)} {prompt}' for prompt in prompts]",
        times=2,
    )
    assert texts(outcomes) == [f"{call} {item.instruction}" for call in (1, 2) for item in ITEMS]


def test_a_tuple_of_answers_will_do(ask: Any) -> None:
    outcomes, _ = ask("def answer(audios, sampling_rate, prompts):\n    return tuple(prompts)")
    assert texts(outcomes) == [item.instruction for item in ITEMS]


@pytest.mark.parametrize("names", [("audio", "prompt"), ("audios", "prompts")])
def test_the_audio_is_exact(ask: Any, tmp_path: Path, names: tuple[str, str]) -> None:
    batch = names[1] == "prompts"
    ask(
        f"import numpy as np\ndef answer({names[0]}, sampling_rate, {names[1]}):\n"
        f"    clip = {names[0]}{'[-1]' if batch else ''}\n"
        f"    np.save({str(tmp_path / 'audio.npy')!r}, clip)\n"
        "    assert sampling_rate == 16000\n"
        f"    return {'[str(sampling_rate)] * len(prompts)' if batch else 'str(sampling_rate)'}"
    )
    audio = np.load(tmp_path / "audio.npy")
    assert audio.dtype == np.float32
    assert np.array_equal(audio, AUDIO.samples / np.float32(32768))
    assert np.array_equal(audio * 32768, AUDIO.samples)


def test_calls_are_made_in_one_thread_one_at_a_time(ask: Any) -> None:
    outcomes, _ = ask(
        "import threading, time\n"
        "def answer(audio, sampling_rate, prompt):\n"
        "    CALLS.append(1)\n    time.sleep(0.005)\n    busy = len(CALLS)\n    CALLS.clear()\n"
        "    return f'{busy} {threading.get_ident()}'"
    )
    [text] = set(texts(outcomes))
    assert text.startswith("1 ")
    assert text != f"1 {threading.get_ident()}"


def test_an_empty_answer_is_an_answer_and_a_lone_surrogate_is_replaced(ask: Any) -> None:
    outcomes, _ = ask("def answer(audio, sampling_rate, prompt):\n    return ''")
    assert texts(outcomes) == [""] * 8
    outcomes, _ = ask("def answer(audio, sampling_rate, prompt):\n    return 'a\\ud800b'", "other")
    assert set(texts(outcomes)) == {"a\ufffdb"}


@pytest.mark.parametrize("names", ["audio, sampling_rate, prompt", "audios, rate, prompts"])
@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("raise ValueError('no\\nmodel')", "ValueError: no model"),
        ("import sys; sys.exit('bye')", "SystemExit: bye"),
        ("return 1 / 0", "ZeroDivisionError: division by zero"),
    ],
)
def test_what_the_function_raises_is_a_failure(
    ask: Any, names: str, statement: str, message: str
) -> None:
    outcomes, _ = ask(f"def answer({names}):\n    {statement}")
    failure = the_failure(outcomes)
    assert (failure.kind, failure.final) == ("error", False)
    assert failure.message == f"{message} (mine.py:3: {statement})"


@pytest.mark.parametrize(
    ("parameters", "returned", "message"),
    [
        ("audio, sampling_rate, prompt", "None", "the function returned NoneType, not str"),
        ("audio, sampling_rate, prompt", "b'x'", "the function returned bytes, not str"),
        ("audio, sampling_rate, prompt", "['x']", "the function returned list, not str"),
        ("audios, sampling_rate, prompts", "[]", "0 answers for 1 prompt"),
        ("audios, sampling_rate, prompts", "prompts * 2", "2 answers for 1 prompt"),
        ("audios, sampling_rate, prompts", "None", "NoneType for 1 prompt"),
        ("audios, sampling_rate, prompts", "'a' * len(prompts)", "str for 1 prompt"),
        ("audios, sampling_rate, prompts", "b'a' * len(prompts)", "bytes for 1 prompt"),
        ("audios, sampling_rate, prompts", "iter(prompts)", "list_iterator for 1 prompt"),
        ("audios, sampling_rate, prompts", "(text for text in prompts)", "generator for 1 prompt"),
        ("audios, sampling_rate, prompts", "set(prompts)", "set for 1 prompt"),
        ("audios, sampling_rate, prompts", "dict.fromkeys(prompts)", "dict for 1 prompt"),
        ("audios, sampling_rate, prompts", "NP.array('x')", "ndarray for 1 prompt"),
        ("audios, sampling_rate, prompts", "NP.array([prompts])", "list, not str"),
        ("audios, sampling_rate, prompts", "NP.zeros(len(prompts))", "float, not str"),
        ("audios, sampling_rate, prompts", "[3] * 8", "the function returned int, not str"),
    ],
)
def test_an_answer_of_another_form_is_a_failure(
    ask: Any, parameters: str, returned: str, message: str
) -> None:
    source = f"import numpy as NP\ndef answer({parameters}):\n    return {returned}"
    failure = the_failure(ask(source)[0])
    assert failure.kind == "no text"
    assert failure.lasting
    assert message in failure.message


def test_one_bad_answer_in_a_batch_fails_alone(ask: Any) -> None:
    outcomes, _ = ask(
        "def answer(audios, sampling_rate, prompts):\n    return [None, *prompts[1:]]"
    )
    assert isinstance(outcomes[0], Failure)
    assert texts(outcomes[1:]) == [item.instruction for item in ITEMS[1:]]


BATCHES = "def answer(audios, sampling_rate, prompts):\n    CALLS.append(len(prompts))\n"


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("raise ValueError('no model')", "error"),
        ("import sys; sys.exit('bye')", "error"),
        ("import asyncio; raise asyncio.CancelledError", "error"),
        ("raise MemoryError", "memory"),
        ("return []", "no text"),
        ("prompts.pop(); return prompts", "no text"),
        ("return prompts * 2", "no text"),
        ("return None", "no text"),
        ("return (text for text in prompts)", "no text"),
    ],
)
def test_a_bad_question_in_a_batch_fails_alone(ask: Any, statement: str, kind: str) -> None:
    bad = ITEMS[2]
    outcomes, _ = ask(
        f"{BATCHES}    if {bad.instruction!r} in prompts:\n        {statement}\n    return prompts"
    )
    failure = outcomes.pop(2)
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.final) == (kind, False)
    assert texts(outcomes) == [item.instruction for item in ITEMS if item != bad]


def test_a_function_that_answers_only_one_question_is_asked_one_at_a_time(ask: Any) -> None:
    outcomes, _ = ask(f"{BATCHES}    return [prompts[0]]")
    assert texts(outcomes) == [item.instruction for item in ITEMS]


@pytest.mark.parametrize(
    "sequence",
    ["numpy.array({})", "numpy.array({}, object)", "pandas.Series({}, index=range(5, 13))",
     "collections.deque({})"],
)  # fmt: skip
def test_other_sequences_of_answers_will_do(ask: Any, sequence: str) -> None:
    returned = sequence.format("prompts")
    library = sequence.partition(".")[0]
    outcomes, _ = ask(f"import {library}\n{BATCHES}    return {returned}")
    assert texts(outcomes) == [item.instruction for item in ITEMS]
    assert {type(text) for text in texts(outcomes)} == {str}


@pytest.mark.parametrize("count", [1, 8])
def test_an_interruption_is_not_a_failure(count: int) -> None:
    def interrupted(audios: object, sampling_rate: int, prompts: object) -> list[str]:
        raise KeyboardInterrupt

    model = FunctionModel.of(interrupted)
    model.load()
    with pytest.raises(KeyboardInterrupt):
        model._answer([Question(AUDIO, "?")] * count)


def test_a_file_is_imported_by_its_path_not_its_name(ask: Any) -> None:
    outcomes, _ = ask("def answer(audio, sampling_rate, prompt):\n    return 'mine'", "json")
    assert set(texts(outcomes)) == {"mine"}


def test_a_module_is_found_from_where_the_command_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "found_here.py").write_text("def answer(audio, sampling_rate, prompt): ...")
    monkeypatch.chdir(tmp_path)
    asyncio.run(open_spec("model", "python/found_here:answer").prepare(DATA))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("{}/mine.py", "python/module:function"),
        ("{}/mine.py:nothing", "has no function nothing"),
        ("{}/mine.py:NUMBER", "has no function NUMBER"),
        ("{}/mine.py:later", "later is async"),
        ("{}/none.py:answer", r"cannot be imported \(FileNotFoundError"),
        ("no_such_module_here:answer", r"cannot be imported \(ModuleNotFoundError: No module"),
        ("{}/broken.py:answer", r"cannot be imported \(SyntaxError"),
        ("{}/leaving.py:answer", r"cannot be imported \(SystemExit: 3\)"),
        (":answer", "cannot be imported"),
    ],
)
def test_a_function_that_cannot_be_imported_is_reported(
    tmp_path: Path, name: str, message: str
) -> None:
    (tmp_path / "mine.py").write_text("NUMBER = 3\nasync def later(a, b, prompt): ...\n")
    (tmp_path / "broken.py").write_text("def answer(")
    (tmp_path / "leaving.py").write_text("raise SystemExit(3)")
    model = open_spec("model", f"python/{name.format(tmp_path)}")
    with pytest.raises(InputError, match=message) as error:
        asyncio.run(model.prepare(DATA))
    assert "\n" not in str(error.value)


def test_a_batch_that_fails_is_reported_once(data: Path, tmp_path: Path, caplog: Any) -> None:
    import jasco

    def answer(audios: Any, sampling_rate: int, prompts: Any) -> list[str]:
        if len(prompts) > 1:
            raise ValueError("one at a time, please")
        return [f"{abs(audios[0]).mean():.5f} {prompts[0]}"]

    with caplog.at_level("INFO", logger="jasco"):
        scores = jasco.evaluate(
            answer, data=data, judges=[], run=tmp_path / "run", name="single", preflight=False
        )
    assert scores.to_json()["models"]["single"]["answers"]["answered"] == 32
    [line] = [text for text in caplog.messages if "batch" in text]
    assert "one at a time, please (" in line
    assert "test_function_model.py:" in line
    assert "repeated one by one" in line


def test_without_audio_the_function_receives_none() -> None:
    def answer(audio: Any, sampling_rate: int, prompt: str) -> str:
        return f"{audio} {sampling_rate} {prompt}"

    assert texts(ask_without_audio(answer)) == [f"None 16000 {item.instruction}" for item in ITEMS]


def test_a_batch_has_audio_for_every_prompt_or_for_none() -> None:
    batches: list[list[bool]] = []

    def answer(audios: Any, sampling_rate: int, prompts: Any) -> list[str]:
        batches.append([audio is None for audio in audios])
        return list(prompts)

    outcomes = ask_without_audio(answer, AUDIO, AUDIO)
    assert texts(outcomes) == [item.instruction for item in (*ITEMS, *ITEMS[:1] * 2)]
    assert all(len(set(batch)) == 1 for batch in batches)
    assert sum(map(len, batches)) == 10


class NeedsAudio:
    """A model whose object says that it needs audio."""

    accepts_no_audio = False

    def answer(self, audio: Any, sampling_rate: int, prompt: str) -> str:
        return prompt

    __call__ = answer


def test_a_function_or_object_may_need_audio(ask: Any) -> None:
    source = "def answer(audio, sampling_rate, prompt):\n    return prompt\n"
    assert ask(source)[1].accepts_no_audio
    assert not ask(f"{source}answer.accepts_no_audio = False", "needing")[1].accepts_no_audio
    for model in (NeedsAudio(), NeedsAudio().answer):
        given = FunctionModel.of(model, "given")
        given.load()
        assert not given.accepts_no_audio
