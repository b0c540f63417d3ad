"""Where jasco keeps what it has fetched."""

import os
from pathlib import Path

from platformdirs import user_cache_dir


def cache_folder() -> Path:
    """Tell the folder for fetched files: ``JASCO_CACHE``, or the user's own cache."""
    return Path(os.environ.get("JASCO_CACHE") or user_cache_dir("jasco")).expanduser()
