"""Where jasco keeps what it has fetched, and what it knows of judges."""

import os
from pathlib import Path

from platformdirs import user_cache_dir, user_data_dir


def cache_folder() -> Path:
    """Tell the folder for fetched files: ``JASCO_CACHE``, or the user's own cache."""
    return Path(os.environ.get("JASCO_CACHE") or user_cache_dir("jasco")).expanduser()


def data_folder() -> Path:
    """Tell the folder for what cost something: ``JASCO_DATA``, or the user's own data."""
    return Path(os.environ.get("JASCO_DATA") or user_data_dir("jasco")).expanduser()
