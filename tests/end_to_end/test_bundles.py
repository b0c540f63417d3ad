"""A run by servers is published, verified on another machine, and ranked; nothing leaks."""

import json
from pathlib import Path

import pytest

from chat_server import Serve
from command import Jasco
from made_bundles import members_of, with_rows

pytestmark = pytest.mark.slow

KEY = "sk-proj-4f9a8b7c6d5e"


def test_a_run_is_published_and_checked_without_the_run(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    # Some verdicts need a repair, some answers fail, and the server repeats the key.
    url = serve(
        judge_says={"watching the weather, clip 1": "Rating: 1\nOrientation: unclear"},
        repair_says="Orientation: Speech-Oriented",
        status_by_text={"what specific scenario": 400},
    ).url
    env = {"OPENAI_API_KEY": KEY}
    judges = [f"openai/j,base_url={url}", f"openai/k,base_url={url},output=json,repeats=2"]
    result = jasco(
        "eval", f"openai/ears,base_url={url}", "--data", data, "--run", tmp_path / "run",
        "--no-preflight", "--judge", judges[0], "--judge", judges[1], env=env,
    )  # fmt: skip
    assert result.status in (0, 4), result.stderr
    bundles = []
    for name in ("a", "b"):
        written = jasco("bundle", tmp_path / "run", "-o", tmp_path / f"{name}.zip", env=env)
        assert written.status == 0, written.stderr
        bundles.append((tmp_path / f"{name}.zip").read_bytes())
    assert bundles[0] == bundles[1]

    bundle = tmp_path / "a.zip"
    (tmp_path / "run").rename(tmp_path / "elsewhere")
    assert jasco("verify", bundle, "--data", data).status == 0
    members = members_of(bundle)
    text = b"".join(members.values()).decode()
    for secret in (KEY, str(tmp_path), url, "127.0.0.1"):
        assert secret not in text
    stored = json.loads(members["scores.json"])["models"]["openai/ears"]
    scored = json.loads(jasco("score", tmp_path / "elsewhere", "--json").stdout)
    own = scored["models"]["openai/ears"]
    assert stored["best_mean_ci"] == own["best_mean_ci"]
    assert stored["agreement"] == own["agreement"]
    assert list(stored["judges"]) == list(own["judges"])

    repaired = [
        row
        for line in members["verdicts.jsonl"].splitlines()
        for row in [json.loads(line)]
        if len(row.get("attempts", ())) == 2
    ]
    assert repaired
    change = {"Audio-Oriented": "Both"}.get(repaired[0]["orientation"], "Audio-Oriented")
    forged = with_rows(
        bundle,
        "verdicts.jsonl",
        lambda rows: rows[rows.index(repaired[0])].update(orientation=change),
    )
    assert jasco("verify", forged).status == 2

    board = tmp_path / "board.html"
    assert jasco("leaderboard", bundle, "-o", board).status == 0
    assert "openai/ears" in board.read_text()
