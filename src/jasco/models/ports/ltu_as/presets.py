"""Decoding presets, by the name that a spec gives."""

from collections.abc import Mapping
from dataclasses import replace

from jasco.models.ports.decoding import Preset

# The published scripts set no seed; with one, answers are reproducible.
_OFFICIAL = Preset(
    max_new_tokens=500, temperature=0.1, top_p=0.95, top_k=500, repetition_penalty=1.1, seed=0
)

PRESETS: Mapping[str, Preset] = {
    "official": _OFFICIAL,
    "batch": replace(_OFFICIAL, max_new_tokens=400),
    "greedy": replace(_OFFICIAL, temperature=0.0, top_p=None, top_k=None, seed=None),
}
"""``official``: settings of the published demo. ``batch``: settings of the published script for
batches of clips, which differ in the length of answers only. ``greedy``: as ``official``, but
with greedy decoding."""
