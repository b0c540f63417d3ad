"""Forms that the app reads, and audio that it sends."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("starlette", reason="needs the extra viewer")

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from jasco.viewer.web import LARGEST_FORM, Form, form_route
from visitor import Visitor

Visit = Callable[..., Visitor]
MakeRun = Callable[..., Path]


def visit_form() -> Visitor:
    def put(_request: Request, form: Form) -> Response:
        return PlainTextResponse(repr(dict(form)))

    return Visitor(Starlette(routes=[form_route("/form", put)]))


@pytest.mark.parametrize(
    ("range_header", "status", "first", "last"),
    [
        ("bytes=0-", 206, 0, None), ("bytes=100-199", 206, 100, 200), ("bytes=-50", 206, -50, None),
        ("bytes=8000-99999999", 206, 8000, None), ("bytes=0-0", 206, 0, 1), ("", 200, 0, None),
        ("bytes=-", 200, 0, None), ("bytes=1-2,5-6", 200, 0, None), ("apples=1-2", 200, 0, None),
        ("bytes=-99999999", 206, 0, None), ("bytes=99999999-", 416, 0, 0),
        ("bytes=5-2", 416, 0, 0), ("bytes=-0", 416, 0, 0),
    ],
)  # fmt: skip
def test_a_player_may_ask_for_a_part_of_a_sound(
    visit: Visit, make_run: MakeRun, range_header: str, status: int, first: int, last: int | None
) -> None:
    visitor = visit(make_run())
    sound = visitor.get("/audio/1").content
    part = visitor.get("/audio/1", headers={"Range": range_header})
    assert part.status_code == status
    assert part.headers["accept-ranges"] == "bytes"
    assert part.content == sound[first:last]
    if status == 206:
        start = sound.index(part.content) if len(part.content) > 40 else 0
        end = start + len(part.content) - 1
        assert part.headers["content-range"] == f"bytes {start}-{end}/{len(sound)}"
    if status == 416:
        assert part.headers["content-range"] == f"bytes */{len(sound)}"


def test_forms_are_small_and_plain() -> None:
    visitor = visit_form()
    assert visitor.post("/form", data={"a": "x" * 60_000}).status_code == 200
    assert visitor.post("/form", data={"a": "x" * LARGEST_FORM}).status_code == 413
    chunks = (b"a=" + b"x" * 50_000 for _ in range(1000))
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert visitor.post("/form", content=chunks, headers=headers).status_code == 413
    assert visitor.post("/form", files={"a": b"b"}).status_code == 415
    assert visitor.post("/form", json={"a": "b"}).status_code == 415
    fields = "&".join(f"a{number}=" for number in range(50))
    assert visitor.post("/form", content=fields, headers=headers).status_code == 400


@given(st.binary(max_size=200))
def test_any_bytes_for_a_form_are_read_or_refused(body: bytes) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert visit_form().post("/form", content=body, headers=headers).status_code in (200, 400)


def test_a_form_is_read_as_it_was_written() -> None:
    fields = {"a": "é\n\N{SNOWMAN}&=+%", "b": ""}
    assert visit_form().post("/form", data=fields).text == repr(fields)
    submitted = {"a": "é\r\n\N{SNOWMAN}&=+%", "b": ""}  # browsers send line ends as CR LF
    assert visit_form().post("/form", data=submitted).text == repr(fields)
