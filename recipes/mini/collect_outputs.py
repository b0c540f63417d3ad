"""Bring ``gold-cascade.csv`` up to date with what the cascade answers about ``mini``.

    jasco respond cascade --data mini --run RUN
    python recipes/mini/collect_outputs.py RUN

Each different answer about a clip is a row, with the first instruction that drew it. Where a
clip's answer is one that has been labelled, the labels are kept; new answers come without, for
annotators to fill in. Answers that are given no more are left out.
"""

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from make_clips import MINI

from jasco.data.csv_files import read_table, write_table

GOLD = MINI / "gold-cascade.csv"
ANSWERS = """
SELECT id, text AS allm_output, min(instruction) AS prompt_index, annotations_sha256
FROM responses JOIN clips USING (clip) WHERE text IS NOT NULL
GROUP BY clip, text ORDER BY clip, prompt_index
"""


def collect(run: Path, labelled: dict[tuple[str, str], dict[str, str]]) -> Iterator[dict[str, str]]:
    """Go through a run's different answers, with the labels that they have."""
    last = max(int(row["row_id"]) for row in labelled.values())
    with closing(sqlite3.connect(run / "run.db")) as connection:
        answers = connection.execute(ANSWERS).fetchall()
    for clip, text, prompt, sha256 in answers:
        row = labelled.get((clip, text))
        if row is None:
            last += 1
            row = {"row_id": str(last), "id": clip, "clip_sha": sha256[:12], "allm_output": text}
            row |= {"style": "cascade", "adversarial": "0"}
        yield row | {"prompt_index": str(prompt)}


def main(run: Path) -> None:
    """Write the file anew, and say what is to be labelled."""
    table = read_table(GOLD)
    rows = list(collect(run, {(row["id"], row["allm_output"]): row for row in table.rows}))
    write_table(GOLD, table.columns, rows)
    new = sum("rating" not in row for row in rows)
    print(f"{GOLD}: {len(rows)} answers, {new} of them to be labelled")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
