"""Runs with given answers and verdicts, written without a model or a judge."""

from collections.abc import Callable, Mapping
from pathlib import Path

from jasco.backends.specs import parse_spec
from jasco.data.audio import file_sha256, read_audio
from jasco.data.dataset import DataSet
from jasco.judges.chat_judge import ChatJudge
from jasco.models.csv_model import CsvModel
from jasco.protocol.clips import items_of
from jasco.protocol.responses import Failure, Response
from jasco.protocol.verdict_parser import read_verdict
from jasco.protocol.verdicts import Attempt, Judgement
from jasco.runs.audio_manifest import AudioFacts
from jasco.runs.part_facts import combined_audio_sha256
from jasco.runs.reader import RunReader
from jasco.runs.schema import response_row, verdict_row
from jasco.runs.writer import RunWriter

Answer = Callable[[int, int], str | Response | Failure | None]
"""Return the answer to a clip (by index) and a prompt; None if there is none yet."""
Judge = Callable[[int, int], str | Failure | None]
"""Return the text of a judge's verdict on the answer to a clip and a prompt."""


def verdict(rating: object, orientation: str, reason: str = "Because.") -> str:
    """Return the text of a verdict in the format of the protocol."""
    return f"{reason}\nRating: {rating}\nOrientation: {orientation}"


def write_run(
    folder: Path,
    data: DataSet,
    answer: Answer,
    judges: Mapping[str, Judge],
    model: str = "model",
) -> Path:
    """Write a run, or add to it, and return its folder."""
    with RunWriter.open(folder) as store:
        clips = store.set_data(data).clips
        store.set_protocol("v2")
        store.widen(len(clips))
        store.set_audio({id_: _audio(path) for id_, path in _paths(data).items()})
        model_number = store.set_model(parse_spec(f"csv/{model}", CsvModel))
        specs = [parse_spec(f"openai/{name}", ChatJudge) for name in judges]
        judge_numbers = store.add_judges(specs)
        rows = []
        for index, clip in enumerate(clips):
            for item in items_of(clip):
                response = answer(index, item.number)
                if response is None:
                    continue
                if isinstance(response, str):
                    response = Response(response, "stop")
                rows.append(response_row(model_number, index, item.number, response, 1.0))
                if isinstance(response, Failure):
                    continue
                for judge_number, judge in zip(judge_numbers, judges.values(), strict=True):
                    text = judge(index, item.number)
                    if text is None:
                        continue
                    outcome = (
                        text
                        if isinstance(text, Failure)
                        else Judgement(read_verdict(text), (Attempt("verdict", text),))
                    )
                    key = index, item.number
                    rows.append(
                        verdict_row(model_number, judge_number, "v2", 0, *key, outcome, 1.0)
                    )
        store.commit(rows)
    return folder


def audio_sha256(run: RunReader) -> str | None:
    """Return the hash of the audio of the covered clips; None if some of it was not read."""
    return combined_audio_sha256(run.audio_hashes(), run.clip_hashes())


def _paths(data: DataSet) -> dict[str, Path]:
    paths = {clip.id: data.audio_path(clip) for clip in data.clips}
    return {id_: path for id_, path in paths.items() if path and path.is_file()}


def _audio(path: Path) -> AudioFacts:
    return AudioFacts(str(path), file_sha256(path), read_audio(path).seconds, ())
