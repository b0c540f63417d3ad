"""Which clips are hardest."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from jasco.errors import one_line
from jasco.protocol.clips import AnyClip, Clip
from jasco.reports.findings.finding import Finding, FindingKind
from jasco.reports.findings.ranking import Models
from jasco.reports.formats import listed
from jasco.runs.results import clips_by_score

_MOST_CLIPS = 3
_LONGEST_CUE = 50


def clip_findings(judged: Models, texts: Mapping[str, Clip]) -> Iterator[Finding]:
    """Yield the clips without any credit, or those with the lowest mean over the models.

    Parameters
    ----------
    judged : mapping of str to ModelReport
        The models. Participants, who are given one instruction per clip, count only if there
        are no others.
    texts : mapping of str to Clip
        By id: the annotations of clips whose texts the results lack.
    """
    rated = {name: model for name, model in judged.items() if model.results.matrices}
    models = {n: m for n, m in rated.items() if not m.results.single_prompt} or rated
    means = clips_by_score([model.results for model in models.values()])
    if len(means) < 2:
        return
    clips = {clip.id: clip for clip in next(iter(models.values())).results.clips}
    hardest, scored = [clips[id_] for id_ in islice(means, _MOST_CLIPS)], len(means)
    lowest, highest = next(iter(means.values())), next(reversed(means.values()))
    no_credit = sum(mean == 0 for mean in means.values())
    zero = f"{next(iter(models))} scores 0" if len(models) == 1 else "All models score 0"
    if no_credit > 1:
        shown = hardest[:no_credit]
        example = ": " if no_credit == len(shown) else ", for example "
        text = f"{zero} on {no_credit} of {scored} clips{example}{_in_words(shown, texts)}."
    elif lowest < highest:
        shown = hardest[: scored - 1]
        which = "clip is" if len(shown) == 1 else "clips are"
        text = f"The hardest {which} {_in_words(shown, texts)}."
        text += f" {zero} on the first of these clips." if no_credit and len(shown) > 1 else ""
    else:
        return
    yield Finding(FindingKind.CLIPS, text, clips=tuple(clip.id for clip in shown))


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
