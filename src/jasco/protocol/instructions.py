"""The eight instructions, in the published order."""

from importlib.resources import files

INSTRUCTIONS: tuple[str, ...] = tuple(
    (files("jasco.protocol") / "prompts" / "instructions.txt").read_text("utf-8").splitlines()
)
SOUND_FIRST = (1, 4, 6, 7)
"""Numbers of the instructions that name the sound before the speech."""
