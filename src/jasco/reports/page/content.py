"""The page's content by clip: cues, audio, answers and verdicts, compressed for the browser."""

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jasco.data.audio import Audio, read_unchanged
from jasco.data.known_issues import known_issues
from jasco.metrics.scoring import ClipScores, clip_scores
from jasco.protocol.answer_texts import keyword_spans
from jasco.protocol.clips import Clip
from jasco.protocol.responses import Failure
from jasco.protocol.verdicts import Orientation
from jasco.reports.disagreements import disagreements
from jasco.reports.page.sounds import data_url, mp3, sound_view
from jasco.reports.reliance_report import RelianceReport, reliance_if_measured
from jasco.reports.report import distinct_names
from jasco.runs.read_csv import judged_items_of_files
from jasco.runs.read_run import read_run
from jasco.runs.results import JudgedItems, Results
from jasco.runs.targets import files_of_model, results_of_model

_ORIENTATIONS = tuple(Orientation)
_SEARCHED = 4000  # characters of an answer in which keywords are marked


@dataclass(frozen=True)
class Shown:
    """A model's results and its items.

    Attributes
    ----------
    source : pathlib.Path
        Folder of the run, or the judged CSV files.
    results : Results
    items : JudgedItems
    reliance : RelianceReport or None
        Modality reliance; None if it was not measured.
    """

    source: Path
    results: Results
    items: JudgedItems
    reliance: RelianceReport | None = None


def open_shown(targets: Sequence[Path], judges: Sequence[str] = ()) -> dict[str, Shown]:
    """Return the content of runs or judged CSV files, by the names of their models.

    Parameters
    ----------
    targets : sequence of Path
        Folders of runs, or judged CSV files.
    judges : sequence of str
        Judges to show; empty for all.

    Raises
    ------
    InputError
        A run does not exist, a file cannot be read, or a judge is not found.
    """
    shown = []
    for target in targets:
        if target.is_dir():
            results, items = read_run(target)
        else:
            results = results_of_model(target)
            items = judged_items_of_files(files_of_model(target)[1])
        results = results.judged_by(judges)
        reliance = reliance_if_measured(target, judges) if results.judges else None
        shown.append(Shown(target, results, items.judged_by(results.judges), reliance))
    return by_name(shown)


def by_name(shown: Sequence[Shown]) -> dict[str, Shown]:
    """Return models by distinct names."""
    return dict(zip(distinct_names([model.results for model in shown]), shown, strict=True))


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
    judges = [*dict.fromkeys(judge for model in shown.values() for judge in model.items.judges)]
    return {
        "prompts": next(iter(shown.values())).items.instructions,
        "orientations": _ORIENTATIONS,
        "judges": judges,
        "models": [
            {
                "name": name,
                "judges": len(model.items.judges),
                "samples": len(model.items.samples),
                "scores": _scores(clips, model.results),
            }
            for name, model in shown.items()
        ],
        "clips": [
            {**asdict(clip), "known_issue": issues.get(clip.id, ""), **sounds.get(clip.id, {})}
            for clip in clips
        ],
        "items": list(_items(clips, shown, judges)),
    }


def clips_of(shown: Mapping[str, Shown]) -> tuple[Clip, ...]:
    """Return the clips of the results."""
    return next(iter(shown.values())).items.clips


def _scores(clips: Sequence[Clip], results: Results) -> list[dict[str, Any]]:
    """Return each clip's best score, its mean and its score for each prompt."""
    matrices, prompts = results.matrices.values(), len(results.instructions)
    scores = clip_scores(matrices, len(results.clips), prompts)
    by_id = dict(zip([clip.id for clip in results.clips], scores, strict=True))
    none = ClipScores((None,) * prompts, None, None)
    return [
        {
            "best": None if results.single_prompt else _rounded(score.best),
            "mean": _rounded(score.mean),
            "prompts": [_rounded(each) for each in score.by_instruction],
        }
        for score in (by_id.get(clip.id, none) for clip in clips)
    ]


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
    prompts = len(next(iter(shown.values())).items.instructions)
    for place, clip in enumerate(clips):
        for prompt in range(1, prompts + 1):
            for number, sample, model, items, differences in responses:
                key = clip.id, prompt
                if model.results.single_prompt and key not in items.answers:
                    continue  # the participant was not asked this prompt
                answer, failure = items.answers.get(key), items.failures.get(key)
                verdicts = [
                    (
                        judges.index(judge),
                        verdict.rating,
                        verdict.orientation and _ORIENTATIONS.index(verdict.orientation),
                        "\n---\n".join(texts),
                    )
                    for judge, (texts, verdict) in items.verdicts_on(key).items()
                ]
                lacking = [
                    (judges.index(judge), _described(items.judge_failures.get(judge, {}).get(key)))
                    for judge, given in items.judges.items()
                    if answer is not None and key not in given
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


def clip_audio(shown: Mapping[str, Shown], clip: str) -> Audio | None:
    """Return a clip's audio; None if it is missing or has changed since it was used."""
    for model in shown.values():
        path, sha256 = model.items.audio.get(clip, ("", ""))
        if sound := read_unchanged(Path(path), sha256):
            return sound
    return None
