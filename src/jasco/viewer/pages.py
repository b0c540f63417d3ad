"""Templates filled in, and the few files that pages link to."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from jinja2 import FileSystemLoader
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from jasco.reports.page.render import environment, static

_FOLDER = files("jasco.viewer")
_TEMPLATES = environment(FileSystemLoader(str(_FOLDER / "templates")))
_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


def _own(name: str) -> str:
    return (_FOLDER / "static" / name).read_text("utf-8")


_STATIC: Mapping[str, str] = {
    **{name: static(name) for name in ("page.css", "page.js")},
    **{name: _own(name) for name in ("viewer.css", "icon.svg", "live.js", "keys.js")},
}


def filled(template: str, **values: Any) -> str:
    """Fill in a template."""
    return _TEMPLATES.get_template(template).render(values)


def page(template: str, status: int = 200, **values: Any) -> Response:
    """Answer with a template filled in."""
    return HTMLResponse(filled(template, **values), status)


def trouble(status: int, line: str) -> Response:
    """Answer with a plain page that says what is wrong."""
    return page("trouble.html", status, line=line)


def static_file(request: Request) -> Response:
    """Answer with a style sheet, a script or the icon."""
    name = request.path_params["name"]
    if name not in _STATIC:
        return trouble(404, "There is no such file.")
    kind = _TYPES[name.rpartition(".")[2]]
    return Response(_STATIC[name], media_type=kind, headers={"Cache-Control": "no-cache"})
