"""Runs made by hand: any answers, any verdicts, without anybody having answered or judged."""

from collections.abc import Callable, Mapping
from pathlib import Path

from jasco.protocol.verdict_parser import read_verdict

from jasco.backends.specs import parse_spec
from jasco.data.audio import file_sha256, read_audio
from jasco.data.dataset import DataSet
from jasco.judges.chat_judge import ChatJudge
from jasco.models.csv_model import CsvModel
from jasco.protocol.clips import items_of
from jasco.protocol.responses import Failure, Response
from jasco.protocol.verdicts import Attempt, Judgement
from jasco.runs.audio_manifest import AudioFacts
from jasco.runs.schema import response_row, verdict_row
from jasco.runs.writer import RunWriter

Answer = Callable[[int, int], str | Response | Failure | None]
"""What is answered to a clip, by place, and a prompt; None: nothing yet."""
Judge = Callable[[int, int], str | Failure | None]
"""What a judge writes of an answer."""


def verdict(rating: object, orientation: str, reason: str = "Because.") -> str:
    """Write a verdict as judges do."""
    return f"{reason}\nRating: {rating}\nOrientation: {orientation}"


def write_run(
    folder: Path,
    data: DataSet,
    answer: Answer,
    judges: Mapping[str, Judge],
    model: str = "model",
) -> Path:
    """Write a run, or go on with it; give its folder."""
    with RunWriter.open(folder) as store:
        clips = store.set_data(data).clips
        store.set_protocol("v2")
        store.widen(len(clips))
        store.set_audio({id_: _audio(path) for id_, path in _paths(data).items()})
        number = store.set_model(parse_spec(f"csv/{model}", CsvModel))
        specs = [parse_spec(f"openai/{name}", ChatJudge) for name in judges]
        numbers = store.add_judges(specs)
        rows = []
        for place, clip in enumerate(clips):
            for item in items_of(clip):
                said = answer(place, item.number)
                if said is None:
                    continue
                said = Response(said, "stop") if isinstance(said, str) else said
                rows.append(response_row(number, place, item.number, said, 1.0))
                if isinstance(said, Failure):
                    continue
                for judge, write in zip(numbers, judges.values(), strict=True):
                    text = write(place, item.number)
                    if text is None:
                        continue
                    outcome = (
                        text
                        if isinstance(text, Failure)
                        else Judgement(read_verdict(text), (Attempt("verdict", text),))
                    )
                    at = place, item.number
                    rows.append(verdict_row(number, judge, "v2", 0, *at, outcome, 1.0))
        store.commit(rows)
    return folder


def _paths(data: DataSet) -> dict[str, Path]:
    paths = {clip.id: data.audio_path(clip) for clip in data.clips}
    return {id_: path for id_, path in paths.items() if path and path.is_file()}


def _audio(path: Path) -> AudioFacts:
    return AudioFacts(str(path), file_sha256(path), read_audio(path).seconds, ())
