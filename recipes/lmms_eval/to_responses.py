"""Convert the samples that lmms-eval logged into a responses CSV.

    python recipes/lmms_eval/to_responses.py SAMPLES.jsonl DATA -o RESPONSES.csv

Each answer belongs to the clip with its hash and to its instruction. An item that was not asked, or
whose request failed, has no answer: its cell is empty.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jasco
from jasco.data.audio import read_file
from jasco.data.csv_files import write_table
from jasco.data.responses_csv import COLUMNS, Key, template_rows
from jasco.errors import whole_text

FAILURES = {
    "[LMMS_EVAL_REQUEST_FAILED": "request failed",
    "[LMMS_EVAL_BUDGET_EXCEEDED]": "budget exceeded",
}
"""How texts begin that lmms-eval writes in place of an answer, and what they mean."""


def main() -> None:
    """Convert the file that the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("samples", type=Path, metavar="SAMPLES.jsonl", help="file of --log_samples")
    parser.add_argument("data", metavar="DATA", help="the data set whose items were written")
    parser.add_argument("-o", dest="output", type=Path, required=True, help="file to write")
    arguments = parser.parse_args()
    try:
        data = jasco.load_dataset(arguments.data)
        answers, failures = read_samples(arguments.samples, data)
        write_responses(arguments.output, data, answers)
    except (jasco.InputError, jasco.IncompleteError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, jasco.InputError) else 4)
    items = len(data.items())
    counts = {**failures, "not in the file": items - len(answers) - failures.total()}
    without = [f"{kind}: {number}" for kind, number in counts.items() if number]
    without_answer = f"; without answer: {', '.join(without)}" if without else ""
    print(f"{len(answers)} of {items} items have an answer{without_answer}", file=sys.stderr)


def read_samples(path: Path, data: jasco.DataSet) -> tuple[dict[Key, str], Counter[str]]:
    """Read the answers in a file of samples.

    Parameters
    ----------
    path : Path
        The file that lmms-eval wrote for the task ``jasco``.
    data : DataSet
        The data set whose items were answered.

    Returns
    -------
    answers : dict
        The answers by clip id and number of the instruction.
    failures : Counter
        The number of items in the file without an answer, by reason.

    Raises
    ------
    InputError
        The file cannot be read, contains something else, or an item is not in the data set, occurs
        twice or has several answers.
    """
    items = {
        (item.clip.sha256, item.instruction): (item.clip.id, item.number) for item in data.items()
    }
    lines: dict[Key, int] = {}
    answers: dict[Key, str] = {}
    failures: Counter[str] = Counter()
    for number, sample in _samples(path):
        where = f"{path}, line {number}"
        item, texts = _logged(sample, where)
        if item not in items:
            raise jasco.InputError(
                f"{where}: clip {item[0][:12]!r} with instruction {item[1][:60]!r} is not in the "
                f"data set {data.name}; use the data set that the items were written from"
            )
        key = items[item]
        if key in lines:
            raise jasco.InputError(
                f"{where}: duplicate of line {lines[key]} (clip {key[0]}, instruction {key[1]}); "
                "use the file of a single evaluation"
            )
        lines[key] = number
        if len(texts) != 1:
            raise jasco.InputError(f"{where}: {len(texts)} answers; evaluate without --repeats")
        if failure := _failure(texts[0], sample):
            failures[failure] += 1
        else:
            # An empty cell would mean that there is no answer.
            answers[key] = whole_text(texts[0]) or " "
    return answers, failures


def _samples(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield the number and the content of each line."""
    number = 0
    try:
        with path.open("rb") as lines:
            for line in lines:
                number += 1
                yield number, json.loads(line)
    except OSError as error:
        raise jasco.InputError(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise jasco.InputError(
            f"{path}, line {number}: not JSON; give the file that --log_samples wrote"
        ) from None


def _logged(sample: Any, where: str) -> tuple[tuple[str, str], list[Any]]:
    """Return what ``process_results`` logged: clip hash and instruction, and the answers."""
    match sample:
        case {"jasco": {"clip_sha256": str(sha256), "instruction": str(text), "answers": [*texts]}}:
            return (sha256, text), texts
    raise jasco.InputError(
        f"{where}: not a sample of the task jasco; give its file, of an evaluation "
        "without --predict_only"
    )


def _failure(text: Any, sample: Mapping[str, Any]) -> str:
    """Return why a text is not an answer; empty if it is one."""
    if not isinstance(text, str):
        return "no text"
    for beginning, failure in FAILURES.items():
        if text.startswith(beginning):
            return failure
    if text:
        return ""
    # lmms-eval also writes an empty text for requests that it did not send, and for replies with
    # reasoning or a tool call only. A model that ends without a text generates at most one token,
    # and a server that reports tokens has read the prompt.
    match sample.get("token_counts"):
        case [{"input_tokens": int(prompt), "output_tokens": 0 | 1}] if prompt > 0:
            return ""
    return "no text"


def write_responses(path: Path, data: jasco.DataSet, answers: Mapping[Key, str]) -> None:
    """Write a responses CSV with all items of a data set.

    Raises
    ------
    InputError
        The audio of a clip is missing or cannot be read.
    IncompleteError
        The file cannot be written.
    """
    paths = {clip.id: data.audio_path(clip) for clip in data.clips}
    frames = {id_: read_file(audio).frames for id_, audio in paths.items() if audio}
    keys = [(item.clip.id, item.number) for item in data.items()]
    rows = zip(keys, template_rows(data, frames), strict=True)
    filled = ({**row, "allm_output": answers.get(key, "")} for key, row in rows)
    write_table(path, COLUMNS, filled)


if __name__ == "__main__":
    main()
