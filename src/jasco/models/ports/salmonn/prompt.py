"""The words around the sound, and how the published scripts draw the answer."""

from jasco.models.ports.decoding import Preset

_LEFT, _RIGHT = "USER: <Speech>", "</Speech> {}\nASSISTANT:"

PRESETS = {
    # configs/decode_config.yaml of the published code
    "official": Preset(max_new_tokens=200, num_beams=4),
    "greedy": Preset(max_new_tokens=200),
    # The script of the model card. Its length of 200 counts the token that begins the text; it
    # names no top_k, so transformers' 50 holds.
    "card": Preset(max_new_tokens=199, temperature=1.0, top_p=0.9, top_k=50, num_beams=4, seed=0),
}
"""By name; of those with several beams, ``official`` draws nothing."""


def split_prompt(question: str, preset: str = "official") -> tuple[str, str]:
    """Give the text before the sound and behind it; each is tokenised on its own.

    Parameters
    ----------
    question : str
        The card's script takes it as it is; otherwise white space around it is left out.
    preset : str
        One of :data:`PRESETS`.
    """
    return _LEFT, _RIGHT.format(question if preset == "card" else question.strip())
