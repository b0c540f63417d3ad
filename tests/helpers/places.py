"""Paths: the project, the test helpers, and data that may lie beside the project."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"
PUBLISHED = SHARED / "watd"
HELPERS = ROOT / "tests" / "helpers"
