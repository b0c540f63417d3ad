"""Where things are: the project, the stand-ins, and material that may lie beside the project."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"
PUBLISHED = SHARED / "watd"
HELPERS = ROOT / "tests" / "helpers"
PROMPTS = ROOT / "src" / "jasco" / "protocol" / "prompts"
