"""The result as one JSON object, in the documented schema."""

import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from itertools import combinations
from typing import Any

import numpy as np

from jasco.data.dataset import ALTERED
from jasco.errors import InputError
from jasco.metrics.agreement import Agreement
from jasco.metrics.bootstrap import PERCENTILE_CLIPS, RESAMPLES, SEED
from jasco.metrics.scoring import Score
from jasco.protocol.failure_reasons import Reason
from jasco.protocol.instructions import INSTRUCTIONS
from jasco.protocol.protocols import PROTOCOLS
from jasco.protocol.verdicts import Orientation
from jasco.reports.layout import interval
from jasco.reports.published_results import published_results
from jasco.reports.spending import summarise_spending
from jasco.runs.results import Answers, Data, JudgeFacts, Results
from jasco.version import __version__

SCHEMA = 1
_DEFAULT = next(iter(PROTOCOLS))
_DIGITS = 12  # of a hash, where people read it


def summarise(results: Sequence[Results], *, published: bool = False) -> dict[str, Any]:
    """Lay out the results of one or several models on the same data, maybe beside the published.

    Raises
    ------
    InputError
        The results are about different data or protocols.
    """
    named = dict(zip(distinct_names(results), results, strict=True))
    for (name, one), (other_name, other) in combinations(named.items(), 2):
        if difference := unlike(one, other):
            raise InputError(
                f"{name} and {other_name} differ in {difference}: figures side by side are of the "
                "same data and protocol; give them one by one"
            )
    protocol = shared_protocol(results)
    beside = {"published": published_results(protocol or _DEFAULT)} if published else {}
    return {
        "schema": SCHEMA,
        "signature": signature(results),
        "protocol": protocol,
        "data": summarise_data(shared_data(results)),
        "models": summarise_models(named),
        "versions": _versions(),
        **beside,
    }


def distinct_names(results: Sequence[Results]) -> list[str]:
    """Name models; by number as well, where two runs are of the same one."""
    names = [each.model for each in results]
    numbered = [f"{name} ({place})" for place, name in enumerate(names, start=1)]
    chosen = [
        other if names.count(name) > 1 else name
        for name, other in zip(names, numbered, strict=True)
    ]
    # One that is called "m (1)" by itself may stand beside two that are called "m".
    return chosen if len(set(chosen)) == len(chosen) else numbered


def unlike(one: Results, other: Results) -> str | None:
    """Say in what the data or the protocols of two models differ; None where they do not."""
    for what, ours, theirs in (
        ("data", *(each.data.annotations_sha256 or each.data.name for each in (one, other))),
        ("audio", one.data.audio_sha256, other.data.audio_sha256),
        ("protocol", one.protocol, other.protocol),
    ):
        # Of answers in a file nobody knows the audio; what nobody has judged has no protocol yet.
        if ours and theirs and ours != theirs:
            return f"{what} ({ours[:_DIGITS]} and {theirs[:_DIGITS]})"
    return None


def shared_protocol(results: Sequence[Results]) -> str:
    """Name the protocol by which those are judged that are; empty where none is."""
    return next((each.protocol for each in results if each.protocol), "")


def shared_data(results: Sequence[Results]) -> Data:
    """Say what the figures of several models are about.

    The items are those of a model that is asked most (people are asked one a clip); the audio is
    told only where it is the same for all.
    """
    most = max((each.data for each in results), key=lambda data: data.items)
    if any(each.data.name == ALTERED for each in results):  # known of one, where others are files
        most = replace(most, name=ALTERED)
    same = len({each.data.audio_sha256 for each in results}) == 1
    return most if same else replace(most, audio_sha256=None)


def summarise_models(results: Mapping[str, Results]) -> dict[str, Any]:
    """Lay out the results of models, by the name that each is to have."""
    return {name: _model(each) for name, each in results.items()}


def signature(results: Sequence[Results]) -> str:
    """Say in one line how the figures were made."""
    data = shared_data(results)
    hashes = [
        f"{name}:{value[:_DIGITS]}"
        for name, value in (("text", data.annotations_sha256), ("audio", data.audio_sha256))
        if value
    ]
    models = dict.fromkeys(made_by(each.model, each.identity, each.served) for each in results)
    judges = dict.fromkeys(
        made_by(f"{label}(proxy)" if facts.proxy else label, facts.identity, facts.served)
        for each in results
        for judge, facts in each.judges.items()
        for label in [identified(judge, facts.identity)]
    )
    published = all(each.rows is not None for each in results)
    return signed(
        shared_protocol(results),
        f"data:{data.name}[{data.clips}x{data.items // max(data.clips, 1)}]",
        *hashes,
        f"models:{'+'.join(models)}",
        f"judges:{'+'.join(judges) or 'none'}",
        intervals=not published,
    )


def signed(protocol: str, *parts: str, intervals: bool = True) -> str:
    """Put a signature together: what made the figures, then how their intervals were made."""
    version = f"jasco:{__version__}"
    bootstrap = f"bootstrap:{RESAMPLES},seed={SEED},percentile_from={PERCENTILE_CLIPS}"
    made = bootstrap if intervals else "intervals:none"
    return "|".join([version, f"protocol:{protocol or 'none'}", *parts, made])


def identified(label: str, identity: Mapping[str, Any]) -> str:
    """Name a model or judge as its identity does, where that is known: a file's name tells less."""
    if not identity or "," in label:
        return label
    return "/".join(filter(None, [identity.get("provider"), identity.get("name")])) or label


def made_by(label: str, identity: Mapping[str, Any], served: Sequence[str] = ()) -> str:
    """Name a model or judge with all that may change its words."""
    told = [
        f"{key}={value}"
        for key, value in sorted(identity.items())
        if key not in ("provider", "name") and value is not None
    ]
    # What separates the parts of a signature is no part of a server's name in it.
    told += [f"served={re.sub('[|{},]', '_', name)}" for name in served]
    return f"{label.split(',')[0] if told else label}{{{','.join(told)}}}" if told else label


def _versions() -> dict[str, str]:
    return {
        "jasco": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


def summarise_data(data: Data) -> dict[str, Any]:
    """Say which clips the figures are about."""
    return {
        "name": data.name,
        "annotations_sha256": data.annotations_sha256,
        "audio_sha256": data.audio_sha256,
        "clips": data.clips,
        "items": data.items,
    }


def _model(results: Results) -> dict[str, Any]:
    figures = results.figures
    none = replace(_NO_FIGURES, bounds=None) if results.single_prompt else _NO_FIGURES
    return {
        **_figures(figures.panel if figures else none),
        "complete": results.complete,
        "items_a_clip": 1 if results.single_prompt else len(INSTRUCTIONS),
        "proxy": any(judge.proxy for judge in results.judges.values()),
        "mixed": results.mixed,
        "served": list(results.served),
        "adaptations": dict(results.adaptations),
        "judges_without_verdict": {
            name: dict(failed) for name, failed in results.without_verdict.items()
        },
        "judges_without_verdict_reasons": {
            name: _reasons(reasons) for name, reasons in results.reasons_without_verdict.items()
        },
        "judges": {
            name: _judge(results.judges[name], score)
            for name, score in (figures.judges.items() if figures else ())
        },
        "agreement": _agreement(figures.agreement) if figures and figures.agreement else None,
        "known_issues": _faults(results),
        "answers": _answers(results.answers),
        "spent": summarise_spending(results.spent) if results.spent else None,
    }


def _judge(facts: JudgeFacts, score: Score) -> dict[str, Any]:
    return {
        **_figures(score),
        "proxy": facts.proxy,
        "verdicts": facts.verdicts,
        "failed": dict(facts.failed),
        "failed_final": facts.final,
        "reasons": _reasons(facts.reasons),
        "check": dict(facts.check) if facts.check else None,
        "unreadable_cut_off": facts.cut_off,
        "served": list(facts.served),
        "adaptations": dict(facts.adaptations),
        "exam": facts.exam,
        "examined_as": list(facts.examined_as),
        "agreement_with_itself": _agreement(facts.self_agreement) if facts.self_agreement else None,
    }


_NO_FIGURES = Score(None, 0.0, 0.0, complete=False, bounds=(0.0, 2.0), mean_bounds=(0.0, 2.0))


def _figures(score: Score) -> dict[str, Any]:
    shares = {"audio": score.audio, "both": score.both, "speech": score.speech}
    means = [each.value for each in score.by_instruction]
    known = [mean for mean in means if mean is not None]
    return {
        "best_mean": score.best_mean.value,
        "best_mean_ci": interval(score.best_mean),
        "mean": score.mean.value,
        "mean_ci": interval(score.mean),
        "best_at_k": [each.value for each in score.best_at] or None,
        "best_at_k_ci": [interval(each) for each in score.best_at] or None,
        "modality_dependence": {name: share.value for name, share in shares.items()},
        "modality_dependence_ci": {name: interval(share) for name, share in shares.items()},
        "neither_rate": score.neither_rate,
        "unreadable_rate": score.unreadable_rate,
        "coverage": score.coverage,
        "complete": score.complete,
        "best_mean_bounds": list(score.bounds) if score.bounds else None,
        "mean_bounds": list(score.mean_bounds) if score.mean_bounds else None,
        "instructions": {
            "means": means,
            "means_ci": [interval(each) for each in score.by_instruction],
            "spread": max(known) - min(known) if known else None,
            "sound_first_minus_speech_first": score.sound_first.value,
            "sound_first_minus_speech_first_ci": interval(score.sound_first),
        },
    }


def _agreement(agreement: Agreement) -> dict[str, Any]:
    return {
        "rating_alpha": agreement.rating_alpha.value,
        "rating_alpha_ci": interval(agreement.rating_alpha),
        "orientation_alpha": agreement.orientation_alpha.value,
        "orientation_alpha_ci": interval(agreement.orientation_alpha),
        "pairs": [
            {
                "judges": list(pair.judges),
                "rating_kappa": pair.rating_kappa.value,
                "rating_kappa_ci": interval(pair.rating_kappa),
                "ratings": pair.ratings.tolist(),
                "orientations": pair.orientations.tolist(),
                "orientation_names": list(Orientation),
            }
            for pair in agreement.pairs
        ],
    }


def _faults(results: Results) -> dict[str, Any] | None:
    without = results.without_known_issues
    if not results.known_issues:
        return None
    return {
        "clips": {fault.clip: fault.text for fault in results.known_issues},
        "best_mean_without": without.best_mean.value if without else None,
        "best_mean_without_ci": interval(without.best_mean) if without else None,
        "mean_without": without.mean.value if without else None,
        "mean_without_ci": interval(without.mean) if without else None,
    }


def _answers(answers: Answers) -> dict[str, Any]:
    failed: Mapping[str, int] = answers.failed
    return {
        "expected": answers.expected,
        "answered": answers.answered,
        "truncated": answers.truncated,
        "failed": dict(failed),
        "reasons": _reasons(answers.reasons),
        "treated_clips": answers.converted_clips,
        "clipped_clips": None if answers.clipped is None else len(answers.clipped),
        "most_clipped": _most_clipped(answers.clipped or {}),
        "audio_warnings": {name: list(ids) for name, ids in answers.audio_warnings.items()},
        "max_audio_seconds": answers.max_audio_seconds,
        "cut_clips": answers.cut_clips,
        "runtime": [dict(each) for each in answers.runtime],
        "preflight": _preflight(answers.preflight),
    }


def _reasons(reasons: Sequence[Reason]) -> list[dict[str, Any]]:
    return [asdict(each) for each in reasons]


def _most_clipped(clipped: Mapping[str, int]) -> dict[str, Any] | None:
    if not clipped:
        return None
    clip = max(clipped, key=lambda id_: clipped[id_])
    return {"clip": clip, "samples": clipped[clip]}


def _preflight(fact: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Leave out what the probes were answered: that is for who looks into the run."""
    return {name: value for name, value in fact.items() if name != "answers"} if fact else None
