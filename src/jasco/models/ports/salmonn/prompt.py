"""The prompt's text, and the decoding presets of the published scripts."""

from jasco.models.ports.decoding import Preset

_LEFT, _RIGHT = "USER: <Speech>", "</Speech> {}\nASSISTANT:"

PRESETS = {
    # configs/decode_config.yaml of the official code
    "official": Preset(max_new_tokens=200, num_beams=4),
    "greedy": Preset(max_new_tokens=200),
    # The script of the model card. Its max_length of 200 includes BOS; it sets no top_k, so the
    # default of transformers, 50, applies.
    "card": Preset(max_new_tokens=199, temperature=1.0, top_p=0.9, top_k=50, num_beams=4, seed=0),
}
"""Decoding presets by name; only ``card`` samples."""


def split_prompt(question: str, preset: str = "official") -> tuple[str, str]:
    """Return the prompt's text before and after the clip; each is tokenised on its own.

    Parameters
    ----------
    question : str
        The question; white space around it is stripped, except with the preset ``card``.
    preset : str
        One of :data:`PRESETS`.
    """
    return _LEFT, _RIGHT.format(question if preset == "card" else question.strip())
