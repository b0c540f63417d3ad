"""Write the items of a data set for lmms-eval.

    python recipes/lmms_eval/make_items.py DATA [-o jasco_items]

``items.jsonl`` has one line per clip and instruction, in the order of ``jasco eval``. ``audio``
contains each clip as jasco sends it to a server: WAV, 16 kHz, one channel, 16 bits.
"""

import argparse
import json
import sys
from pathlib import Path

import jasco
from jasco.data.audio import read_audio
from jasco.data.folders import whole_folder


def main() -> None:
    """Write the items of the data set that the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", metavar="DATA", help="watd, mini, or the folder of a data set")
    parser.add_argument("-o", dest="output", type=Path, default=Path("jasco_items"), help="folder")
    arguments = parser.parse_args()
    try:
        write_items(jasco.load_dataset(arguments.data), arguments.output)
    except (jasco.InputError, jasco.IncompleteError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, jasco.InputError) else 4)


def write_items(data: jasco.DataSet, folder: Path) -> None:
    """Write ``items.jsonl`` and the audio to a folder, which must not exist or be empty.

    Raises
    ------
    InputError
        The folder contains files, or the audio of a clip is missing or cannot be read.
    IncompleteError
        The folder cannot be written.
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise jasco.InputError(f"{folder}: already exists; remove it, or use a different -o")
    try:
        with whole_folder(folder) as draft:
            (draft / "audio").mkdir()
            with (draft / "items.jsonl").open("w", encoding="utf-8") as lines:
                for item in data.items():
                    # Named by its hash: lmms-eval takes a path that contains ".mp4" for a video.
                    name = Path("audio", f"{item.clip.sha256}.wav")
                    path = data.audio_path(item.clip)
                    assert path is not None
                    if item.number == 1:
                        (draft / name).write_bytes(read_audio(path).wav)
                    row = {
                        "clip_sha256": item.clip.sha256,
                        "instruction": item.instruction,
                        "audio": str(folder.resolve() / name),
                    }
                    lines.write(f"{json.dumps(row)}\n")
    except OSError as error:
        raise jasco.IncompleteError(f"{folder}: cannot be written ({error.strerror})") from None


if __name__ == "__main__":
    main()
