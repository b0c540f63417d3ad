"""Reports of causal modality reliance, made without a run."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from jasco.metrics.bootstrap import Estimate
from jasco.metrics.reliance import (
    CLASSES,
    EFFECTS,
    Attribution,
    ConditionFigures,
    Effect,
    Reliance,
    RelianceFigures,
    SwapFigures,
)
from jasco.protocol.conditions import parse_conditions
from jasco.reports.reliance_report import RelianceReport
from made_results import DATA, JUDGE, MODEL

VALUES = {
    "original": 0.42, "remix": 0.40, "sound": 0.18, "speech": 0.27, "none": 0.08, "silence": 0.06,
    "swap-sound-1": 0.25, "swap-sound-2": 0.22, "swap-sound-3": 0.24, "swap-speech-1": 0.16,
    "swap-speech-2": 0.19, "swap-speech-3": 0.15, "text-sound": 0.55, "text-speech": 0.60,
    "text": 0.72,
}  # fmt: skip
"""v by condition."""


def estimate(value: float, half: float = 0.07) -> Estimate:
    """Return a figure with an interval of a given half width."""
    return Estimate(value, value - half, value + half)


def effect(v: float, keywords: float | None = None) -> Effect:
    """Return an effect on both outcomes."""
    return Effect(estimate(v), estimate(v * 0.9 if keywords is None else keywords), 80)


def condition(v: float, coverage: float = 1.0) -> ConditionFigures:
    """Return the figures of a condition."""
    classes = dict(zip(CLASSES, map(estimate, (v, 0.2, 0.3, 0.05, 0.45 - v)), strict=True))
    return ConditionFigures(
        estimate(v), estimate(min(v + 0.2, 1.0)), estimate(min(v * 1.1, 1.0)), classes,
        estimate(0.3), estimate(0.2), coverage, 80,
    )  # fmt: skip


def figures(conditions: str = "all", full: str = "original", clips: int = 80) -> RelianceFigures:
    """Return the figures of a model for some conditions."""
    v = {each.key: VALUES[each.key] for each in parse_conditions(conditions)}
    has = v.keys().__contains__
    effects: dict[str, Effect] = {}
    if has("sound") and has("speech"):
        effects |= {
            "necessity_speech": effect(v[full] - v["sound"]),
            "necessity_sound": effect(v[full] - v["speech"]),
            "jointness": effect(v[full] - v["speech"] - 0.03),
        }
    if effects and has("none"):
        sound = (v["sound"] - v["none"] + v[full] - v["speech"]) / 2
        total = v[full] - v["none"]
        effects |= {
            "shapley_sound": effect(sound),
            "shapley_speech": effect(total - sound),
            "shapley_total": effect(total),
            "synergy": effect(v[full] - v["sound"] - v["speech"] + v["none"]),
        }
    if has("remix"):
        effects["stem_artefact"] = effect(v["original"] - v["remix"])
    if has("swap-sound-1"):
        effects["perceptual_sound"] = effect(v["original"] - v["swap-sound-1"])
        effects["perceptual_speech"] = effect(v["original"] - v["swap-speech-1"])
    if has("text-sound"):
        hearing = v["text"] - v["original"]
        of_sound, of_speech = v["text"] - v["text-sound"], v["text"] - v["text-speech"]
        effects |= {
            "cost_hearing_sound": effect(of_sound),
            "cost_hearing_speech": effect(of_speech),
            "cost_hearing": effect(hearing),
            "cost_interaction": effect(hearing - of_sound - of_speech),
            "cost_reasoning": effect(1 - v["text"]),
        }
    shares = {}
    if "shapley_total" in effects:
        shares = {"share_sound": effect(0.38, 0.4), "share_speech": effect(0.62, 0.6)}
    swaps = {
        "sound": SwapFigures(*map(estimate, (0.5, 0.1, 0.25, 0.15))),
        "speech": SwapFigures(*map(estimate, (0.6, 0.1, 0.2, 0.1))),
    }
    original = replace(condition(v["original"]), change_rate=Estimate(None))
    return RelianceFigures(
        clips,
        full,
        {key: original if key == "original" else condition(value) for key, value in v.items()},
        {name: effects[name] for name in EFFECTS if name in effects},
        **shares,
        swaps=swaps if has("swap-sound-1") else {},  # type: ignore[arg-type]
    )


def reliance_report(
    conditions: str = "all",
    *,
    judges: Sequence[str] = (JUDGE,),
    classes: Sequence[str | None] = ("prompt", "jointly", None),
    clips: Sequence[str] = ("0", "1", "2"),
    passed: int | None = None,
    attribution: Mapping[str, Attribution] | None = None,
    **changes: Any,
) -> RelianceReport:
    """Return a report; with ``passed``, the stems are estimated and so many clips pass."""
    estimated = passed is not None
    full = "remix" if estimated else "original"
    of_all = figures(conditions, full)
    measured = Attribution(estimate(0.2), estimate(0.38), 210, 200, 384, 368)
    keys = list(of_all.conditions)
    reliance = Reliance(
        of_all,
        figures(conditions, full, passed) if passed is not None else None,
        dict.fromkeys(judges, of_all),
        dict.fromkeys(judges, measured) if attribution is None else attribution,
        tuple(classes),
        {key: np.array([VALUES[key], np.nan, 1.0][: len(clips)]) for key in keys},
    )
    parts: dict[str, Any] = {
        "model": MODEL,
        "run": Path("runs/first"),
        "data": DATA,
        "protocol": "v2",
        "reliance": reliance,
        "exact": not estimated,
        "stems": {"vad": "silero 5.1", "denoise": {"noisereduce": "3.0"}} if estimated else {},
        "gates": {"sound": 60, "speech": 55, "all": passed} if estimated else {},
        "clips": clips,
        "proxy": False,
        "states": dict.fromkeys(keys, "complete"),
        "skipped": {},
        "signature": "jasco:0|protocol:v2",
    }
    return RelianceReport(**{**parts, **changes})
