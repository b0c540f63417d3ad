"""The command ``score`` with labels of annotators."""

import json
from pathlib import Path

from command import Jasco
from judged_files import CLIPS, write_judged_file
from labelled_files import write_gold


def test_corrected_figures_are_printed_only_with_labels(jasco: Jasco, tmp_path: Path) -> None:
    judged = write_judged_file(tmp_path / "judged.csv")
    labels = [(clip, number, "an answer", 1) for clip in CLIPS for number in range(1, 9)]
    labels += [(CLIPS[0], 1, "\x1b[31manother", 2)]
    gold = write_gold(tmp_path / "gold.csv", labels)
    result = jasco("score", judged, "--gold", gold)
    assert (result.status, result.stderr) == (0, "")
    assert "1 of 17 rows label other answers and are not used" in result.stdout
    assert "mean of judged" in result.stdout
    assert "at least 5 are needed" in result.stdout
    plain = jasco("score", judged).stdout
    assert "orrected" not in plain
    # Everything else is the same.
    added = result.stdout.partition("\nfigure ")[2].partition("\nDetails")[0]
    assert result.stdout.replace(f"\nfigure {added}", "") == plain


def test_corrected_figures_are_in_the_json(jasco: Jasco, tmp_path: Path) -> None:
    judged = write_judged_file(tmp_path / "judged.csv")
    gold = write_gold(tmp_path / "gold.csv", [(CLIPS[1], 2, "an answer", 1)])
    [model] = json.loads(jasco("score", judged, "--gold", gold, "--json").stdout)["models"].values()
    assert model["labels"]["items"] == 1
    assert model["corrected"]["mean"]["bias"] == 1
    assert model["corrected"]["mean"]["estimate"] is None
