"""What data sets are about: their annotations, and licence, citation and address if known."""

from collections.abc import Iterable
from dataclasses import dataclass

from jasco.data.dataset import ALTERED, MINI, PUBLISHED, read_clips
from jasco.data.sources import PUBLISHED_FILES, find_folder
from jasco.protocol.clips import AnyClip

FIELDS = {
    "audio_id": "The id of the clip: the name of its audio file, without the extension.",
    "sound": "A description of the background sound.",
    "speech": "The spoken sentence.",
    "audio_only_answer": "The plausible but wrong answer that follows from the sound alone.",
    "speech_only_answer": "The plausible but wrong answer that follows from the speech alone.",
    "reference": "The correct answer, which follows from sound and speech together.",
    "keywords": "Comma-separated keywords of a complete answer.",
}
"""The names of a clip's annotations in exported data sets, in the order of its cells."""


@dataclass(frozen=True)
class DataCard:
    """Facts about a data set that its files do not contain.

    Attributes
    ----------
    title, description : str
        What it is.
    licence, licence_url : str
        The identifier of the licence at https://spdx.org/licenses, and its address.
    citation : str
        A BibTeX entry; empty if there is no publication.
    creators : tuple of str
        The names of the authors.
    published_on : str
        The date of publication (ISO 8601); empty if unknown.
    url : str
        The page of the data set; empty if it has none.
    files : str
        The address of the folder that contains its files, with a slash; empty if it is not online.
    has_free_texts : bool
        Whether annotations may be published under any licence, so that published samples may
        contain them.
    """

    title: str
    description: str
    licence: str
    licence_url: str
    citation: str = ""
    creators: tuple[str, ...] = ()
    published_on: str = ""
    url: str = ""
    files: str = ""
    has_free_texts: bool = False


_WATD = DataCard(
    title="What Are They Doing",
    description=(
        "Clips of a spoken sentence over a background sound, for joint audio-speech co-reasoning: "
        "what the speakers are doing follows from the sound and the sentence together, not from "
        "one of them."
    ),
    licence="CC-BY-NC-4.0",
    licence_url="https://creativecommons.org/licenses/by-nc/4.0/",
    citation=(
        "@inproceedings{wang2025what, title={What Are They Doing? Joint Audio-Speech "
        "Co-Reasoning}, author={Wang, Yingzhi and Mousavi, Pooneh and Ploujnikov, Artem and "
        "Ravanelli, Mirco}, booktitle={ICASSP}, year={2025}, note={arXiv:2409.14526}}"
    ),
    creators=("Yingzhi Wang", "Pooneh Mousavi", "Artem Ploujnikov", "Mirco Ravanelli"),
    published_on="2024-09",
    url="https://github.com/BenoitWang/What_Are_They_Doing",
    files=PUBLISHED_FILES,
)
_MINI = DataCard(
    title="mini",
    description=(
        "Clips of a synthetic voice over a computed sound, in the layout of What Are They Doing. "
        "They are for tests and first steps, and hardly informative about real audio."
    ),
    licence="Apache-2.0",
    licence_url="https://www.apache.org/licenses/LICENSE-2.0",
    creators=("The jasco authors",),
    has_free_texts=True,
)
# The annotations of published clips with other audio are still the published ones.
_CARDS = {PUBLISHED: _WATD, ALTERED: _WATD}


def card_of(name: str, clips: Iterable[AnyClip]) -> DataCard | None:
    """Return the card of a data set, or None for a data set of the user's.

    Parameters
    ----------
    name : str
        The name in reports.
    clips : iterable of Clip or ClipHash
        Its clips, or some of them. A folder of other clips may also be called ``mini``.
    """
    if name == MINI:
        known = {clip.sha256 for clip in read_clips(find_folder(MINI, lambda _: None))}
        return _MINI if all(clip.sha256 in known for clip in clips) else None
    return _CARDS.get(name)
