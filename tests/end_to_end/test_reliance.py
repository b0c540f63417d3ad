"""Models whose reliance on cues is known by construction get the figures that follow from it."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import jasco
from command import Jasco
from cue_models import (
    ADDITIVE,
    ALWAYS_SPEECH,
    DEAF_TO_SOUND,
    JOINT,
    PROMPT_ONLY,
    RANDOM,
    REFUSES,
    SOUND_ONLY,
    SPEECH_ONLY,
    CueJudge,
    CueModel,
    Cues,
)
from jasco.data.audio import Audio, write_audio
from jasco.data.sources import find_data
from jasco.interventions.donors import donor_of
from jasco.interventions.reliance_results import read_reliance
from jasco.interventions.stems import find_stems
from jasco.protocol.clips import Clip
from jasco.protocol.conditions import Condition, parse_conditions
from jasco.reports.reliance_report import RelianceReport
from jasco.runs.condition_runs import condition_folder, donor_folder
from jasco.runs.read_run import results_of_run

pytestmark = pytest.mark.slow

CLIPS = 2
MINI = find_data("mini", lambda _: None)
BOTH = ("original", "remix")

# By model: v under each condition, as far as it is not 0; draws of a swapped cue have the same v.
VALUES = {
    SPEECH_ONLY: dict.fromkeys(
        [*BOTH, "speech", "swap-sound", "text-sound", "text-speech", "text"], 1.0
    ),
    SOUND_ONLY: dict.fromkeys(
        [*BOTH, "sound", "swap-speech", "text-sound", "text-speech", "text"], 1.0
    ),
    ADDITIVE: dict.fromkeys([*BOTH, "text-sound", "text-speech", "text"], 1.0)
    | {"sound": 0.5, "speech": 0.5},
    JOINT: dict.fromkeys([*BOTH, "text-sound", "text-speech", "text"], 1.0),
    PROMPT_ONLY: dict.fromkeys(
        [each.name for each in parse_conditions("all")], 0.5
    ),
    REFUSES: dict.fromkeys(
        [*BOTH, "speech", "swap-sound", "text-sound", "text-speech", "text"], 1.0
    ),
    DEAF_TO_SOUND: {
        **dict.fromkeys([*BOTH, "speech", "swap-sound", "text-sound"], 0.5),
        **dict.fromkeys(["text-speech", "text"], 1.0),
    },
}  # fmt: skip

# By model: effects on v, as far as they are not 0.
ALL = ("necessity_speech", "necessity_sound", "shapley_total")
EFFECTS = {
    SPEECH_ONLY: {
        "necessity_speech": 1.0, "shapley_speech": 1.0, "shapley_total": 1.0,
        "perceptual_speech": 1.0,
    },
    SOUND_ONLY: {
        "necessity_sound": 1.0, "shapley_sound": 1.0, "shapley_total": 1.0,
        "perceptual_sound": 1.0,
    },
    ADDITIVE: {
        "necessity_speech": 0.5, "necessity_sound": 0.5, "shapley_sound": 0.5,
        "shapley_speech": 0.5, "shapley_total": 1.0, "jointness": 0.5,
        "perceptual_sound": 1.0, "perceptual_speech": 1.0,
    },
    JOINT: {
        "necessity_speech": 1.0, "necessity_sound": 1.0, "shapley_sound": 0.5,
        "shapley_speech": 0.5, "shapley_total": 1.0, "synergy": 1.0, "jointness": 1.0,
        "perceptual_sound": 1.0, "perceptual_speech": 1.0,
    },
    PROMPT_ONLY: {"cost_reasoning": 0.5},
    REFUSES: {
        "necessity_speech": 1.0, "shapley_speech": 1.0, "shapley_total": 1.0,
        "perceptual_speech": 1.0,
    },
    DEAF_TO_SOUND: {
        "necessity_speech": 0.5, "shapley_speech": 0.5, "shapley_total": 0.5,
        "perceptual_speech": 0.5, "cost_hearing_sound": 0.5, "cost_hearing": 0.5,
    },
}  # fmt: skip
CLASSES = {
    SPEECH_ONLY: "speech", SOUND_ONLY: "sound", ADDITIVE: "either", JOINT: "jointly",
    PROMPT_ONLY: "prompt", REFUSES: "speech", DEAF_TO_SOUND: "speech",
}  # fmt: skip


def evaluate(
    model: CueModel, run: Path, judges: tuple[CueJudge, ...] = (CueJudge(),), **settings: object
) -> RelianceReport:
    """Measure a model under all conditions, unless others are given."""
    chosen = {"data": "mini", "conditions": "all", "draws": 1, "limit": CLIPS, "preflight": False}
    chosen |= settings
    return jasco.reliance(model.answer, name=model.name, judges=judges, run=run, **chosen)  # type: ignore[arg-type]


@pytest.mark.parametrize("model", VALUES, ids=lambda model: model.name)
def test_every_figure_is_the_one_that_follows_from_the_model(
    model: CueModel, tmp_path: Path
) -> None:
    report = evaluate(model, tmp_path / "run")

    figures = report.reliance.figures
    assert report.complete
    assert report.exact
    assert {key: each.v.value for key, each in figures.conditions.items()} == {
        each.key: VALUES[model].get(each.name, 0.0) for each in parse_conditions("all", 1)
    }
    effects = {name: effect.v.value for name, effect in figures.effects.items()}
    assert effects == pytest.approx({name: EFFECTS[model].get(name, 0.0) for name in effects})
    assert len(figures.effects) == 15
    assert set(report.clip_classes.values()) == {CLASSES[model]}
    both = figures.effects["shapley_sound"], figures.effects["shapley_speech"]
    assert sum(each.v.value or 0 for each in both) == figures.effects["shapley_total"].v.value
    refused = figures.conditions["sound"].classes["refusal"].value
    assert refused == (1.0 if model is REFUSES else 0.0)


def rating(model: CueModel, condition: Condition, clip: Clip) -> int:
    """Return the rating that an answer deserves, from the definitions of the conditions."""
    donor = (
        donor_of(clip, condition.swapped, condition.draw, MINI.clips) if condition.swapped else clip
    )
    given: Cues = {
        **{cue: getattr(clip, cue) for cue in (*condition.stems, *condition.text)},
        **({condition.swapped: getattr(donor, condition.swapped)} if condition.swapped else {}),
    }
    is_own = all(getattr(clip, cue) == text for cue, text in given.items())
    return model.rate(dict(sorted(given.items()))) if is_own else 0


def test_figures_of_a_random_model_are_those_of_an_independent_computation(tmp_path: Path) -> None:
    report = evaluate(RANDOM, tmp_path / "run", draws=2)

    conditions = {each.key: each for each in parse_conditions("all", 2)}
    v = {
        key: sum(rating(RANDOM, condition, clip) / 2 for clip in MINI.clips[:CLIPS]) / CLIPS
        for key, condition in conditions.items()
    }
    figures = report.reliance.figures
    assert {key: each.v.value for key, each in figures.conditions.items()} == pytest.approx(v)
    effects = {name: effect.v.value for name, effect in figures.effects.items()}
    synergy = v["original"] - v["sound"] - v["speech"] + v["none"]
    assert effects["synergy"] == pytest.approx(synergy)
    assert effects["shapley_sound"] == pytest.approx(v["sound"] - v["none"] + synergy / 2)


def test_a_judge_that_always_sees_the_speech_is_exposed(tmp_path: Path) -> None:
    report = evaluate(
        JOINT, tmp_path / "run", (CueJudge(), ALWAYS_SPEECH), conditions="core", limit=6
    )

    attribution = report.reliance.attribution
    exposed, correct = attribution["test/always speech"], attribution["test/cues"]
    assert (exposed.speech.value, exposed.speech_answers) == (1.0, 3 * 6 * 8)
    assert (exposed.sound.value, exposed.sound_answers) == (0.0, 3 * 6 * 8)
    assert (correct.speech.value, correct.sound.value) == (0.0, 0.0)
    scores = jasco.score(tmp_path / "run")
    details = [line for line in str(scores).splitlines() if line.startswith("test/")]
    lines = [line for line in details if "given without the speech" in line]
    assert [line.split(":")[0] for line in lines] == ["test/cues", "test/always speech"]
    assert "100.0%" in lines[1]


def test_swapped_cues_are_followed(tmp_path: Path) -> None:
    names = "swap-sound,swap-speech"
    report = evaluate(JOINT, tmp_path / "run", conditions=names, draws=1)

    swaps = report.reliance.figures.swaps
    assert {cue: swaps[cue].donor.value for cue in swaps} == {"sound": 1.0, "speech": 1.0}
    donor = results_of_run(donor_folder(tmp_path / "run", "swap-sound-1"))
    assert donor.data.annotations_sha256 != report.data.annotations_sha256


def test_a_model_that_requires_audio_is_not_asked_without(tmp_path: Path) -> None:
    class Deaf:
        accepts_no_audio = False

        def answer(self, audio: object, sampling_rate: int, prompt: str) -> str:
            assert audio is not None
            return f"{prompt[:3]} {sampling_rate}"

    def fails(audio: object, sampling_rate: int, prompt: str) -> str:
        return f"{len(audio)} {sampling_rate} {prompt}"  # type: ignore[arg-type]

    settings = {"data": "mini", "limit": 2, "preflight": False, "judges": [CueJudge()]}
    for name, model, reason in (
        ("declared", Deaf(), "accepts_no_audio"),
        ("function", fails, "TypeError"),
    ):
        run = tmp_path / name
        conditions = "sound,none,text,speech"
        report = jasco.reliance(model, name=name, run=run, conditions=conditions, **settings)  # type: ignore[arg-type]
        assert report.complete
        assert set(report.skipped) == {"none", "text"}
        assert reason in report.skipped["none"]
        assert "none" not in report.reliance.figures.conditions
        assert "synergy" not in report.reliance.figures.effects
        assert report.to_json()["figures"]["effects"]["synergy"]["v"] is None
        assert reason in str(report.to_text())


def test_the_same_command_resumes_and_adds_conditions_and_judges(tmp_path: Path) -> None:
    run, calls = tmp_path / "run", []

    def counted(audio: object, sampling_rate: int, prompt: str) -> str:
        calls.append(prompt)
        return JOINT.answer(audio, sampling_rate, prompt)  # type: ignore[arg-type]

    settings = {"data": "mini", "limit": 2, "preflight": False, "name": "joint", "run": run}
    jasco.evaluate(counted, judges=[CueJudge()], **settings)  # type: ignore[arg-type]
    assert len(calls) == 16
    jasco.reliance(counted, judges=[CueJudge()], conditions="sound", **settings)  # type: ignore[arg-type]
    assert len(calls) == 32
    jasco.reliance(counted, judges=[CueJudge()], conditions="sound,speech", **settings)  # type: ignore[arg-type]
    assert len(calls) == 48
    report = jasco.reliance(run=run, judges=[CueJudge(), CueJudge("second")])
    assert len(calls) == 48
    assert set(report.reliance.judges) == {"test/cues", "test/second"}
    assert report.complete
    judged = results_of_run(condition_folder(run, "speech"))
    assert set(judged.judges) == {"test/cues", "test/second"}


def test_the_command_prints_all_formats(jasco: Jasco, tmp_path: Path) -> None:
    function, run, page = tmp_path / "castle.py", tmp_path / "run", tmp_path / "page.html"
    function.write_text(
        "def answer(audio, sampling_rate, prompt):\n    return 'They are building a sandcastle.'\n"
    )
    command = ["reliance", f"python/{function}:answer", "--data", "mini", "--judge", "offline"]
    command += ["--run", str(run), "--limit", "2", "--no-preflight"]

    assert "remix: 16 answers and 16 verdicts" in jasco(*command, "--dry-run").stdout
    assert not run.exists()
    result = json.loads(jasco(*command, "--json").stdout)
    assert result["complete"]
    assert result["conditions"]["none"] == "complete"
    assert result["clips"]["1"]["class"] in ("prompt", "unsolved")

    assert "necessity of speech" in jasco("reliance", run).stdout
    assert "necessity of speech" in jasco("reliance", "--run", run).stdout
    assert r"\begin{table}" in jasco("reliance", run, "--format", "latex").stdout
    assert "|:--" in jasco("reliance", run, "--format", "markdown").stdout
    assert jasco("reliance", run, "--items", "--format", "csv").stdout.startswith("clip,")
    assert jasco("report", run, "-o", page).status == 0
    assert "Modality reliance" in page.read_text()
    assert "conditions" not in jasco("runs", tmp_path).stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "missing MODEL or RUN"),
        (["--items"], "missing runs"),
        (["runs/missing"], "no such run"),
        (["cascade", "--run", "new", "--judge", "offline"], "--data"),
        (["cascade", "--run", "new", "--data", "mini"], "--judge"),
        (["a", "b", "--run", "new"], "--items"),
        (["cascade", "--run", "new", "--data", "mini", "--conditions", "sounds"], "did you mean"),
        (["cascade", "--run", "new", "--data", "mini", "--conditions", "original"], "besides"),
        (["cascade", "--run", "new", "--data", "mini", "--draws", "0"], "--draws"),
        (["cascade", "--run", "new", "--data", "mini", "--conditions", "all", "--draws", "16"],
         "--draws 1"),
        (["csv/answers.csv", "--run", "new", "--data", "mini"], "from a file"),
        (["cascade", "--run", "new", "--data", "mini", "--stems", "no"], "no such"),
        (["--items", "nowhere"], "nowhere"),
        (["--json", "--format", "latex", "--run", "new"], "--format latex"),
        (["--format", "csv", "--run", "new"], "--items"),
        (["--run", "new", "--conditions", "all"], "--conditions has no effect"),
        (["--run", "new", "--limit", "3"], "--limit has no effect"),
        (["--items", "new", "--draws", "2"], "--draws has no effect"),
    ],
)  # fmt: skip
def test_wrong_input_is_one_line_and_leaves_nothing(
    jasco: Jasco, tmp_path: Path, arguments: list[str], says: str
) -> None:
    run = tmp_path / "new"
    words: list[object] = [run if word == "new" else word for word in arguments]
    if "mini" in words and says != "--judge":
        words += ["--judge", "offline"]
    result = jasco("reliance", *words)
    assert result.status == 2
    assert says in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not result.stdout
    assert not run.exists()


def test_a_run_keeps_the_stems_of_its_conditions(tmp_path: Path) -> None:
    run, stems = tmp_path / "run", tmp_path / "stems"
    shutil.copytree(find_stems(MINI, None).folder, stems)
    evaluate(ADDITIVE, run, conditions="sound")
    evaluate(ADDITIVE, run, conditions="sound,speech", stems=stems)  # the same, elsewhere
    (stems / "sound" / "1.flac").unlink()
    write_audio(stems / "sound" / "1.flac", Audio(np.zeros(65_410, np.int16)))
    for conditions in ("sound", "speech", "swap-sound"):
        with pytest.raises(jasco.RunConflictError, match=r"other stems.*clip 1\b"):
            evaluate(ADDITIVE, run, conditions=conditions, stems=stems)
    assert evaluate(ADDITIVE, run, conditions="sound").exact
    assert not (run / "conditions" / "swap-sound-1").exists()


def test_missing_stems_are_named_before_anything_is_asked(tmp_path: Path) -> None:
    stems = tmp_path / "stems"
    shutil.copytree(find_stems(MINI, None).folder, stems)
    (stems / "speech" / "2.flac").unlink()
    with pytest.raises(jasco.InputError, match="speech stem of clip 2 is missing"):
        evaluate(ADDITIVE, tmp_path / "run", stems=stems)
    assert not (tmp_path / "run").exists()


def test_results_are_read_as_of_the_run(tmp_path: Path) -> None:
    evaluate(ADDITIVE, tmp_path / "run", conditions="sound")
    results = read_reliance(tmp_path / "run")
    assert set(results.outcomes) == {"original", "sound"}
    assert results.complete
    scores = jasco.score(condition_folder(tmp_path / "run", "sound"))
    assert "condition sound" in str(scores)
    assert scores.to_json()["models"]["additive"]["condition"] == "sound"
    assert "condition" not in str(jasco.score(tmp_path / "run"))


def test_samples_that_only_the_original_run_has_are_missing_elsewhere(tmp_path: Path) -> None:
    run = tmp_path / "run"
    before = evaluate(ADDITIVE, run, conditions="core")
    settings = {"data": "mini", "run": run, "name": "additive", "preflight": False, "limit": CLIPS}
    jasco.evaluate(ADDITIVE.answer, judges=[CueJudge()], samples=3, **settings)  # type: ignore[arg-type]

    after = jasco.reliance(run=run)
    assert not after.complete
    for name, effect in before.reliance.figures.effects.items():
        assert after.reliance.figures.effects[name].v.value == effect.v.value
    again = after.reliance.figures.conditions["sound"]
    assert again.coverage == pytest.approx(1 / 3)
    assert again.excess_change_rate.value == 1.0
    extended = evaluate(ADDITIVE, run, conditions="core", samples=3)
    assert extended.complete


def test_conditions_cover_the_clips_of_the_original_run(tmp_path: Path) -> None:
    run = tmp_path / "run"
    evaluate(ADDITIVE, run, conditions="sound", limit=3)
    report = evaluate(ADDITIVE, run, conditions="sound,none", limit=1)
    assert report.complete
    assert {key: each.clips for key, each in report.reliance.figures.conditions.items()} == {
        "original": 3, "sound": 3, "none": 3,
    }  # fmt: skip
