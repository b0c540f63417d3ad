"""The files of a folder, to compare with what is expected."""

from pathlib import Path


def folder_contents(folder: Path) -> dict[str, bytes]:
    """Return the content of every file below a folder, by its path relative to the folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
