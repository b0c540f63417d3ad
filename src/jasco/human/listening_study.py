"""Listening study: each participant hears every clip once and answers one of eight instructions.

The answers are stored as an ordinary run of the model ``human/NAME``. They are judged, scored and
compared like those of any model, except that there is only one item per clip (best of 1).

The items depend only on the participant's name. Each participant hears the clips in a different
order. Every block of eight clips uses each instruction once, so the instructions are balanced even
for participants who stop early; for each clip, the instruction varies randomly over participants.
"""

import hashlib
import re
import sqlite3
import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from jasco.backends.specs import Spec
from jasco.data.dataset import DataSet
from jasco.errors import IncompleteError, InputError, RunConflictError, whole_text
from jasco.protocol.clips import Clip, Item, annotations_sha256
from jasco.protocol.instructions import INSTRUCTIONS
from jasco.protocol.responses import Response
from jasco.runs.audio_manifest import audio_facts
from jasco.runs.database import RunUnwritableError
from jasco.runs.participants import HUMAN, participant_name
from jasco.runs.reader import RunReader
from jasco.runs.schema import response_row
from jasco.runs.writer import RunWriter

CANNOT_TELL = "I cannot tell."
"""The answer that is stored if a participant does not know; it is judged like any other."""
LONGEST_ANSWER = 2_000  # characters
_PATIENCE = 5.0  # seconds to wait for another writer to the run, such as a judge
_LONGEST_SLUG = 24
_DIGITS = 16


@dataclass(frozen=True, eq=False)
class Participant:
    """A participant and their run, which any number of threads and processes can share.

    No file is kept open: each call opens the run, and holds its write lock only while it writes an
    answer. A call raises ``RunConflictError`` if another process keeps writing to the run or if the
    run now belongs to another participant, and ``RunUnwritableError`` or ``InputError`` if the run
    no longer exists.

    Attributes
    ----------
    name : str
        Name of the participant.
    folder : pathlib.Path
        The run.
    items : tuple of Item
        One item per clip, in the order in which the participant hears them.
    places : mapping of str to int
        Position of each clip in the run, by clip id.
    """

    name: str
    folder: Path
    items: tuple[Item, ...]
    places: Mapping[str, int]

    @classmethod
    def open(cls, folder: Path, name: str, data: DataSet) -> Self:
        """Create a participant's run, or open the existing one. A name identifies one participant.

        Parameters
        ----------
        folder : pathlib.Path
            Folder that contains one run per participant.
        name : str
            Name as entered by the user.
        data : DataSet
            The clips. Their audio is read, because the run stores its hashes.

        Raises
        ------
        InputError
            The name is invalid, or the audio cannot be read.
        RunConflictError
            The run uses different data, or another process is writing to it.
        RunUnwritableError
            The run cannot be written.
        """
        name = participant_name(name)
        audio = audio_facts(data, data.clips)
        run = run_folder(folder, name)
        with RunWriter.open(run, _PATIENCE) as store:
            clips = store.set_data(data).clips
            store.set_model(_spec(name))
            store.set_audio(audio)
            store.widen(len(clips))
        places = {clip.id: place for place, clip in enumerate(clips)}
        return cls(name, run, items_for(name, clips), places)

    @property
    def total(self) -> int:
        """Number of clips."""
        return len(self.items)

    @property
    def done(self) -> int:
        """Number of clips with an answer."""
        return len(self._answers())

    def next(self) -> Item | None:
        """Return the first item whose clip has no answer yet; None if all clips have one."""
        answers = self._answers()
        return next((item for item in self.items if item.clip.id not in answers), None)

    def answered(self) -> list[tuple[Item, str]]:
        """Return the answered items and their answers, in the order in which they were heard."""
        answers = self._answers()
        clips = [item.clip for item in self.items if item.clip.id in answers]
        return [(Item(clip, answers[clip.id][0]), answers[clip.id][1]) for clip in clips]

    def answer(self, item: Item, text: str) -> bool:
        """Store an answer; it is on disk when this returns.

        Returns
        -------
        bool
            Whether it was stored. An earlier answer to the clip is never replaced: the participant
            may have seen the solution since.

        Raises
        ------
        InputError
            The text is empty or longer than 2,000 characters, or the item is not one of the
            participant's.
        """
        text = whole_text(text).strip()
        if not any(character.isprintable() and not character.isspace() for character in text):
            raise InputError("empty answer: enter an answer, or choose 'I cannot tell'")
        if len(text) > LONGEST_ANSWER:
            raise InputError(
                f"answer too long: {len(text)} characters (at most {LONGEST_ANSWER} are allowed)"
            )
        if item not in self.items:
            raise InputError(
                f"clip {item.clip.id}, instruction {item.number}: not an item of participant "
                f"{self.name}"
            )
        place = self.places[item.clip.id]
        if not (self.folder / "run.db").is_file():
            raise RunUnwritableError(
                f"{self.folder}: the run no longer exists; restore it, or use a different name"
            )
        with RunWriter.open(self.folder, _PATIENCE) as store:
            model = self._model_number(store)
            earlier = store.responses(model, place).values()
            if any(isinstance(response, Response) for response in earlier):
                return False
            store.commit([response_row(model, place, item.number, Response(text), None)])
        return True

    def _answers(self) -> dict[str, tuple[int, str]]:
        """Return the instruction's number and the text of each answer, by clip id."""
        with RunReader.open(self.folder) as store:
            model = self._model_number(store)
            return {
                clip_id: (number, answer.text)
                for clip_id, place in self.places.items()
                for number, answer in store.responses(model, place).items()
                if isinstance(answer, Response)
            }

    def _model_number(self, store: RunReader) -> int:
        """Return the participant's number in the run, which may have been replaced by now."""
        if store.fact("annotations_sha256") == annotations_sha256(i.clip for i in self.items):
            for number, _, identity in store.models():
                if identity == _spec(self.name).identity:
                    return number
        raise RunConflictError(
            f"{self.folder}: no longer the run of {self.name} on these clips; restore it, or use a "
            "different name"
        )


def exists(folder: Path, name: str) -> bool:
    """Return whether a participant has this name (``InputError`` if the name is invalid)."""
    name = participant_name(name)
    unusable = InputError, RunConflictError, IncompleteError, sqlite3.Error
    with suppress(*unusable), RunReader.open(run_folder(folder, name)) as store:
        return any(identity == _spec(name).identity for _, _, identity in store.models())
    return False


def run_folder(folder: Path, name: str) -> Path:
    """Return the folder of a participant's run, named by a readable slug and a hash."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub("[^a-z0-9]+", "-", plain)[:_LONGEST_SLUG].strip("-") or "listener"
    return folder / f"{slug}-{_digest(name).hex()[:_DIGITS]}"


def items_for(name: str, clips: Sequence[Clip]) -> tuple[Item, ...]:
    """Return a participant's items, in order.

    They are derived from hashes of the name, and are thus the same on every machine.
    """
    order = sorted(clips, key=lambda clip: _digest(name, "clip", clip.sha256))
    items: list[Item] = []
    for turn, start in enumerate(range(0, len(order), len(INSTRUCTIONS))):
        items += map(Item, order[start:], _instruction_order(name, turn))
    return tuple(items)


def _instruction_order(name: str, turn: int) -> list[int]:
    numbers = range(1, len(INSTRUCTIONS) + 1)
    return sorted(numbers, key=lambda n: _digest(name, "instruction", str(turn), str(n)))


def _digest(*parts: str) -> bytes:
    return hashlib.sha256("\0".join(parts).encode()).digest()


def _spec(name: str) -> Spec:
    return Spec(HUMAN, name, {}, {"provider": HUMAN, "name": name}, f"{HUMAN}/{name}")
