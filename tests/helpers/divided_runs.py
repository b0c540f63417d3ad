"""A run in shards, written row by row."""

import json
from pathlib import Path

from jasco.protocol.responses import Failure, Response
from jasco.protocol.verdicts import Judgement
from jasco.runs.audio_manifest import AudioFacts
from jasco.runs.schema import response_row, verdict_row
from jasco.runs.shards import all_shards
from jasco.runs.writer import RunWriter
from rows_of_runs import DATA, JUDGEMENT, spec


def write_shards(run: Path, count: int = 2) -> Path:
    """Write a divided run on three clips, with one judge and a failure."""
    with RunWriter.open(run) as whole:
        whole.set_shards(count)
        whole.set_data(DATA)
        whole.set_protocol("v2")
        whole.set_model(spec("m"))
        whole.add_judges([spec("j"), spec("k")])
        whole.widen(3)
    for shard in all_shards(count):
        with RunWriter.open(run) as whole, RunWriter.open(shard.folder(run)) as part:
            part.become_shard(shard, whole)
            part.set_proxy(2, True)
            usage = {"openai/m": {"calls": shard.number}}
            part.set_facts({"spent": json.dumps(usage), "runtime": json.dumps([{"device": "cpu"}])})
            for place in part.places:
                id_ = str(place)
                findings = AudioFacts(f"/{id_}", f"hash {id_}", 1.0, (), warnings=("silent",))
                part.set_audio({id_: findings})
                rows = [
                    response_row(1, place, number, Response("a"), 1.0) for number in range(1, 8)
                ]
                rows.append(response_row(1, place, 8, Failure("timeout", "late"), 1.0))
                outcome: Judgement | Failure = JUDGEMENT
                rows += [verdict_row(1, 2, "v2", 0, place, n, outcome, 1.0) for n in range(1, 8)]
                part.commit(rows)
    return run
