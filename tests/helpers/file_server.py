"""A web server for the files of a folder, for tests of downloads."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class FileServer:
    """Serves a folder; ``requested`` lists the paths of its requests.

    While the event ``ready`` is cleared, requests for audio wait.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.requested: list[str] = []
        self.ready = threading.Event()
        self.ready.set()
        file_server = self

        class Handler(SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                file_server.requested.append(self.path)
                if self.path.endswith(".wav"):
                    file_server.ready.wait(30)
                super().do_GET()

            def log_message(self, *arguments: object) -> None:
                pass

        handler = partial(Handler, directory=str(folder))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        """Stop the server."""
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def serve_folder(folder: Path) -> Iterator[FileServer]:
    """Serve a folder within a ``with`` block."""
    server = FileServer(folder)
    try:
        yield server
    finally:
        server.close()
