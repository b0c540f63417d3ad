"""Check the clips of ``mini`` by the cascade's speech recognition and audio tagging.

Usage: ``python recipes/mini/check_clips.py [DATA_DIR]``, after ``pip install 'jasco[cascade]'``

Whisper tiny.en transcribes each clip, YAMNet tags its sounds. A clip fails if the word error rate
is above 0.2, or if none of the five likeliest tags is one that ``scenes.csv`` lists for it. The
exit status is 1 if a clip fails.
"""

import sys
from pathlib import Path

import numpy as np
from make_clips import MINI, RATE, read_scenes
from tabulate import tabulate

from jasco.backends.weights import WHISPER, YAMNET, find_weight
from jasco.data.audio import read_audio
from jasco.interventions.gates import MAX_WORD_ERROR_RATE, word_error_rate
from jasco.models.cascade.sounds import Tagger
from jasco.models.cascade.speech import Transcriber

TAGS = 5


def main(folder: Path) -> int:
    """Print a line for each clip, and return the number of those that fail."""
    transcriber = Transcriber(find_weight(WHISPER, None))
    tagger = Tagger(find_weight(YAMNET, None))
    table, failed = [], 0
    for scene in read_scenes():
        audio = read_audio(folder / "dataset" / "v0" / f"{scene.id}.wav")
        transcript = transcriber.transcript(audio.floats)
        error_rate = word_error_rate(scene.sentence, transcript)
        assert error_rate is not None
        tags = tagger.tags(audio.floats, TAGS)
        right = [tag for tag in tags if tag in scene.tags]
        passed = error_rate <= MAX_WORD_ERROR_RATE and bool(right)
        failed += not passed
        table.append(
            (
                scene.id,
                scene.sound,
                f"{len(audio.samples) / RATE:.2f}",
                f"{np.abs(audio.floats).max():.2f}",
                transcript,
                f"{error_rate:.2f}",
                "; ".join(tags),
                "passed" if passed else "FAILED",
            )
        )
    header = ("id", "sound", "seconds", "peak", "transcript", "WER", "tags", "check")
    print(tabulate(table, header, tablefmt="github", disable_numparse=True))
    return failed


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else MINI) > 0)
