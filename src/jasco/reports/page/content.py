"""The page's content by clip: cues, audio, answers and verdicts, compressed for the browser."""

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, astuple
from typing import Any

from jasco.data.known_issues import known_issues
from jasco.data.responses_csv import Key
from jasco.metrics.scoring import ClipScores, item_score
from jasco.protocol.answer_texts import keyword_spans
from jasco.protocol.clips import Clip
from jasco.protocol.responses import Failure
from jasco.reports.disagreements import disagreements
from jasco.reports.formats import short_names
from jasco.reports.page.cells import CUES, Cell, cell_of
from jasco.reports.page.plots import marker_of
from jasco.reports.page.shown import Shown, clip_audio, clips_of
from jasco.reports.page.sounds import data_url, mp3, sound_view
from jasco.runs.results import clips_by_score

_SEARCHED = 4000  # characters of an answer in which keywords are marked


def packed(content: Mapping[str, Any]) -> bytes:
    """Return content as gzip-compressed JSON; the same content gives the same bytes."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return gzip.compress(text.encode(), compresslevel=6, mtime=0)


def content_of(
    shown: Mapping[str, Shown], sounds: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Return clips and items for the page's scripts.

    Parameters
    ----------
    shown : mapping of str to Shown
        By the name to show for a model; all with the same clips.
    sounds : mapping
        As returned by :func:`sounds_of`.
    """
    clips = clips_of(shown)
    issues = {issue.clip: issue.text for issue in known_issues(clips)}
    means = clips_by_score([model.results for model in shown.values()])
    judges = [*dict.fromkeys(judge for model in shown.values() for judge in model.items.judges)]
    return {
        "prompts": next(iter(shown.values())).items.instructions,
        "judges": judges,
        "judge_names": [*short_names(judges).values()],
        "models": [
            {
                "name": name,
                "mark": marker_of(place),
                "samples": len(model.items.samples),
                "scores": list(_scores(clips, model)),
            }
            for place, (name, model) in enumerate(shown.items())
        ],
        "clips": [
            {
                **asdict(clip),
                "known_issue": issues.get(clip.id, ""),
                "mean": _rounded(means.get(clip.id)),
                **sounds.get(clip.id, {}),
            }
            for clip in clips
        ],
        "items": list(_items(clips, shown, judges)),
    }


def _scores(clips: Sequence[Clip], model: Shown) -> Iterator[dict[str, Any]]:
    """Yield each clip's best score, its mean, and each instruction's cell, None if not asked."""
    results, samples, averaged = model.results, model.items.samples, model.results.averaged
    none = ClipScores((None,) * len(results.instructions), None, None)
    differences = [disagreements(sample) for sample in samples]

    def cue_of(key: Key) -> str:
        """Return the cue that the answers rest on; empty if judges or samples differ."""
        verdicts = [
            verdict
            for sample in samples
            for judge, (_, verdict) in sample.verdicts_on(key).items()
            if judge in averaged
        ]
        cues = {CUES[each.orientation] for each in verdicts if each.orientation and each.readable}
        return cues.pop() if len(cues) == 1 else ""

    def cell(key: Key, score: float | None) -> Cell | None:
        if score is not None:
            differ = any(key in sample for sample in differences)
            return cell_of(score, "" if score else cue_of(key), differ=differ)
        if any(key in sample.answers for sample in samples):
            return cell_of(None)
        if results.single_prompt:
            return None
        failed = all(key in sample.failures for sample in samples)
        return cell_of(None, missing="failed" if failed else "not answered")

    for clip in clips:
        score = results.clip_scores.get(clip.id, none)
        cells = [cell((clip.id, n), each) for n, each in enumerate(score.by_instruction, start=1)]
        yield {
            "best": None if results.single_prompt else _rounded(score.best),
            "mean": _rounded(score.mean),
            "cells": [each and astuple(each) for each in cells],
        }


def _rounded(score: float | None) -> float | None:
    return None if score is None else round(score, 4)


def _items(
    clips: Sequence[Clip], shown: Mapping[str, Shown], judges: Sequence[str]
) -> Iterator[dict[str, Any]]:
    responses = [
        (number, sample, model, items, disagreements(items))
        for number, model in enumerate(shown.values())
        for sample, items in enumerate(model.items.samples, start=1)
    ]
    averaged = [set(model.results.averaged) for model in shown.values()]
    prompts = len(next(iter(shown.values())).items.instructions)
    for place, clip in enumerate(clips):
        for prompt in range(1, prompts + 1):
            for number, sample, model, items, differences in responses:
                key = clip.id, prompt
                if model.results.single_prompt and key not in items.answers:
                    continue  # the participant was not given this instruction
                answer, failure = items.answers.get(key), items.failures.get(key)
                given = items.verdicts_on(key)
                verdicts = [
                    (
                        judges.index(judge),
                        verdict.rating,
                        verdict.orientation and CUES[verdict.orientation],
                        "\n---\n".join(texts),
                    )
                    for judge, (texts, verdict) in given.items()
                ]
                score = item_score(
                    verdict for judge, (_, verdict) in given.items() if judge in averaged[number]
                )
                lacking = [
                    (judges.index(judge), _described(items.judge_failures.get(judge, {}).get(key)))
                    for judge in items.judges
                    if answer is not None and judge not in given
                ]
                yield {
                    "clip": place,
                    "prompt": prompt,
                    "sample": sample,
                    "model": number,
                    "answer": answer,
                    "keywords": keyword_spans((answer or "")[:_SEARCHED], clip.keywords),
                    "failure": _described(failure),
                    "cut": key in items.cut_off,
                    "score": _rounded(score),
                    "difference": differences.get(key, 0),
                    "verdicts": verdicts,
                    "lacking": lacking,
                }


def _described(failure: Failure | None) -> str:
    return f"{failure.kind}: {failure.message}" if failure else ""


def sounds_of(shown: Mapping[str, Shown], *, audio: bool) -> dict[str, Any]:
    """Return what is seen of the clips' audio and, optionally, compressed audio.

    Clips whose audio is missing or has changed are left out.

    Returns
    -------
    dict
        By clip id: ``sound_view`` (:func:`jasco.reports.page.sounds.sound_view`) and, with
        ``audio``, ``audio``.
    """

    def sound_of(clip: Clip) -> dict[str, Any] | None:
        sound = clip_audio(shown, clip.id)
        if not sound:
            return None
        compressed = {"audio": data_url("audio/mpeg", mp3(sound))} if audio else {}
        return {"sound_view": sound_view(sound), **compressed}

    clips = clips_of(shown)
    with ThreadPoolExecutor() as pool:  # most of the work is done outside Python
        sounds = pool.map(sound_of, clips)
        return {clip.id: sound for clip, sound in zip(clips, sounds, strict=True) if sound}
