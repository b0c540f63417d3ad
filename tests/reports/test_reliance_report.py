"""The report of causal modality reliance in every format."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jasco.metrics.bootstrap import Estimate
from jasco.metrics.reliance import EFFECTS, Effect
from jasco.protocol.conditions import parse_conditions
from jasco.reports.reliance_items import audit_items
from jasco.reports.reliance_report import RelianceReport
from jasco.reports.reliance_tables import condition_name, effect_name
from made_reliance import effect, reliance_report
from made_results import JUDGE, MODEL
from places import ROOT

HOSTILE = "<b>x</b> | \\input{y} $"
COMPLETE = reliance_report()


def with_figures(report: RelianceReport, **changes: Any) -> RelianceReport:
    reliance = report.reliance
    figures = replace(reliance.figures, **changes)
    return replace(report, reliance=replace(reliance, figures=figures))


def row(report: RelianceReport, part: str, name: str) -> dict[str, str]:
    """Return the cells of the first row of a table whose name begins with a text."""
    [table] = [each.table for each in report.parts if each.key == part]
    found = next(each for each in table.rows if each.name.startswith(name))
    return dict(zip(table.header, table.cells(found), strict=True))


def test_every_condition_and_effect_has_a_name() -> None:
    names = [condition_name(each.key) for each in parse_conditions("all")]
    assert names[0] == "original: the clip"
    assert "swap-speech-3: speech of another clip" in names
    assert effect_name("necessity_speech", "remix") == "necessity of speech: remix minus sound"
    assert len({effect_name(name) for name in EFFECTS}) == len(EFFECTS)
    assert effect_name("stem_artefact", exact=True).startswith("same input again")


def test_a_condition_has_a_row_with_both_outcomes_and_its_classes() -> None:
    cells = row(COMPLETE, "conditions", "sound: ")
    assert cells["v [95%]"] == "0.18 [0.11, 0.25]"
    assert cells["keywords [95%]"] == "19.8% [12.8, 26.8]"
    assert (cells["best v"], cells["sound-led"], cells["changed"]) == ("0.38", "20.0%", "30.0%")
    assert row(COMPLETE, "conditions", "original")["changed"] == "–"
    assert "coverage" not in cells
    parts = [part.key for part in COMPLETE.parts]
    assert parts == ["conditions", "effects", "shares", "swaps", "attribution"]


def test_an_effect_is_robust_if_both_outcomes_agree() -> None:
    cells = row(COMPLETE, "effects", "necessity of speech")
    assert cells["v [95%]"] == "+0.24 [+0.17, +0.31]"
    assert cells["robust"] == "yes"
    assert row(COMPLETE, "effects", "synergy")["robust"] == "no"
    without = with_figures(COMPLETE, effects={"synergy": Effect(Estimate(0.1), Estimate(0.2))})
    assert row(without, "effects", "synergy")["robust"] == "–"


def test_estimated_stems_have_figures_for_the_clips_that_pass_and_for_all() -> None:
    report = reliance_report("core", passed=52)
    parts = {part.key: part.heading for part in report.parts}
    assert next(iter(parts)) == "conditions-passed"
    assert parts["effects-passed"] == "Effects, 52 clips whose stems pass the gates"
    assert parts["effects"] == "Effects, all 80 clips"
    assert report.main_figures is report.reliance.passed
    text = report.to_text()
    assert "remix minus sound" in text
    assert re.search(r"stems: estimated by jasco data stems \(recipe [0-9a-f]{12}\)\n", text)
    assert "silero" not in text
    assert report.to_json()["stems"]["recipe"]["vad"] == "silero 5.1"
    assert "clips whose stems pass the gates, of 2: sound 60, speech 55, both 52" in text
    assert "perceptual score of sound: remix minus" in reliance_report(passed=52).to_text()


def test_if_no_clip_passes_the_gates_the_figures_are_for_all_clips() -> None:
    report = reliance_report("core", passed=0)
    assert report.main_figures is report.reliance.figures
    assert report.parts[0].heading == "Conditions, 80 clips"
    assert "both 0" in report.to_text()
    assert report.to_json()["passed"] is None


def test_stems_without_gates_or_recipe_are_stated() -> None:
    text = replace(COMPLETE, exact=False).to_text()
    assert "stems: estimated elsewhere\n" in text
    assert "unknown how many stems pass the gates" in text
    assert "stems:" not in replace(reliance_report("original,none,text"), exact=False).to_text()


def test_shares_are_given_only_where_they_are_defined() -> None:
    none = with_figures(COMPLETE, share_sound=Effect(), share_speech=Effect())
    assert "shares" not in [part.key for part in none.parts]
    assert "no shares of the cues for v and keywords" in none.to_text()
    assert "no shares of the cues" not in COMPLETE.to_text()
    without = reliance_report("original,sound,speech")
    assert "condition none not measured; therefore, no contributions" in without.to_text()
    assert "contribution" not in "".join(part.table.to_text() for part in without.parts)


def test_what_is_incomplete_or_skipped_is_stated() -> None:
    report = replace(
        reliance_report("core"),
        proxy=True,
        states={"original": "complete", "sound": "incomplete", "none": "skipped"},
        skipped={"none": "the model requires audio"},
    )
    assert not report.complete
    for text in (report.to_text(), report.to_markdown(), report.to_latex()):
        assert "INCOMPLETE: sound (coverage 100.0" in text
        assert "jasco reliance runs/first -" in text
        assert "ondition none skipped: the model requires audio; therefore, no contrib" in text
        assert "PROXY figures" in text
        assert f"{MODEL} (proxy)" in text.replace("\\", "")
    assert r"sound\dag{} &" in report.to_latex()
    assert "remix was not measured" in replace(COMPLETE, exact=False).to_text()


def test_incomplete_conditions_are_one_caution() -> None:
    states = {"original": "complete", "sound": "incomplete", "text": "incomplete"}
    states["swap-sound-1"] = "incomplete"
    report = replace(COMPLETE, states=states, run=Path("my runs/first"))
    conditions = report.reliance.figures.conditions
    report = with_figures(
        report, conditions={**conditions, "sound": replace(conditions["sound"], coverage=0.125)}
    )
    [caution] = report.cautions
    assert "sound (coverage 12.5%), text (coverage 100.0%), swap-sound-1 (verdicts on" in caution
    assert caution.endswith("jasco reliance 'my runs/first' --judge JUDGE")
    begun = replace(reliance_report("core"), states={"text": "incomplete"})
    assert "text (coverage 0.0%)" in begun.cautions[0]


def test_a_skipped_condition_states_which_figures_are_missing() -> None:
    report = replace(reliance_report("core"), skipped={"text": "no", "none": "no"})
    skipped = [line for line in report.notes if "skipped" in line]
    assert [line.partition("therefore, no ")[2].split()[0] for line in skipped] == [
        "costs",
        "contributions",
    ]


def test_effects_have_their_clips_if_they_differ() -> None:
    assert "clips" not in row(COMPLETE, "effects", "synergy")
    effects = dict(COMPLETE.reliance.figures.effects)
    effects["synergy"] = replace(effects["synergy"], clips=79)
    fewer = with_figures(COMPLETE, effects=effects)
    assert row(fewer, "effects", "synergy")["clips"] == "79"
    assert fewer.to_json()["figures"]["effects"]["synergy"]["clips"] == 79


def test_missing_intervals_have_a_reason() -> None:
    conditions = COMPLETE.reliance.figures.conditions
    few = {
        key: replace(each, clips=3, v=Estimate(0.1), keywords=Estimate(0.1))
        for key, each in conditions.items()
    }
    text = with_figures(COMPLETE, conditions=few).to_text()
    assert "no intervals: fewer than 5 clips" in text
    assert "Intervals: 95%" not in text
    one = with_figures(COMPLETE, conditions={**conditions, "text": few["text"]}).to_text()
    assert "no intervals of text: fewer than 5 clips" in one
    assert "Intervals: 95%" in one
    assert "no intervals" not in COMPLETE.to_text()


def test_answers_that_are_always_wrong_show_no_reliance() -> None:
    note = "effects cannot show reliance"
    conditions = {
        key: replace(each, v=Estimate(0.05), keywords=Estimate(0.0))
        for key, each in COMPLETE.reliance.figures.conditions.items()
    }
    assert note in with_figures(COMPLETE, conditions=conditions).to_text()
    one = {**conditions, "text": replace(conditions["text"], v=Estimate(0.06))}
    assert note not in with_figures(COMPLETE, conditions=one).to_text()


def test_an_effect_of_estimated_stems_is_stated() -> None:
    report = reliance_report("core", passed=52)
    passed = report.main_figures
    note = "the stems have an effect on v: +0.10 [+0.03, +0.17] (original minus remix)"
    assert "the stems have an effect" not in report.to_text()
    effects = {**passed.effects, "stem_artefact": effect(0.1)}
    reliance = replace(report.reliance, passed=replace(passed, effects=effects))
    assert note in replace(report, reliance=reliance).to_text()
    assert "the stems have an effect" not in with_figures(COMPLETE, effects=effects).to_text()


def test_swapped_cues_have_a_caution_below_the_table() -> None:
    for text in (COMPLETE.to_text(), COMPLETE.to_markdown(), COMPLETE.to_latex()):
        assert text.count("by coincidence") == 1
    assert reliance_report(passed=52).to_text().count("by coincidence") == 1


def test_the_table_of_conditions_of_a_paper_has_few_columns() -> None:
    text = COMPLETE.to_latex()
    [header] = re.findall(r"^ Condition .*$", text, re.MULTILINE)
    headings = [cell.strip(" \\").split(" ")[0] for cell in header.split("&")]
    assert headings == [
        *("Condition", "$v$", "Keywords", "Joint", "Sound-led", "Speech-led", "Refusal", "Changed")
    ]
    assert re.search(r"^ swap-speech-3 +&", text, re.MULTILINE)
    assert "swap-speech (speech of another clip)" in text
    assert "Clips by what suffices: " in text
    assert "\nv includes the rubric" in text


def test_conditions_and_effects_become_data_frames() -> None:
    pytest.importorskip("pandas")
    frame = COMPLETE.to_pandas().set_index("condition")
    assert len(frame) == 15
    assert frame["v"]["sound"] == 0.18
    assert frame["joint_low"]["sound"] == pytest.approx(0.11)
    assert list(frame.columns[-2:]) == ["coverage", "clips"]
    effects = COMPLETE.effects_to_pandas().set_index("effect")
    assert effects["v"]["necessity_speech"] == pytest.approx(0.24)
    assert effects["keywords_high"]["synergy"] == pytest.approx(0.115)
    assert effects["clips"]["synergy"] == 80
    assert list(effects["robust"][:1]) == [True]


def test_several_judges_have_a_table() -> None:
    report = reliance_report("core", judges=("openai/a", "openai/b"))
    assert row(report, "judges", "openai/b")["synergy [95%]"] == "+0.05 [-0.02, +0.12]"
    cells = row(report, "attribution", "openai/a")
    assert cells["without speech, to speech [95%]"] == "38.0% [31.0, 45.0]"
    assert cells["answers"] == "210 of 384"
    assert "judges" not in [part.key for part in COMPLETE.parts]
    assert "attribution" not in [part.key for part in reliance_report(attribution={}).parts]


def test_json_has_every_figure() -> None:
    figures = json.loads(json.dumps(COMPLETE.to_json(), allow_nan=False))
    assert figures["schema"] == 1
    assert figures["complete"] is True
    assert figures["figures"]["conditions"]["sound"]["v"] == 0.18
    assert figures["figures"]["conditions"]["sound"]["v_ci"] == pytest.approx([0.11, 0.25])
    assert figures["figures"]["conditions"]["sound"]["classes"]["joint"] == 0.18
    assert figures["figures"]["conditions"]["original"]["change_rate"] is None
    assert figures["figures"]["effects"]["synergy"]["robust"] is False
    assert figures["figures"]["shapley_shares"]["sound"]["v"] == 0.38
    assert figures["figures"]["swaps"]["sound"]["donor"] == 0.5
    assert figures["passed"] is None
    assert figures["judges"].keys() == {JUDGE}
    assert figures["attribution_without_cue"][JUDGE]["speech_answers"] == 200
    assert figures["attribution_without_cue"][JUDGE]["speech_judged"] == 368
    assert figures["stems"] == {"exact": True, "recipe": {}, "gates": {}}
    assert figures["clips"]["0"]["class"] == "prompt"
    assert figures["clips"]["0"]["v"]["sound"] == 0.18
    assert figures["clips"]["1"]["v"]["sound"] is None
    assert figures["clips"]["2"]["class"] is None
    assert figures["clip_classes"]["unknown"] == 1
    estimated = reliance_report("core", passed=52).to_json()
    assert estimated["passed"]["clips"] == 52
    assert estimated["stems"]["gates"]["all"] == 52


def test_clips_are_counted_by_class() -> None:
    assert (
        "clips by what suffices: 1 solved by the instruction alone, 1 only jointly, 1 unknown"
        in COMPLETE.to_text()
    )


def test_markdown_and_latex_escape_names() -> None:
    report = reliance_report("core", model=HOSTILE, judges=(HOSTILE,), skipped={"none": HOSTILE})
    assert "<b>" not in report.to_markdown().replace("\\<b\\>", "").replace(f"`{HOSTILE}`", "")
    body = report.to_latex().partition(r"\begin{table}")[2]
    assert r"\input" not in body
    labels = re.findall(r"\\label{(.*)}", body)
    assert labels == [
        f"tab:jasco-reliance-b-x-b-input-y-{key}"
        for key in ("conditions", "effects", "shares", "attribution")
    ]
    assert body.count("Intervals: 95") == 1


def names_in(value: Any) -> set[str]:
    """Return the names of all entries of a JSON object that are not names from outside."""
    if isinstance(value, list):
        return set().union(*map(names_in, value))
    if not isinstance(value, dict):
        return set()
    return {*value}.union(*map(names_in, value.values()))


def test_every_field_of_the_json_is_documented() -> None:
    report = reliance_report(passed=2, attribution={})
    figures = {**report.to_json(), "judges": {}, "clips": {}, "conditions": {}}
    del figures["stems"]["recipe"]
    names = {name.removesuffix("_ci") for name in names_in(figures)}
    names |= names_in(audit_items([report]).to_json()["clips"])
    text = (ROOT / "docs" / "output.md").read_text("utf-8")
    documented = set(re.findall(r"`(\w+)`", text)) | {each.key for each in parse_conditions("all")}
    assert names - {MODEL} <= documented
