"""The result as one JSON object, in the documented schema."""

from collections.abc import Mapping, Sequence
from typing import Any

import jasco
from jasco.benchmark.errors import InputError
from jasco.benchmark.protocols import PROTOCOLS
from jasco.benchmark.scoring import Score, score_panel
from jasco.evaluation.results import Answers, Data, Judged, Results
from jasco.reports.published import published_results

SCHEMA = 1
_DEFAULT = next(iter(PROTOCOLS))


def summarise(results: Sequence[Results], *, published: bool = False) -> dict[str, Any]:
    """Lay out the results of one or several models on the same data, maybe beside the published.

    Raises
    ------
    InputError
        The results are about different data or protocols, or two are of the same model.
    """
    first = results[0]
    for other in results[1:]:
        if (other.data, other.protocol) != (first.data, first.protocol):
            raise InputError(
                f"{first.model} and {other.model} are judged on different data or by different "
                "protocols; score them one by one"
            )
    models = {each.model: _model(each) for each in results}
    if len(models) < len(results):
        raise InputError(f"several runs of {first.model}; score them one by one")
    beside = {"published": published_results(first.protocol or _DEFAULT)} if published else {}
    return {
        "schema": SCHEMA,
        "signature": signature(results),
        "protocol": first.protocol,
        "data": _data(first.data),
        "models": models,
        **beside,
    }


def signature(results: Sequence[Results]) -> str:
    """Say in one line how the figures were made."""
    first = results[0]
    data = first.data
    hashes = [
        f"{name}:{value[:12]}"
        for name, value in (("text", data.annotations_sha256), ("audio", data.audio_sha256))
        if value
    ]
    judges = dict.fromkeys(
        f"{judge}(proxy)" if judged.proxy else judge
        for each in results
        for judge, judged in each.judges.items()
    )
    return "|".join(
        [
            f"jasco:{jasco.__version__}",
            f"protocol:{first.protocol or 'none'}",
            f"data:{data.name}[{data.clips}x{data.items // max(data.clips, 1)}]",
            *hashes,
            f"models:{'+'.join(each.model for each in results)}",
            f"judges:{'+'.join(judges) or 'none'}",
        ]
    )


def _data(data: Data) -> dict[str, Any]:
    return {
        "name": data.name,
        "annotations_sha256": data.annotations_sha256,
        "audio_sha256": data.audio_sha256,
        "clips": data.clips,
        "items": data.items,
    }


def _model(results: Results) -> dict[str, Any]:
    scores = {name: judged.score for name, judged in results.judges.items()}
    panel = _figures(score_panel(list(scores.values()))) if scores else _no_figures()
    return {
        **panel,
        "complete": results.complete and bool(scores),
        "proxy": any(judged.proxy for judged in results.judges.values()),
        "judges": {name: _judged(judged) for name, judged in results.judges.items()},
        "agreement": None,
        "answers": _answers(results.answers),
    }


def _judged(judged: Judged) -> dict[str, Any]:
    return {**_figures(judged.score), "proxy": judged.proxy, "failed": dict(judged.failed)}


def _figures(score: Score) -> dict[str, Any]:
    return {
        "best_mean": score.best_mean,
        "best_mean_ci": None,
        "mean": score.mean,
        "best_at_k": None,
        "modality_dependence": {
            "audio": score.audio,
            "both": score.both,
            "speech": score.speech,
        },
        "neither_rate": score.neither_rate,
        "unreadable_rate": score.unreadable_rate,
        "coverage": score.coverage,
        "complete": score.complete,
        "best_mean_bounds": list(score.bounds),
    }


def _no_figures() -> dict[str, Any]:
    nothing = Score(None, None, None, None, None, None, 0.0, 0.0, False, (0.0, 2.0))
    return _figures(nothing)


def _answers(answers: Answers) -> dict[str, Any]:
    failed: Mapping[str, int] = answers.failed
    return {
        "expected": answers.expected,
        "answered": answers.answered,
        "truncated": answers.truncated,
        "failed": dict(failed),
        "treated_clips": answers.treated_clips,
    }
