"""Causal modality reliance: formulas, models by construction, and the coverage of intervals."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jasco.metrics import bootstrap
from jasco.metrics.bootstrap import Estimate
from jasco.metrics.contrasts import contrasts
from jasco.metrics.reliance import (
    CLASSES,
    CLIP_CLASSES,
    EFFECTS,
    Effect,
    Outcomes,
    Reliance,
    attribution,
    reliance,
)
from jasco.metrics.scoring import score_matrix
from jasco.metrics.verdict_matrix import VerdictMatrix
from jasco.protocol.verdicts import Orientation

Random = np.random.Generator
Labels = np.ndarray
CORE = ("original", "remix", "sound", "speech", "none", "silence")
ALL = (
    *CORE,
    *(f"swap-{cue}-{draw}" for cue in ("sound", "speech") for draw in (1, 2, 3)),
    "text-sound",
    "text-speech",
    "text",
)


CODES = {
    letter: list(Orientation).index(orientation)
    for letter, orientation in {
        "A": Orientation.AUDIO,
        "S": Orientation.SPEECH,
        "B": Orientation.BOTH,
        "N": Orientation.NEITHER,
    }.items()
}


def matrix(answers: Sequence[str] | np.ndarray) -> VerdictMatrix:
    """Return the matrix of one sample, given as a string such as ``2B 0A --`` per clip."""
    cells = [clip.split() for clip in answers]
    ratings = [[np.nan if cell[0] in "-?" else float(cell[0]) for cell in row] for row in cells]
    orientations = [[CODES.get(cell[1], 0) for cell in row] for row in cells]
    unreadable = [[cell[0] == "?" for cell in row] for row in cells]
    return VerdictMatrix(
        np.array(ratings, np.float32), np.array(orientations, np.int8), np.array(unreadable)
    )


def outcomes(
    *samples: Sequence[str],
    keywords: object = None,
    refusals: object = None,
    judges: Mapping[str, Sequence[Sequence[str]]] | None = None,
    donors: Sequence[str] | None = None,
) -> Outcomes:
    """Return the outcomes of one judge (``judge``) or several, from their verdicts."""
    panel = judges or {"judge": samples}
    verdicts = {
        name: VerdictMatrix.of_samples([matrix(sample) for sample in given])
        for name, given in panel.items()
    }
    first = next(iter(verdicts.values()))
    shape = len(first.samples), *first.ratings.shape
    return Outcomes(
        verdicts,
        np.broadcast_to(np.array(np.nan if keywords is None else keywords, np.float32), shape),
        np.broadcast_to(np.array(False if refusals is None else refusals, bool), shape),
        {} if donors is None else {"judge": matrix(donors)},
    )


def compute(conditions: Mapping[str, Outcomes], **settings: object) -> Reliance:
    return reliance(conditions, **({"exact": True, "resamples": 200} | settings))  # type: ignore[arg-type]


def effects(result: Reliance) -> dict[str, float]:
    return {name: float(effect.v) for name, effect in result.figures.effects.items()}


# --- outcomes of answers ---


def test_classes_of_answers() -> None:
    answers = ["2B 1B 0B 2A 0A 1S 0S 0N", "2N 0N -- ?? 2B 2B 2B 2B"]
    refusals = np.zeros((1, 2, 8), bool)
    refusals[0, 0, 7] = refusals[0, 1, 0] = refusals[0, 0, 0] = True  # the last one is Both
    original = compute({"original": outcomes(answers, refusals=refusals)}).figures.conditions
    figures = original["original"]
    shares = {name: float(share) for name, share in figures.classes.items()}
    assert tuple(shares) == CLASSES
    assert shares == pytest.approx(
        {
            "joint": (2 / 8 + 4 / 6) / 2,
            "sound_led": (2 / 8) / 2,
            "speech_led": (2 / 8) / 2,
            "refusal": (1 / 8 + 1 / 6) / 2,
            "other": (1 / 8 + 1 / 6) / 2,
        }
    )
    # A refusal has a value of 0, whatever its rating; other answers have their rating / 2.
    assert float(figures.v) == pytest.approx(((2 + 1 + 2 + 1) / 2 / 8 + 4 / 6) / 2)
    assert float(figures.best_v) == 1
    assert figures.coverage == 14 / 16
    assert figures.clips == 2


def test_samples_of_an_item_are_averaged() -> None:
    samples = ["2B 0A", "-- --"], ["0B 0A", "1B --"]
    keywords = [[[1, 0], [np.nan, np.nan]], [[0, 0], [1, np.nan]]]
    result = compute({"original": outcomes(*samples, keywords=keywords)})
    figures = result.figures.conditions["original"]
    assert float(figures.v) == pytest.approx((0.25 + 0.5) / 2)
    assert float(figures.best_v) == pytest.approx((0.5 + 0.5) / 2)
    assert float(figures.keywords) == pytest.approx((0.25 + 1) / 2)
    assert float(figures.classes["joint"]) == pytest.approx((0.25 + 1) / 2)
    assert figures.coverage == 5 / 8


def test_the_figures_of_a_panel_are_the_means_of_its_judges() -> None:
    conditions = {
        "original": outcomes(judges={"a": [["2B 2B"]], "b": [["0S 1B"]]}),
        "sound": outcomes(judges={"a": [["0A 2B"]], "b": [["0A 0N"]]}),
    }
    result = compute(conditions)
    of_judges = {name: figures.effects for name, figures in result.judges.items()}
    assert float(of_judges["a"]["necessity_speech"].v) == 0.5
    assert float(of_judges["b"]["necessity_speech"].v) == 0.25
    assert effects(result) == {"necessity_speech": 0.375}
    assert float(result.figures.conditions["original"].classes["speech_led"]) == 0.25
    assert result.clip_values["original"].tolist() == [0.625]


def test_a_panel_of_equal_judges_has_the_figures_of_one() -> None:
    conditions = random_outcomes(1, 12, 0.1, judges=1)
    twice = {
        key: replace(one, verdicts={"a": one.verdicts["judge 0"], "b": one.verdicts["judge 0"]})
        for key, one in conditions.items()
    }
    result, single = compute(twice), compute(conditions)
    for name, effect in single.figures.effects.items():
        interval = pytest.approx(effect.v.interval, abs=1e-5)  # sums are in single precision
        assert result.figures.effects[name].v.interval == interval
        for judge in ("a", "b"):
            assert result.judges[judge].effects[name].v.interval == interval


# --- effects ---

VALUES = {
    "original": 1.0,
    "remix": 0.875,
    "sound": 0.25,
    "speech": 0.5,
    "none": 0.125,
    "silence": 0.0,
    "swap-sound-1": 0.25,
    "swap-sound-2": 0.5,
    "swap-speech-1": 0.0,
    "text-sound": 0.75,
    "text-speech": 0.625,
    "text": 0.875,
}


def of_value(value: float) -> list[str]:
    """Return the answers of a clip with this mean value."""
    return [" ".join(["2B"] * round(8 * value) + ["0N"] * round(8 - 8 * value))]


def test_effects_by_hand() -> None:
    result = compute({key: outcomes(of_value(value)) for key, value in VALUES.items()})
    assert result.figures.full == "original"
    assert effects(result) == pytest.approx(
        {
            "necessity_speech": 0.75,
            "necessity_sound": 0.5,
            "shapley_sound": (0.25 - 0.125 + 1 - 0.5) / 2,
            "shapley_speech": (0.5 - 0.125 + 1 - 0.25) / 2,
            "shapley_total": 0.875,
            "synergy": 1 - 0.25 - 0.5 + 0.125,
            "jointness": 0.5,
            "stem_artefact": 0.125,
            "perceptual_sound": 1 - 0.375,
            "perceptual_speech": 1,
            "cost_hearing_sound": 0.125,
            "cost_hearing_speech": 0.25,
            "cost_hearing": -0.125,
            "cost_interaction": -0.5,
            "cost_reasoning": 0.125,
        }
    )
    assert tuple(result.figures.effects) == EFFECTS
    assert tuple(result.figures.conditions) == tuple(VALUES)


def test_the_remix_is_the_complete_input_if_the_stems_are_estimated() -> None:
    conditions = {key: outcomes(of_value(value)) for key, value in VALUES.items()}
    result = compute(conditions, exact=False)
    assert result.figures.full == "remix"
    found = effects(result)
    assert found["necessity_speech"] == 0.875 - 0.25
    assert found["shapley_total"] == 0.75
    assert found["perceptual_sound"] == 0.875 - 0.375
    assert found["perceptual_speech"] == 0.875
    assert found["stem_artefact"] == 0.125
    assert found["cost_hearing"] == 0.875 - 1
    del conditions["remix"]
    without = compute(conditions, exact=False)
    assert without.figures.full == "original"
    assert "stem_artefact" not in without.figures.effects
    not_judged = conditions | {"remix": outcomes(["-- -- -- -- -- -- -- --"])}
    assert compute(not_judged, exact=False).figures.full == "original"


def test_effects_without_their_conditions_are_left_out() -> None:
    names = ("original", "sound", "speech", "silence", "text")
    conditions = {key: outcomes(of_value(VALUES[key])) for key in names}
    assert list(effects(compute(conditions))) == [
        "necessity_speech",
        "necessity_sound",
        "jointness",
        "cost_hearing",
        "cost_reasoning",
    ]
    assert compute({"original": conditions["original"]}).figures.effects == {}


def test_effects_are_computed_from_the_items_of_all_their_conditions() -> None:
    conditions = {
        "original": outcomes(["2B 2B 0B", "2B 0B 0B", "2B 2B 2B"]),
        "sound": outcomes(["-- 0A 0A", "-- -- 2B", "-- -- --"]),
    }
    result = compute(conditions)
    assert effects(result)["necessity_speech"] == pytest.approx((0.5 - 1) / 2)
    assert float(result.figures.conditions["original"].v) == pytest.approx((2 / 3 + 1 / 3 + 1) / 3)


def test_an_effect_has_the_number_of_its_clips_by_the_judge_with_the_fewest() -> None:
    conditions = {
        "original": outcomes(judges={"a": [["2B", "2B", "2B"]], "b": [["2B", "2B", "--"]]}),
        "sound": outcomes(judges={"a": [["0A", "0A", "--"]], "b": [["0A", "--", "0A"]]}),
    }
    result = compute(conditions)
    assert result.figures.effects["necessity_speech"].clips == 1
    assert result.judges["a"].effects["necessity_speech"].clips == 2
    assert result.figures.share_sound.clips == 0


def test_the_maximum_of_jointness_is_that_of_each_clip() -> None:
    conditions = {
        "original": outcomes(["2B 2B", "2B 2B"]),
        "sound": outcomes(["2B 2B", "0A 0A"]),
        "speech": outcomes(["0S 0S", "2B 0B"]),
    }
    assert effects(compute(conditions))["jointness"] == pytest.approx((0 + 0.5) / 2)


def test_keywords_have_the_same_effects_without_a_judge() -> None:
    conditions = {
        key: outcomes(["-- " * 8], keywords=[[[1] * round(8 * v) + [0] * round(8 - 8 * v)]])
        for key, v in VALUES.items()
    }
    result = compute(conditions)
    expected = {
        name: contrast.by_clip({key: np.array([[v]]) for key, v in VALUES.items()}).item()
        for name, contrast in contrasts(VALUES, "original").items()
    }
    found = {name: float(one.keywords) for name, one in result.figures.effects.items()}
    assert found == pytest.approx(expected)
    assert all(effect.v.value is None for effect in result.figures.effects.values())
    assert result.clip_classes == (None,)


def random_outcomes(
    seed: int, clips: int, missing: float, judges: int = 2, samples: int = 2
) -> dict[str, Outcomes]:
    rng = np.random.default_rng(seed)

    def sample() -> VerdictMatrix:
        ratings = rng.integers(0, 3, (clips, 4)).astype(np.float32)
        ratings[rng.random((clips, 4)) < missing] = np.nan
        orientations = rng.integers(0, 4, (clips, 4)).astype(np.int8)
        return VerdictMatrix(ratings, orientations, np.zeros((clips, 4), bool))

    def panel() -> dict[str, VerdictMatrix]:
        names = [f"judge {judge}" for judge in range(judges)]
        return {
            name: VerdictMatrix.of_samples([sample() for _ in range(samples)]) for name in names
        }

    shape = samples, clips, 4
    return {
        key: Outcomes(
            panel(),
            np.where(rng.random(shape) < missing, np.nan, rng.integers(0, 2, shape)).astype("f4"),
            rng.random(shape) < 0.3,
            panel() if key.startswith("swap") else {},
        )
        for key in ALL
    }


def value_of(answers: VerdictMatrix, refusals: np.ndarray, clip: int, item: int) -> float | None:
    """Return the value of an item, one sample after the other."""
    values = [
        0.0
        if sample.orientations[clip, item] == CODES["N"] and refusals[place, clip, item]
        else float(sample.ratings[clip, item]) / 2
        for place, sample in enumerate(answers.samples)
        if not np.isnan(sample.ratings[clip, item])
    ]
    return sum(values) / len(values) if values else None


def mean_by_hand(
    conditions: Mapping[str, Outcomes], judge: str, names: Sequence[str], of: Callable[..., float]
) -> float | None:
    """Compute the mean over clips of a function of the clip's values under some conditions."""
    by_clip = []
    for clip in range(conditions["original"].clips):
        rows = []
        for item in range(4):
            row = [
                value_of(conditions[name].verdicts[judge], conditions[name].refusals, clip, item)
                for name in names
            ]
            if None not in row:
                rows.append(row)
        if rows:
            by_clip.append(of(*(sum(column) / len(rows) for column in zip(*rows, strict=True))))
    return sum(by_clip) / len(by_clip) if by_clip else None


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), st.sampled_from([0, 0.2, 0.6]), st.booleans())
def test_effects_equal_those_of_plain_loops(
    seed: int, clips: int, missing: float, exact: bool
) -> None:
    conditions = random_outcomes(seed, clips, missing)
    result = compute(conditions, exact=exact, resamples=2)
    figures = result.figures.effects
    full = result.figures.full
    game = (full, "sound", "speech", "none")
    swaps = (full, "swap-sound-1", "swap-sound-2", "swap-sound-3")
    costs = ("text", "original", "text-sound", "text-speech")
    expected: dict[str, tuple[Sequence[str], Callable[..., float]]] = {
        "necessity_speech": ((full, "sound"), lambda f, a: f - a),
        "necessity_sound": ((full, "speech"), lambda f, s: f - s),
        "shapley_sound": (game, lambda f, a, s, n: (a - n + f - s) / 2),
        "shapley_speech": (game, lambda f, a, s, n: (s - n + f - a) / 2),
        "shapley_total": (game, lambda f, a, s, n: f - n),
        "synergy": (game, lambda f, a, s, n: f - a - s + n),
        "jointness": (game[:3], lambda f, a, s: f - max(a, s)),
        "stem_artefact": (("original", "remix"), lambda o, r: o - r),
        "perceptual_sound": (swaps, lambda f, a, b, c: f - (a + b + c) / 3),
        "cost_interaction": (costs, lambda t, o, a, s: (t - o) - (t - a) - (t - s)),
        "cost_reasoning": (("text",), lambda t: 1 - t),
    }
    for name, (names, of) in expected.items():
        judged = [mean_by_hand(conditions, judge, names, of) for judge in result.judges]
        panel = None if None in judged else sum(judged) / len(judged)  # type: ignore[arg-type]
        assert figures[name].v.value == pytest.approx(panel), name
    for outcome in ("v", "keywords"):
        sound, speech, total = (
            getattr(figures[f"shapley_{name}"], outcome).value
            for name in ("sound", "speech", "total")
        )
        if total is not None:
            assert sound + speech == pytest.approx(total, abs=1e-12)


@given(st.lists(st.floats(0, 1), min_size=4, max_size=4))
def test_shapley_values_of_any_game(values: list[float]) -> None:
    """They are the mean marginal contributions over both orders of the players."""
    game = dict(zip(("original", "sound", "speech", "none"), values, strict=True))
    items = {key: np.array([[value]]) for key, value in game.items()}
    found = {name: one.by_clip(items).item() for name, one in contrasts(game, "original").items()}
    full, sound, speech, none = values
    first, second = sound - none, full - speech
    assert found["shapley_sound"] == pytest.approx((first + second) / 2)
    assert found["shapley_sound"] + found["shapley_speech"] == pytest.approx(full - none)
    assert found["synergy"] == pytest.approx(second - first)


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=11, max_size=11))
def test_effects_are_within_their_bounds(values: list[float]) -> None:
    keys = ("original", "remix", "sound", "speech", "none", "silence", "swap-sound-1")
    keys = (*keys, "swap-speech-1", "text-sound", "text-speech", "text")
    items = {key: np.array([[value]]) for key, value in zip(keys, values, strict=True)}
    for one in contrasts(keys, "remix").values():
        low, high = one.bounds
        assert low - 1e-9 <= one.by_clip(items).item() <= high + 1e-9


def test_bounds_can_be_reached() -> None:
    for name, one in contrasts(ALL, "original").items():
        found = [
            one.by_clip({key: np.array([[v]]) for key, v in zip(one.conditions, row, strict=True)})
            for row in product([0.0, 1.0], repeat=len(one.conditions))
        ]
        assert (min(found), max(found)) == pytest.approx(one.bounds), name


# --- shares, intervals ---


def models(
    rng: Random, clips: int, rates: Mapping[str, float | Labels], spread: float = 0.3
) -> dict[str, Outcomes]:
    """Draw answers that are correct with a probability by clip and condition.

    Clips differ in difficulty: the probability is raised or lowered at random by up to ``spread``,
    for all conditions alike, as far as it remains between 0 and 1.
    """
    shift = rng.uniform(-spread, spread, (clips, 1))
    drawn = {}
    for key, rate in rates.items():
        base = np.broadcast_to(np.asarray(rate, float).reshape(-1, 1), (clips, 1))
        correct = rng.random((clips, 8)) < np.clip(base + shift * (base > 0) * (base < 1), 0, 1)
        drawn[key] = from_labels(
            np.where(correct, 2, 0),
            np.where(correct, CODES["B"], rng.choice([CODES["A"], CODES["S"]], (clips, 8))),
            correct,
        )
    return drawn


def from_labels(ratings: Labels, orientations: Labels, keywords: Labels) -> Outcomes:
    return Outcomes(
        {
            "judge": VerdictMatrix(
                ratings.astype(np.float32),
                orientations.astype(np.int8),
                np.zeros(ratings.shape, bool),
            )
        },
        keywords[None].astype(np.float32),
        np.zeros((1, *ratings.shape), bool),
    )


def test_shares_sum_to_1_and_have_intervals() -> None:
    rates = {"original": 0.8, "sound": 0.3, "speech": 0.5, "none": 0.1}
    result = compute(models(np.random.default_rng(1), 60, rates), resamples=2000)
    figures = result.figures
    sound, speech = figures.share_sound.v, figures.share_speech.v
    assert float(sound) + float(speech) == pytest.approx(1)
    total = figures.effects["shapley_total"].v
    assert float(sound) == pytest.approx(float(figures.effects["shapley_sound"].v) / float(total))
    assert sound.interval is not None
    assert speech.interval is not None
    assert sound.interval[0] < float(sound) < sound.interval[1]
    assert sound.interval[0] + speech.interval[1] == pytest.approx(1, abs=1e-6)
    assert figures.share_sound.keywords == sound  # here, both outcomes are equal


def test_shares_of_a_sum_that_may_be_0_are_undefined() -> None:
    rates = {"original": 0.3, "sound": 0.5, "speech": 0.1, "none": 0.3}
    conditions = models(np.random.default_rng(2), 20, rates)
    with_keywords = {
        key: replace(one, keywords=np.full_like(one.keywords, key != "none"))
        for key, one in conditions.items()
    }
    figures = compute(with_keywords).figures
    assert figures.share_sound.v.value is None
    assert figures.share_speech.v.value is None
    assert float(figures.share_sound.keywords) == 0.5
    without_none = {key: conditions[key] for key in ("original", "sound", "speech")}
    assert compute(without_none).figures.share_sound == Effect()


def test_the_share_of_a_panel_is_that_of_its_mean_values() -> None:
    """Not the mean of the judges' shares, which may be undefined."""
    rng = np.random.default_rng(5)
    first = models(rng, 40, {"original": 0.9, "sound": 0.2, "speech": 0.6, "none": 0.1})
    second = models(rng, 40, {"original": 0.4, "sound": 0.3, "speech": 0.1, "none": 0.1})
    both = {
        key: replace(one, verdicts={"a": one.verdicts["judge"], "b": second[key].verdicts["judge"]})
        for key, one in first.items()
    }
    figures = compute(both).figures
    sound, total = (float(figures.effects[f"shapley_{name}"].v) for name in ("sound", "total"))
    assert float(figures.share_sound.v) == pytest.approx(sound / total)


def test_few_or_equal_clips_have_bounded_intervals() -> None:
    rates = {"original": 1.0, "sound": 0.0, "speech": 0.0, "none": 0.0}
    rng = np.random.default_rng(3)
    effect = compute(models(rng, 30, rates, 0)).figures.effects["synergy"].v
    assert effect.value == 1
    assert effect.low is not None
    assert effect.high is not None
    assert effect.low < 0.99 < 1 < effect.high <= 2
    assert compute(models(rng, 4, rates, 0)).figures.effects["synergy"].v == Estimate(1)


def test_intervals_of_the_panel_are_those_of_the_project() -> None:
    """The value under one condition is the mean of a score, whose interval is known."""
    rng = np.random.default_rng(4)
    conditions = models(rng, 50, {"original": 0.6, "sound": 0.2})
    score = score_matrix(conditions["original"].verdicts).panel.mean
    v = reliance(conditions, exact=True).figures.conditions["original"].v
    assert v.value == pytest.approx(float(score) / 2)
    assert v.interval == pytest.approx([end / 2 for end in score.interval or ()])


def test_clips_are_summed_in_blocks_if_there_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    conditions = random_outcomes(7, 60, 0.1)
    whole = compute(conditions)
    monkeypatch.setattr(bootstrap, "BLOCKS", 20)
    blocks = compute(conditions)
    for name, effect in whole.figures.effects.items():
        assert float(blocks.figures.effects[name].v) == pytest.approx(float(effect.v))
    for key, figures in whole.figures.conditions.items():
        others = blocks.figures.conditions[key]
        assert float(others.excess_change_rate) == pytest.approx(
            float(figures.excess_change_rate), nan_ok=True
        )
    for cue, swap in whole.figures.swaps.items():
        assert float(blocks.figures.swaps[cue].donor) == pytest.approx(float(swap.donor))
    assert blocks.attribution["judge 0"].sound_answers == whole.attribution["judge 0"].sound_answers


# --- changes ---


def test_change_rates() -> None:
    original = ["2B 2B 0A 0S", "2B 0N -- 0A"]
    silence = ["1B 0B 0A 0A", "0S -- 2B 0A"]
    result = compute({"original": outcomes(original), "silence": outcomes(silence)}, exact=False)
    figures = result.figures.conditions
    assert float(figures["silence"].change_rate) == pytest.approx((2 / 4 + 1 / 2) / 2)
    assert figures["silence"].excess_change_rate.value is None
    assert figures["original"].change_rate.value is None


def test_the_excess_is_over_the_same_input_asked_again() -> None:
    original = outcomes(["2B 2B 0A 0S", "2B 2B 2B 2B"])
    remix = outcomes(["2B 0A 0A 0S", "2B 2B -- 2B"])
    silence = outcomes(["0A 0A 0A 0A", "2B 0A 0A 0A"])
    conditions = {"original": original, "remix": remix, "silence": silence}
    figures = compute(conditions).figures.conditions
    assert float(figures["remix"].change_rate) == pytest.approx((1 / 4 + 0) / 2)
    assert figures["remix"].excess_change_rate.value is None
    assert float(figures["silence"].excess_change_rate) == pytest.approx(
        (3 / 4 - 1 / 4 + 2 / 3) / 2
    )
    estimated = compute(conditions, exact=False).figures.conditions
    assert estimated["silence"].excess_change_rate.value is None


def test_samples_are_compared_with_the_same_sample_and_with_the_next() -> None:
    original = outcomes(["2B 2B 0A"], ["2B 0S --"], ["0A 0S 0S"])
    sound = outcomes(["2B 0A 0A"], ["2B 0S 0A"], ["0S 0S 0S"])
    figures = compute({"original": original, "sound": sound}).figures.conditions["sound"]
    changed = [1 / 3, 1 / 3, 0 / 2]
    again = [1 / 2, 1 / 2]
    assert float(figures.change_rate) == pytest.approx(sum(changed) / 3)
    expected = (changed[0] - again[0] + changed[1] - again[1]) / 2
    assert float(figures.excess_change_rate) == pytest.approx(expected)
    fewer = compute({"original": original, "sound": outcomes(["2B 0A 0A"])})
    assert float(fewer.figures.conditions["sound"].change_rate) == pytest.approx(1 / 3)


# --- swaps ---


def test_swapped_answers_name_the_donor_or_the_clip() -> None:
    own = ["0A 0S 2B 0S 0N -- 0A 2B"]
    donor = ["0S 0A 2B 0S 0N 2B -- 0A"]
    conditions = {
        "original": outcomes(["2B " * 8]),
        "swap-sound-1": outcomes(own, donors=donor),
        "swap-sound-2": outcomes(["0S " * 8], donors=["2B " * 8]),
        "swap-speech-1": outcomes(own, donors=donor),
    }
    swaps = compute(conditions).figures.swaps
    assert list(swaps) == ["sound", "speech"]
    assert float(swaps["sound"].donor) == pytest.approx((1 + 8) / 14)
    assert float(swaps["sound"].own) == pytest.approx(1 / 14)
    assert float(swaps["sound"].undecided) == pytest.approx(2 / 14)
    assert float(swaps["sound"].neither) == pytest.approx(2 / 14)
    # Own names the speech: places 2, 3, 4, 8; the donor: 1, 3, 4.
    assert [
        round(6 * float(getattr(swaps["speech"], name)))
        for name in ("donor", "own", "undecided", "neither")
    ] == [1, 2, 2, 1]
    assert sum(float(getattr(swaps["speech"], name)) for name in ("donor", "own")) == 3 / 6


def test_swaps_without_a_second_verdict_are_undefined() -> None:
    conditions = {"original": outcomes(["2B"]), "swap-sound-1": outcomes(["0S"])}
    result = compute(conditions)
    assert result.figures.swaps["sound"].donor.value is None
    assert "speech" not in result.figures.swaps
    assert effects(result) == {"perceptual_sound": 1}


# --- attribution ---


def test_attribution_counts_answers_without_the_cue() -> None:
    conditions = {
        "original": {"judge": matrix(["2B 2B 2B 2B", "2B 2B 2B 2B"])},
        "sound": {"judge": matrix(["0A 0A 0S 1B", "0N ?? -- 0A"])},
        "speech": {"judge": matrix(["0S 0S 0S 0S", "0N 0N 1B 0A"])},
        "none": {"judge": matrix(["0S 0N 0N 0N", "-- -- -- --"])},
        "silence": {"judge": matrix(["0A 0N 0N 0N", "1B 0N 0N 0N"])},
        "swap-sound-1": {"judge": matrix(["2B 2B 2B 2B", "2B 2B 2B 2B"])},
        "text": {"judge": matrix(["2B 2B 2B 2B", "2B 2B 2B 2B"])},
    }
    found = attribution(conditions, resamples=50)["judge"]
    assert float(found.speech) == pytest.approx((2 + 1 + 1) / (5 + 1 + 2))
    assert float(found.sound) == pytest.approx((2 + 0 + 2) / (6 + 1 + 2))
    assert (found.sound_answers, found.speech_answers) == (9, 8)
    assert (found.sound_judged, found.speech_judged) == (20, 18)
    gates = {"sound": np.array([False, True]), "speech": np.array([True, False])}
    gated = attribution(conditions, gates, 50)["judge"]
    assert float(gated.speech) == pytest.approx((0 + 1 + 1) / (1 + 1 + 2))
    assert float(gated.sound) == pytest.approx((0 + 0 + 2) / (4 + 1 + 2))
    assert (gated.sound_answers, gated.speech_answers) == (7, 4)
    assert (gated.sound_judged, gated.speech_judged) == (16, 14)


def test_attribution_that_was_not_measured_is_undefined() -> None:
    assert attribution({}) == {}
    found = attribution({"original": {"a": matrix(["2B"]), "b": matrix(["0S"])}}, resamples=5)
    assert list(found) == ["a", "b"]
    assert found["a"].sound.value is None
    assert found["a"].speech_answers == 0


def test_attribution_of_each_judge_and_all_samples() -> None:
    sound = {
        "a": VerdictMatrix.of_samples([matrix(["0S 0A"]), matrix(["1B 0N"])]),
        "b": matrix(["0A 0A"]),
    }
    found = attribution({"sound": sound}, resamples=5)
    assert float(found["a"].speech) == pytest.approx(2 / 3)
    assert found["a"].speech_answers == 3
    assert found["b"].speech.value == 0
    assert found["b"].sound.value is None


# --- clips, gates ---

SUFFICES = [
    # full, none, sound, speech
    ((1, 1, 1, 1), "prompt"),
    ((1, 1, 0, 0), "prompt"),
    ((1, 0, 1, 1), "either"),
    ((1, 0, 1, 0), "sound"),
    ((0.5, 0.375, 0.375, 0.5), "speech"),
    ((0.5, 0.375, 0.375, 0.375), "jointly"),
    ((0, 0, 1, 0), "harmed"),
    ((0, 0, 0, 1), "harmed"),
    ((0.375, 1, 0, 0), "harmed"),
    ((0.375, 0, 0, 0), "unsolved"),
    ((1, None, 0, 0), "jointly"),
    ((None, 0, 0, 0), None),
    ((1, 1, None, 0), None),
    ((1, 1, 0, None), None),
]


@pytest.mark.parametrize("exact", [True, False])
def test_classes_of_clips(exact: bool) -> None:
    conditions = {
        key: outcomes(
            [
                "-- " * 8 if values[place] is None else of_value(values[place])[0]
                for values, _ in SUFFICES
            ]
        )
        for place, key in enumerate(("original" if exact else "remix", "none", "sound", "speech"))
    }
    conditions.setdefault("original", outcomes(["0N " * 8] * len(SUFFICES)))
    result = compute(conditions, exact=exact)
    assert result.clip_classes == tuple(name for _, name in SUFFICES)
    assert set(result.clip_classes) - {None} == set(CLIP_CLASSES)
    values = result.clip_values["sound"]
    assert np.isnan(values[12])
    assert values[4] == 0.375


def test_clips_are_unknown_without_the_single_cues_and_need_no_answer_without_audio() -> None:
    full, low = outcomes(of_value(1)), outcomes(of_value(0))
    assert compute({"original": full, "sound": low}).clip_classes == (None,)
    both = {"original": full, "sound": low, "speech": low}
    assert compute(both).clip_classes == ("jointly",)


def test_a_clip_is_solved_by_the_mean_of_the_judges() -> None:
    """Also if the mean of thirds is not exactly one half."""
    panel = {"a": [["2B 2B 2B"]], "b": [["1B 0B 0B"]], "c": [["1B 1B 0B"]]}
    conditions = {"original": outcomes(judges=panel)}
    rest = outcomes(judges={name: [["0N 0N 0N"]] for name in panel})
    result = compute(conditions | {"sound": rest, "speech": rest})
    assert result.clip_classes == ("jointly",)


def test_figures_of_the_clips_whose_stems_pass() -> None:
    conditions = random_outcomes(8, 12, 0.1)
    gates = {"sound": np.arange(12) < 9, "speech": np.arange(12) > 2}
    result = compute(conditions, exact=False, gates=gates)
    passed = result.passed
    assert passed is not None
    kept = np.arange(3, 9)
    alone = compute({key: one.of_clips(kept) for key, one in conditions.items()}, exact=False)
    assert passed == alone.figures
    assert (passed.clips, result.figures.clips) == (6, 12)
    assert result.attribution == attribution(
        {key: one.verdicts for key, one in conditions.items()}, gates, 200
    )
    assert compute(conditions, exact=True, gates=gates).passed is None
    assert compute(conditions, exact=False).passed is None


def test_no_clip_passes() -> None:
    conditions = random_outcomes(9, 6, 0)
    gates = {"sound": np.zeros(6, bool), "speech": np.ones(6, bool)}
    passed = compute(conditions, exact=False, gates=gates).passed
    assert passed is not None
    assert passed.clips == 0
    assert all(effect.v.value is None for effect in passed.effects.values())
    assert {figures.coverage for figures in passed.conditions.values()} == {0}


def test_a_condition_that_was_run_in_part() -> None:
    conditions = {
        "original": outcomes(["2B 2B", "0A 0A"]),
        "sound": outcomes(["0A 0A", "-- --"]),
        "speech": outcomes(["-- --", "-- --"]),
    }
    result = compute(conditions)
    figures = result.figures.conditions
    assert (figures["sound"].clips, figures["sound"].coverage) == (1, 0.5)
    assert effects(result)["necessity_speech"] == 1
    assert result.figures.effects["necessity_sound"].v.value is None
    assert figures["speech"].v.value is None


# --- models by construction ---


def answering(rng: Random, needs: str) -> dict[str, Outcomes]:
    """Draw the answers of a model that is right if it has the cues that it needs."""
    given = {
        "original": {"sound", "speech"},
        "remix": {"sound", "speech"},
        "sound": {"sound"},
        "speech": {"speech"},
        "none": set(),
        "silence": set(),
    }
    shape = 40, 8
    draws = rng.random(shape)  # the same input has the same answer
    conditions = {}
    for key, cues in given.items():
        refused = np.zeros(shape, bool)
        if needs == "additive":
            rate = 0.25 * len(cues) + 0.1
        elif needs == "random":
            rate = 0.2
        elif needs == "either":
            rate = 0.8 if cues else 0.0
        elif needs == "refuses without speech":
            rate = 0.7 if "speech" in cues else 0.0
            refused = np.full(shape, "speech" not in cues)
        else:
            required = {"prompt": set(), "joint": {"sound", "speech"}}.get(needs, {needs})
            rate = 0.8 if required <= cues else 0.0
        right = (rng.random(shape) if needs == "random" else draws) < rate
        one = from_labels(
            np.where(right, 2, 0),
            np.where(refused, CODES["N"], np.where(right, CODES["B"], CODES["S"])),
            right,
        )
        conditions[key] = replace(one, refusals=refused[None])
    return conditions


@pytest.mark.parametrize(
    ("needs", "necessary", "suffices"),
    [
        ("speech", {"speech"}, "speech"),
        ("sound", {"sound"}, "sound"),
        ("joint", {"sound", "speech"}, "jointly"),
        ("either", set(), "either"),
        ("prompt", set(), "prompt"),
        ("refuses without speech", {"speech"}, "speech"),
        ("random", set(), "unsolved"),
        ("additive", {"sound", "speech"}, "jointly"),
    ],
)
def test_models_by_construction(needs: str, necessary: set[str], suffices: str) -> None:
    conditions = answering(np.random.default_rng(12), needs)
    result = compute(conditions, resamples=2000)
    found = result.figures.effects
    for cue in ("sound", "speech"):
        assert found[f"necessity_{cue}"].robust is (cue in necessary), cue
    named = [name for name in result.clip_classes if name]
    assert max(set(named), key=named.count) == suffices
    effects_of_v = effects(result)
    v = float(result.figures.conditions["original"].v)
    synergies = {"joint": v, "either": -v, "speech": 0, "sound": 0, "prompt": 0}
    if needs in synergies:
        assert effects_of_v["synergy"] == pytest.approx(synergies[needs])
    if needs == "additive":
        synergy = found["synergy"].v.interval
        assert synergy is not None
        assert synergy[0] < 0 < synergy[1]
    shares = {"joint": 0.5, "either": 0.5, "speech": 1, "refuses without speech": 1, "sound": 0}
    if needs in shares:
        assert float(result.figures.share_speech.v) == pytest.approx(shares[needs])
    if needs in ("prompt", "random"):
        assert result.figures.share_speech.v.value is None
    if needs in ("joint", "either"):
        assert effects_of_v["jointness"] == (v if needs == "joint" else 0)
    refused = float(result.figures.conditions["sound"].classes["refusal"])
    assert refused == (needs == "refuses without speech")


# --- coverage ---

RATES: dict[str, dict[str, float]] = {
    "additive": {"original": 0.65, "sound": 0.3, "speech": 0.45, "none": 0.1},
    "joint": {"original": 0.6, "sound": 0.1, "speech": 0.15, "none": 0.05},
    "weak": {"original": 0.2, "sound": 0.05, "speech": 0.12, "none": 0.02},
}
SPEECH = 0.3  # share of wrong answers with the label Speech-Oriented
SAMPLES, BATCH = 360, 60


def right_answers(rng: Random, rate: float, clips: int) -> Labels:
    """Draw which answers are right; the rate differs between clips."""
    return rng.random((clips, 8)) < rng.beta(4 * rate, 4 * (1 - rate), (clips, 1))


def benchmarks(rng: Random, rates: Mapping[str, float], clips: int) -> dict[str, Outcomes]:
    """Draw independent benchmarks, each as the verdicts of one judge."""
    drawn = {}
    for key, rate in rates.items():
        samples = []
        for _ in range(BATCH):
            right = right_answers(rng, rate, clips)
            speech = rng.random((clips, 8)) < rng.beta(4 * SPEECH, 4 * (1 - SPEECH), (clips, 1))
            wrong = np.where(speech, CODES["S"], CODES["A"])
            samples.append(from_labels(2 * right, np.where(right, CODES["B"], wrong), right))
        verdicts = {str(place): one.verdicts["judge"] for place, one in enumerate(samples)}
        drawn[key] = replace(samples[0], verdicts=verdicts)
    return drawn


def true_values(rates: Mapping[str, float]) -> dict[str, float]:
    """Compute the expected figures; that of jointness by drawing many clips."""
    full, sound, speech, none = rates.values()
    rng = np.random.default_rng(0)
    best = np.maximum(*(right_answers(rng, rate, 300_000).mean(axis=1) for rate in (sound, speech)))
    total, speech_value = full - none, (speech - none + full - sound) / 2
    without_speech = (sound + none) / 2
    return {
        "necessity_sound": full - speech,
        "shapley_speech": speech_value,
        "synergy": full - sound - speech + none,
        "jointness": full - best.mean(),
        "share_speech": speech_value / total,
        "attribution": without_speech + SPEECH * (1 - without_speech),
    }


@pytest.mark.slow
@pytest.mark.parametrize(("model", "clips"), [*product(RATES, [80]), ("additive", 20)])
def test_intervals_cover_the_true_value(model: str, clips: int) -> None:
    """In benchmarks whose clips are drawn at random; ``-rP`` prints the coverage."""
    rates, rng = RATES[model], np.random.default_rng(20)
    true = true_values(rates)
    covered: dict[str, list[bool]] = {name: [] for name in true}
    for _ in range(SAMPLES // BATCH):
        result = reliance(benchmarks(rng, rates, clips), exact=True, resamples=500)
        for judge, figures in result.judges.items():
            found = {name: effect.v for name, effect in figures.effects.items()}
            found["share_speech"] = figures.share_speech.v
            found["attribution"] = result.attribution[judge].speech
            for name, value in true.items():
                if interval := found[name].interval:
                    covered[name].append(interval[0] <= value <= interval[1])
    shares = {name: sum(inside) / len(inside) for name, inside in covered.items()}
    sys.stdout.write(f"{model}, {clips} clips: {shares}\n")
    error = 2 * (0.92 * 0.08 / SAMPLES) ** 0.5
    for name, share in shares.items():
        assert 0.92 - error <= share <= 0.995, name
