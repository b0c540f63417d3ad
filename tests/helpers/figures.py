"""The figures of scores, as JSON."""

from typing import Any

import jasco


def figures_of(scores: jasco.Scores) -> dict[str, Any]:
    """Return the JSON object of the single model of some scores."""
    [figures] = scores.to_json()["models"].values()
    return dict(figures)
