"""People who listen: each hears every clip once and answers one of the eight instructions.

Their answers stand in an ordinary run, as those of the model ``human/NAME``: judges, figures and
comparisons take them as any model's, but for one item a clip (best of 1).

Who is asked what depends on the name alone: each listener hears the clips in an order of their
own, and of every eight clips each is asked about with another instruction, so that the
instructions are balanced for everybody who stops early too, and by chance over what listeners are
asked about a clip.
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
"""What stands as the answer of somebody who gives none: judges mark it as any other."""
LONGEST_ANSWER = 2_000
"""Characters."""
_PATIENCE = 5.0  # seconds that another writer to the run, a judge perhaps, has to end in
_LONGEST_SLUG = 24
_DIGITS = 16


@dataclass(frozen=True)
class ListenerFacts:
    """A listener who is there.

    Attributes
    ----------
    name : str
        Who.
    folder : pathlib.Path
        Their run.
    done, total : int
        Clips answered, and all.
    """

    name: str
    folder: Path
    done: int
    total: int


@dataclass(frozen=True, eq=False)
class Listener:
    """A person and their run. Any number of threads may call, and processes may share it.

    Nothing is held open: a call opens the run, and its write lock is held only while an answer is
    written. A call raises ``RunConflictError`` where another process keeps writing to the run, or
    where it belongs to another participant by now, and ``RunUnwritableError`` or ``InputError``
    where it is gone.

    Attributes
    ----------
    name : str
        Who listens.
    folder : pathlib.Path
        The run.
    items : tuple of Item
        What they are asked, one item a clip, in the order in which they hear the clips.
    places : mapping of str to int
        Each clip's place in the run, by its id.
    """

    name: str
    folder: Path
    items: tuple[Item, ...]
    places: Mapping[str, int]

    @classmethod
    def open(cls, folder: Path, name: str, data: DataSet) -> Self:
        """Make a listener's run, or go on with it: the same name is the same person.

        Parameters
        ----------
        folder : pathlib.Path
            Holds the listeners' runs, one folder each.
        name : str
            As it was typed.
        data : DataSet
            What there is to hear. Its audio is read, so that the run knows it by hash.

        Raises
        ------
        InputError
            The name is no good, or the audio cannot be read.
        RunConflictError
            The listener has heard other data, or another process is writing to the run.
        RunUnwritableError
            It cannot be written.
        """
        name = participant_name(name)
        heard = dict(
            zip((clip.id for clip in data.clips), audio_facts(data, data.clips), strict=True)
        )
        run = run_folder(folder, name)
        with RunWriter.open(run, _PATIENCE) as store:
            clips = store.set_data(data).clips
            store.set_model(_spec(name))
            store.set_audio({place: heard[clip.id] for place, clip in enumerate(clips)})
            store.widen(len(clips))
        places = {clip.id: place for place, clip in enumerate(clips)}
        return cls(name, run, items_for(name, clips), places)

    @property
    def total(self) -> int:
        """How many clips there are to hear."""
        return len(self.items)

    @property
    def done(self) -> int:
        """How many are answered."""
        return len(self._answers())

    def next(self) -> Item | None:
        """Give the first item whose clip has no answer yet; None where all have one."""
        answers = self._answers()
        return next((item for item in self.items if item.clip.id not in answers), None)

    def item(self, clip_id: str) -> Item:
        """Give what the listener is asked about a clip (``InputError`` where there is none)."""
        for item in self.items:
            if item.clip.id == clip_id:
                return item
        raise InputError(f"there is no clip {clip_id[:40]!r} to listen to")

    def answered(self) -> list[tuple[Item, str]]:
        """List what was answered, in the order of hearing."""
        answers = self._answers()
        heard = [item.clip for item in self.items if item.clip.id in answers]
        return [(Item(clip, answers[clip.id][0]), answers[clip.id][1]) for clip in heard]

    def answer(self, item: Item, text: str) -> bool:
        """Keep an answer: it is on disk when this returns.

        Returns
        -------
        bool
            Whether it was kept. An earlier answer to the clip stands: whoever has given one may
            have seen the solution since.

        Raises
        ------
        InputError
            The text is empty or longer than 2,000 characters, or the listener is not asked this.
        """
        said = whole_text(text).strip()
        if not any(character.isprintable() and not character.isspace() for character in said):
            raise InputError("the answer is empty; write one, or say that you cannot tell")
        if len(said) > LONGEST_ANSWER:
            raise InputError(
                f"the answer has {len(said)} characters; it may have {LONGEST_ANSWER}: shorten it"
            )
        if item not in self.items:
            raise InputError(
                f"clip {item.clip.id}, prompt {item.number}: {self.name} is not asked this"
            )
        place = self.places[item.clip.id]
        if not (self.folder / "run.db").is_file():
            raise RunUnwritableError(
                f"{self.folder}: the run is gone, with what was answered in it"
            )
        with RunWriter.open(self.folder, _PATIENCE) as store:
            model = self._number(store)
            if any(isinstance(held, Response) for held in store.responses(model, place).values()):
                return False
            store.commit([response_row(model, place, item.number, Response(said), None)])
        return True

    def cannot_tell(self, item: Item) -> bool:
        """Keep that the listener cannot tell: an answer as any other, and no failure."""
        return self.answer(item, CANNOT_TELL)

    def _answers(self) -> dict[str, tuple[int, str]]:
        """Give the instruction and the text of each answer, by the clip's id."""
        with RunReader.open(self.folder) as store:
            model = self._number(store)
            return {
                clip_id: (number, answer.text)
                for clip_id, place in self.places.items()
                for number, answer in store.responses(model, place).items()
                if isinstance(answer, Response)
            }

    def _number(self, store: RunReader) -> int:
        """Number the listener in the run, which may have been made anew since it was opened."""
        if store.fact("annotations_sha256") == annotations_sha256(i.clip for i in self.items):
            for number, _, identity in store.models():
                if identity == _spec(self.name).identity:
                    return number
        raise RunConflictError(f"{self.folder}: no longer the run of {self.name} on these clips")


def exists(folder: Path, name: str) -> bool:
    """Whether there is such a listener already (``InputError`` where the name is no good)."""
    return _facts(run_folder(folder, participant_name(name))) is not None


def listeners(folder: Path) -> list[ListenerFacts]:
    """List who is there, by name. What is no listener's run is passed over."""
    runs = folder.iterdir() if folder.is_dir() else ()
    return sorted(
        (facts for run in runs if (facts := _facts(run))),
        key=lambda facts: (facts.name.casefold(), facts.name),
    )


def run_folder(folder: Path, name: str) -> Path:
    """Name a listener's run: readable in part, and another one for every name."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub("[^a-z0-9]+", "-", plain)[:_LONGEST_SLUG].strip("-") or "listener"
    return folder / f"{slug}-{hashlib.sha256(name.encode()).hexdigest()[:_DIGITS]}"


def items_for(name: str, clips: Sequence[Clip]) -> tuple[Item, ...]:
    """Say what a listener is asked, in order.

    Drawn by hashes of the name, which are the same everywhere and always will be.
    """
    order = sorted(clips, key=lambda clip: _drawn(name, "clip", clip.sha256))
    every = range(1, len(INSTRUCTIONS) + 1)
    numbers = [
        number
        for turn in range(-(-len(clips) // len(every)))
        for number in sorted(every, key=lambda n: _drawn(name, "instruction", str(turn), str(n)))
    ]
    return tuple(Item(clip, number) for clip, number in zip(order, numbers, strict=False))


def _drawn(*parts: str) -> bytes:
    return hashlib.sha256("\0".join(parts).encode()).digest()


def _facts(run: Path) -> ListenerFacts | None:
    """Look into a folder; None where it is not the run of a listener whom its name stands for."""
    unfit = InputError, RunConflictError, IncompleteError, sqlite3.Error
    with suppress(*unfit), RunReader.open(run) as store:
        for model, _, identity in store.models():
            name = str(identity.get("name"))
            if identity == _spec(name).identity and run == run_folder(run.parent, name):
                return ListenerFacts(name, run, store.count_responses(model)[0], store.covered)
    return None


def _spec(name: str) -> Spec:
    return Spec(HUMAN, name, {}, {"provider": HUMAN, "name": name}, f"{HUMAN}/{name}")
