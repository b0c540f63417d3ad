"""Verdicts on a large fixed set: equal to those recorded for the judge's revision.

The set: the training corpus and its known answers, the labelled outputs of ``mini``, and random
texts with odd punctuation. Where a verdict changes on purpose, change ``REVISION`` and record::

    python tests/judges/offline/test_revision.py
"""

import asyncio
import csv
import hashlib
import random
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from jasco.backends.specs import open_spec
from jasco.data.csv_files import read_table
from jasco.data.dataset import COLUMNS
from jasco.data.sources import find_data
from jasco.judges.offline import Offline
from jasco.protocol.clips import Clip, items_of
from jasco.protocol.protocols import PROTOCOLS

CORPUS = Path(__file__).parents[3] / "recipes" / "offline" / "corpus"
RECORDED = Path(__file__).with_name(f"verdicts-{Offline.REVISION}.csv")
DATA_SHA256 = {
    "classifier.npz": "4f24ab0d80f4c386a3e6e917d6f07a9e9c6d45b6c26ca0b83593335b59a7ddaa",
    "vectors.npz": "986b03aab9916540626f19c568d5bceeaee4406923448d941aa160fc36f5f071",
}
TEXT = re.compile(
    r"Proxy verdict: by a classifier that gives this orientation a probability of (\d+)%\.\n"
    r"Rating: (\d)\n"
    r"Orientation: (.+)\n"
)
RANDOM_TEXTS = 1_500


def questions() -> Iterator[tuple[Clip, str]]:
    """Return clips with answers about them, the same in every process."""
    mini = find_data("mini", print)
    assert mini.folder is not None
    mini_clips = {clip.id: clip for clip in mini.clips}
    rows = []
    for path in sorted(CORPUS.glob("*-scenes.csv")):
        scenes = read_table(path, required=COLUMNS).rows
        clips = {scene["audio_id"]: Clip(*map(scene.get, COLUMNS)) for scene in scenes}
        outputs = read_table(path.with_name(path.name.replace("scenes", "outputs"))).rows
        rows += [(clips[row["id"]], row["allm_output"]) for row in outputs]
        for clip in clips.values():
            description = f'The audio contains {clip.sound}. The speaker says "{clip.speech}"'
            answers = (clip.reference, clip.audio_only, clip.speech_only, description)
            rows += [(clip, answer) for answer in answers]
    for name in ("gold.csv", "gold-cascade.csv"):
        table = read_table(mini.folder / name)
        rows += [(mini_clips[row["id"]], row["allm_output"]) for row in table.rows]
    yield from rows
    rng = random.Random(0)
    words = " ".join(answer for _, answer in rows[:2_000]).split()
    for _ in range(RANDOM_TEXTS):
        clip = rng.choice(list(mini_clips.values()))
        parts = range(rng.randint(1, 60))
        punctuation = "\"“”'‘’{}[]:;.!?\n<>*_()、。「」é雨 "
        yield (
            clip,
            "".join(rng.choice([rng.choice(words) + " ", rng.choice(punctuation)]) for _ in parts),
        )


def verdicts() -> Iterator[tuple[int, int, str]]:
    """Return the share in percent, the rating and the orientation of each verdict's text."""
    judge = open_spec("judge", "offline")

    async def texts() -> list[str]:
        await judge.prepare(find_data("mini", print))
        judgements = [
            await judge.judge(items_of(clip)[0], answer, PROTOCOLS["v2"])
            for clip, answer in questions()
        ]
        return [attempt.text for judgement in judgements for attempt in judgement.attempts]

    for text in asyncio.run(texts()):
        match = TEXT.fullmatch(text)
        assert match, text
        yield int(match[1]), int(match[2]), match[3]


def test_a_changed_verdict_needs_another_revision() -> None:
    recorded = [
        (int(row["share"]), int(row["rating"]), row["orientation"])
        for row in read_table(RECORDED).rows
    ]
    current = list(verdicts())
    assert [row[1:] for row in current] == [row[1:] for row in recorded]
    # On another processor a share may be rounded to the other side.
    differences = [
        abs(current_row[0] - recorded_row[0])
        for current_row, recorded_row in zip(current, recorded, strict=True)
    ]
    assert max(differences) <= 1
    assert sum(differences) <= 3


def test_changed_data_needs_another_revision() -> None:
    package = files("jasco.judges.offline")
    hashes = {
        name: hashlib.sha256((package / name).read_bytes()).hexdigest() for name in DATA_SHA256
    }
    assert hashes == DATA_SHA256


def record() -> None:
    """Write the verdicts of a new revision."""
    rows = list(verdicts())
    with RECORDED.open("x", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("share", "rating", "orientation"))
        writer.writerows(rows)


if __name__ == "__main__":
    record()
