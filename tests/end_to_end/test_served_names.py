"""Model names that servers report: one printable line in all outputs."""

import csv
import io
import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from chat_server import Serve
from command import Jasco
from jasco.protocol.responses import served_name

ODD = "big\n\x1b[31mred\x1b[0m\r\n\t|judges:forged\u202e<script>x</script>" + "y" * 10_000


@given(st.text())
def test_a_name_is_one_line_and_cleaning_is_idempotent(text: str) -> None:
    name = served_name(text)
    assert name.isprintable()
    assert len(name) <= 100
    assert served_name(name) == name


def test_terminal_sequences_are_removed() -> None:
    assert served_name("a\x1b[1;31mb\x1b]0;title\x07c") == "abc"


def test_an_odd_name_is_one_line_everywhere(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    url = serve(served=(ODD, "other")).url
    run = tmp_path / "run"
    result = jasco(
        "eval", f"openai/ears,base_url={url}", "--data", data, "--run", run,
        "--judge", f"openai/m,base_url={url}", "--no-preflight",
    )  # fmt: skip
    assert result.status in (0, 4), result.stderr
    outputs = [result.stdout, result.stderr, jasco("score", run).stdout]
    for form in ("markdown", "latex", "csv", "json"):
        text = jasco("report", run, "--format", form).stdout
        assert text
        outputs.append(text)
    page = tmp_path / "page.html"
    assert jasco("report", run, "-o", page, "--audio", "none").status == 0
    outputs.append(page.read_text())
    for text in outputs:
        assert "\x1b" not in text
        assert "y" * 101 not in text
        assert "<script>x" not in page.read_text()
    summary = json.loads(jasco("score", run, "--json").stdout)
    [signature] = [line for line in outputs[2].splitlines() if line.startswith("signature: ")]
    assert signature == f"signature: {summary['signature']}"
    assert "|judges:forged" not in signature
    [model] = summary["models"].values()
    assert all(name.isprintable() for name in model["served"])
    assert list(csv.reader(io.StringIO(outputs[5])))
