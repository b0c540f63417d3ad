"""How answers are drawn, under the names that a user gives."""

from collections.abc import Mapping
from dataclasses import replace

from jasco.models.ports.decoding import Preset

# The published scripts set no seed; with one, the same question gets the same answer.
_OFFICIAL = Preset(
    max_new_tokens=500, temperature=0.1, top_p=0.95, top_k=500, repetition_penalty=1.1, seed=0
)

PRESETS: Mapping[str, Preset] = {
    "official": _OFFICIAL,
    "batch": replace(_OFFICIAL, max_new_tokens=400),
    "greedy": replace(_OFFICIAL, temperature=0.0, top_p=None, top_k=None, seed=None),
}
"""``official``: the published demo's. ``batch``: the published script's for many clips, which
differs in length alone. ``greedy``: the demo's, with the likeliest token each time."""
