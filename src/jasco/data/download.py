"""Downloads of files whose hashes are known."""

import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from jasco.errors import IncompleteError, one_line
from jasco.terminal import progress_bar

_TIMEOUTS = (5, 30)  # seconds until a connection, and until the next bytes
_ABANDONED = 24 * 3600  # seconds without a change after which a temporary file is abandoned


class DownloadError(IncompleteError):
    """A file cannot be downloaded; files that were already downloaded are kept."""


def download(
    source: str,
    hashes: Mapping[str, str],
    folder: Path,
    *,
    title: str,
    size: int,
    retries: int = 2,
) -> None:
    """Download files into a folder, except those that it already contains.

    A file appears in the folder once it is complete and its hash is verified, so that any number of
    processes may download the same files at the same time.

    Parameters
    ----------
    source : str
        The common beginning of the files' addresses.
    hashes : mapping of str to str
        The SHA-256 of each file, by its path below ``source`` and ``folder``.
    folder : pathlib.Path
        The destination.
    title : str
        Text of the progress bar, which is shown on a terminal.
    size : int
        Total size of the files in bytes; a larger file is refused.
    retries : int
        Number of retries for each file.

    Raises
    ------
    DownloadError
        The source cannot be reached, or a file is missing or has another hash.
    OSError
        The folder cannot be written.
    """
    import pooch
    import requests

    for place in {(folder / path).parent for path in hashes}:
        remove_abandoned(place)
    pooch.get_logger().setLevel("ERROR")
    registry = {path: f"sha256:{sha256}" for path, sha256 in hashes.items()}
    files = pooch.create(folder, source, registry=registry, retry_if_failed=retries)
    with progress_bar(title, size, "bytes") as bar:
        downloaded = 0

        def save_url(url: str, file: str, _pooch: object) -> None:
            with (
                requests.get(url, stream=True, timeout=_TIMEOUTS) as response,
                Path(file).open("wb") as target,
            ):
                response.raise_for_status()
                written = downloaded
                for chunk in limited(response.iter_content(1 << 16), size):
                    written += target.write(chunk)
                    bar.update(written)

        for number, path in enumerate(hashes):
            try:
                downloaded += Path(files.fetch(path, downloader=save_url)).stat().st_size
            except (requests.RequestException, ValueError, DownloadError) as error:
                is_offline = isinstance(error, requests.ConnectionError)
                reason = "cannot be reached; check the internet connection" if is_offline else error
                raise DownloadError(
                    f"{source}{path}: {one_line(reason).partition(' for url')[0]}; {number} of "
                    f"{len(hashes)} files are in {folder}"
                ) from None
            bar.update(downloaded)


def limited(chunks: Iterable[bytes], most: int) -> Iterator[bytes]:
    """Yield chunks; raise :class:`DownloadError` if their total size exceeds a limit.

    The size of a download is not always known beforehand, and compressed data may expand to any
    size.
    """
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > most:
            raise DownloadError(f"larger than the expected {most:,} bytes")
        yield chunk


def remove_abandoned(folder: Path) -> None:
    """Remove temporary files and folders of killed downloads that are older than a day."""
    for path in folder.glob("tmp*"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _ABANDONED:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
