"""Update ``gold-cascade.csv`` with the cascade's responses about ``mini``.

    jasco respond cascade --data mini --run RUN
    python recipes/mini/collect_outputs.py RUN

Each different response about a clip is a row, with the first instruction that led to it. Where a
response has been labelled, the labels are kept; new responses come without, for annotators to fill
in. Responses that the run does not hold are left out.
"""

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from make_clips import MINI

from jasco.data.csv_files import read_table, write_table

GOLD = MINI / "gold-cascade.csv"
RESPONSES = """
SELECT id, text AS allm_output, min(instruction) AS prompt_index, annotations_sha256
FROM responses JOIN clips USING (clip) WHERE text IS NOT NULL
GROUP BY clip, text ORDER BY clip, prompt_index
"""


def collect(run: Path, labelled: dict[tuple[str, str], dict[str, str]]) -> Iterator[dict[str, str]]:
    """Yield a run's different responses, with the labels that they have."""
    last = max(int(row["row_id"]) for row in labelled.values())
    with closing(sqlite3.connect(run / "run.db")) as connection:
        responses = connection.execute(RESPONSES).fetchall()
    for clip, text, prompt, sha256 in responses:
        row = labelled.get((clip, text))
        if row is None:
            last += 1
            row = {"row_id": str(last), "id": clip, "clip_sha": sha256[:12], "allm_output": text}
            row |= {"style": "cascade", "adversarial": "0"}
        yield row | {"prompt_index": str(prompt)}


def main(run: Path) -> None:
    """Write the file, and print how many responses have no labels yet."""
    table = read_table(GOLD)
    rows = list(collect(run, {(row["id"], row["allm_output"]): row for row in table.rows}))
    write_table(GOLD, table.columns, rows)
    new = sum("rating" not in row for row in rows)
    print(f"{GOLD}: {len(rows)} responses, {new} of them to be labelled")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
