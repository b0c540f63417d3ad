"""Which clips are hardest."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from jasco.errors import one_line
from jasco.metrics.scoring import mean_by_clip
from jasco.metrics.verdict_matrix import nan_mean
from jasco.protocol.clips import AnyClip, Clip
from jasco.reports.findings.finding import Finding, FindingKind
from jasco.reports.findings.ranking import Models
from jasco.reports.formats import listed
from jasco.reports.report import ModelReport

_MOST_CLIPS = 3
_LONGEST_CUE = 50


def clip_findings(judged: Models, texts: Mapping[str, Clip]) -> Iterator[Finding]:
    """Yield the clips without any credit, or those with the lowest mean over the models.

    Parameters
    ----------
    judged : mapping of str to ModelReport
        The models. Participants, who answer one prompt per clip, count only if there are no others.
    texts : mapping of str to Clip
        By id: the annotations of clips whose texts the results lack.
    """
    rated = {name: model for name, model in judged.items() if model.results.matrices}
    models = {n: m for n, m in rated.items() if not m.results.single_prompt} or rated
    if not models:
        return
    clips = next(iter(models.values())).results.clips
    scores = [_clip_means(model, clips) for model in models.values()]
    if not clips or any(each is None for each in scores):
        return
    means = nan_mean(np.array(scores), axis=0)
    order = np.argsort(means, kind="stable")  # clips without a score are sorted to the end
    no_credit = int((means == 0).sum())
    scored = int((~np.isnan(means)).sum())
    if scored < 2:
        return
    zero = f"{next(iter(models))} scores 0" if len(models) == 1 else "All models score 0"
    if no_credit > 1:
        shown = [clips[place] for place in order[: min(no_credit, _MOST_CLIPS)]]
        example = ": " if no_credit == len(shown) else ", for example "
        text = f"{zero} on {no_credit} of {scored} clips{example}{_in_words(shown, texts)}."
    elif means[order[0]] < means[order[scored - 1]]:
        shown = [clips[place] for place in order[: min(scored - 1, _MOST_CLIPS)]]
        hardest = "clip is" if len(shown) == 1 else "clips are"
        text = f"The hardest {hardest} {_in_words(shown, texts)}."
        text += f" {zero} on the first of these clips." if no_credit and len(shown) > 1 else ""
    else:
        return
    yield Finding(FindingKind.CLIPS, text, clips=tuple(clip.id for clip in shown))


def _clip_means(model: ModelReport, clips: Sequence[AnyClip]) -> NDArray[np.float64] | None:
    """Return the mean score of each clip, by judges that are no proxy if there are any.

    Return None if the model answered other clips.
    """
    results = model.results
    matrices = [
        matrix
        for judge, matrix in results.matrices.items()
        if not (results.mixed and results.judges[judge].proxy)
    ]
    means = mean_by_clip(matrices)
    if len(means) != len(clips):
        return None
    if all(one.id == other.id for one, other in zip(clips, results.clips, strict=True)):
        return means
    places = {clip.id: place for place, clip in enumerate(results.clips)}
    if not all(clip.id in places for clip in clips):
        return None
    return means[[places[clip.id] for clip in clips]]


def _in_words(clips: Sequence[AnyClip], texts: Mapping[str, Clip]) -> str:
    described = []
    for clip in clips:
        text = clip if isinstance(clip, Clip) else texts.get(clip.id)
        if text is None:
            described.append(clip.id)
            continue
        sound, speech = (one_line(cue, _LONGEST_CUE) for cue in (text.sound, text.speech))
        described.append(f'{clip.id} ({sound}; "{speech}")')
    return listed(described)
