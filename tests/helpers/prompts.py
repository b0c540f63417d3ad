"""The texts of the prompts, read from the package's files without the package."""

from places import ROOT

PROMPTS = ROOT / "src" / "jasco" / "protocol" / "prompts"
INSTRUCTIONS = (PROMPTS / "instructions.txt").read_text("utf-8").splitlines()
