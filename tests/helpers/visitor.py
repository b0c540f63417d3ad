"""A client of the viewer that needs neither a server nor a browser."""

from typing import Any

import pytest

pytest.importorskip("starlette", reason="needs the extra viewer")
pytest.importorskip("jinja2", reason="needs the extra viewer")

from starlette.testclient import TestClient

PORT = 8700
HERE = f"http://127.0.0.1:{PORT}"


class Visitor(TestClient):
    """A client that keeps cookies and does not follow redirects."""

    def __init__(self, app: Any, **options: Any) -> None:
        defaults = {"base_url": HERE, "follow_redirects": False, "headers": {"Origin": HERE}}
        super().__init__(app, **(defaults | options))

    def send_form(self, address: str, **fields: object) -> Any:
        """Send a form as the app's own pages do."""
        return self.post(address, data={name: str(value) for name, value in fields.items()})
