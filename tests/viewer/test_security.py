"""Access to the app, and the headers of every response."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("starlette", reason="needs the extra viewer")

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from jasco.viewer.security import HEADERS, AccessMiddleware, Address
from jasco.viewer.web import Form, form_route
from visitor import Visitor

OPEN = Address("127.0.0.1", 8700)
TOKEN = Address("gpubox", 8700, "secret-token")


def visit_restricted(address: Address = OPEN, **options: Any) -> Visitor:
    def get(_request: Request) -> Response:
        return PlainTextResponse("in")

    def put(_request: Request, form: Form) -> Response:
        return PlainTextResponse(repr(dict(form)))

    routes = [Route("/", get), Route("/listen", get), form_route("/form", put)]
    return Visitor(AccessMiddleware(Starlette(routes=routes), address), **options)


def test_only_the_default_address_needs_no_token() -> None:
    assert Address.of("127.0.0.1", 1).token is None
    tokens = [Address.of(host, 1).token for host in ("0.0.0.0", "localhost", "::", "gpubox")]
    assert all(token and len(token) >= 32 for token in tokens)
    assert len(set(tokens)) == 4


def test_the_address_that_is_printed_holds_the_token() -> None:
    assert OPEN.url == "http://127.0.0.1:8700/"
    assert TOKEN.url == "http://gpubox:8700/?token=secret-token"
    assert Address("::1", 80).url == "http://[::1]:80/"
    assert Address("0.0.0.0", 80, "t").url == f"http://{socket.gethostname()}:80/?token=t"


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8700", "localhost:8700", "LOCALHOST:8700", "[::1]:8700"]
)
def test_its_own_host_names_are_accepted(host: str) -> None:
    assert visit_restricted(headers={"Host": host}).get("/").text == "in"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:8700", "127.0.0.1:8701", "127.0.0.1", "localhost.evil.example:8700", "",
        "evil@127.0.0.1:8700", "127.0.0.1:8700.evil.example", "[::1]", "0.0.0.0:8700",
        "10.0.0.1:8700", "127.0.0.1:99999", "127.0.0.1:8700\x00",
    ],
)  # fmt: skip
def test_another_host_name_is_refused_since_it_may_resolve_to_this_machine(host: str) -> None:
    response = visit_restricted(headers={"Host": host}).get("/")
    assert response.status_code == 421
    assert "in" not in response.text.split()


def test_port_80_may_be_left_out() -> None:
    address = Address("127.0.0.1", 80)
    assert address.is_ours("localhost")
    assert address.is_ours("localhost:80")
    assert not OPEN.is_ours("localhost")


def test_on_all_interfaces_only_numeric_addresses_and_the_machines_name_are_accepted() -> None:
    address = Address("0.0.0.0", 8700, "t")
    for host in ("192.168.1.7:8700", "[fe80::1]:8700", f"{socket.gethostname()}:8700"):
        assert address.is_ours(host)
    assert not address.is_ours("evil.example:8700")
    assert not address.is_ours("192.168.1.7.evil.example:8700")


@given(st.text())
def test_any_text_for_a_name_is_answered(host: str) -> None:
    assert OPEN.is_ours(host) in (True, False)


def visitor_with_token(**options: Any) -> Visitor:
    return visit_restricted(TOKEN, base_url="http://gpubox:8700", **options)


@pytest.mark.parametrize("path", ["/", "/form", "/nowhere", "/?token=", "/?token=secret-toke"])
def test_without_the_token_nothing_is_there(path: str) -> None:
    response = visitor_with_token().get(path)
    assert response.status_code == 403
    assert response.headers.get("set-cookie") is None


def test_the_token_becomes_a_cookie_that_scripts_and_other_sites_cannot_use() -> None:
    visitor = visitor_with_token()
    response = visitor.get("/listen?token=secret-token")
    cookie = response.headers["set-cookie"]
    assert "jasco-token-8700=secret-token" in cookie
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert 'content="0;url=/listen"' in response.text
    report = visitor_with_token().get("/report/0a1b-2c3d/?token=secret-token").text
    assert 'content="0;url=/report/0a1b-2c3d/"' in report
    assert "secret-token" not in response.text
    assert visitor.get("/").text == "in"


def test_the_token_redirects_to_no_other_site() -> None:
    for path in ("//evil.example", "/\\evil.example", "/form", "/report//evil/", '/"><script>'):
        response = visitor_with_token().get(f"{path}?token=secret-token")
        assert 'content="0;url=/"' in response.text


def test_a_wrong_cookie_is_no_token() -> None:
    visitor = visitor_with_token()
    for value in ("", "secret", "secret-token0", "\N{SNOWMAN}".encode().decode("latin-1")):
        cookie = f"{TOKEN.cookie}={value}".encode("latin-1")
        assert visitor.get("/", headers={b"Cookie": cookie}).status_code == 403


def test_a_form_with_a_wrong_token_in_its_address_is_refused() -> None:
    response = visitor_with_token(headers={"Origin": "http://gpubox:8700"}).post(
        "/form?token=wrong", data={"a": "b"}
    )
    assert response.status_code == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://127.0.0.1:8700"}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "http://127.0.0.1:8700", "Sec-Fetch-Site": "same-origin"}, 200),
        ({}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Origin": "https://127.0.0.1:8700"}, 403),
        ({"Origin": "http://127.0.0.1:8701"}, 403),
        ({"Origin": "http://localhost:8700"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Origin": "http://127.0.0.1:8700", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "null", "Sec-Fetch-Site": "same-origin"}, 403),
    ],
)
def test_forms_must_come_from_our_own_pages(headers: dict[str, str], status: int) -> None:
    response = visit_restricted(headers=headers).post("/form", data={"a": "b"})
    assert response.status_code == status
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
        response = visit_restricted(headers=headers).request(method, "/form")
        assert response.status_code in (403, 405)


def test_every_response_has_the_security_headers(
    visit: Callable[..., Visitor], make_run: Callable[..., Path]
) -> None:
    visitor = visit(make_run())
    responses = [
        visitor.get(path)
        for path in (
            "/", "/state", "/data.json", "/audio/0", "/sound/0", "/label", "/listen",
            "/static/page.css", "/nowhere", "/audio/nothing",
        )
    ]  # fmt: skip
    responses += [
        visitor.post("/", data={}),
        visitor.post("/listen/name", data={"name": ""}),
        visitor.get("/", headers={"Host": "evil.example"}),
        visitor_with_token().get("/"),
        visitor_with_token().get("/?token=secret-token"),
    ]
    for response in responses:
        assert (
            HEADERS.items()
            <= {name.title(): value for name, value in response.headers.items()}.items()
        )
        assert "access-control-allow-origin" not in response.headers
        assert response.headers["cache-control"] in ("no-store", "no-cache")
    policy = responses[0].headers["content-security-policy"]
    assert policy == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "media-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    )


@pytest.mark.parametrize(
    "path",
    [
        "/static/../security.py", "/static/..%2fsecurity.py", "/static/%2e%2e/app.py",
        "/static//etc/passwd", "/audio/..%2f..%2fetc%2fpasswd", "/audio/%2fetc%2fpasswd",
        "/audio/%2e%2e%2f", "/sound/..%5c..", "/audio/0%00", "/static/page.css%00.js",
        "/listen/..%2f..", "/listen/-1", "/listen/0", "/listen/²",
        "/listen/" + "9" * 5000,
    ],
)  # fmt: skip
def test_no_path_from_outside_reaches_the_disk(
    path: str, visit: Callable[..., Visitor], make_run: Callable[..., Path]
) -> None:
    response = visit(make_run()).get(path)
    assert response.status_code in (303, 404)
    assert "root:" not in response.text
    assert "Traceback" not in response.text


def test_a_bug_of_ours_is_a_plain_page(
    visit: Callable[..., Visitor],
    make_run: Callable[..., Path],
    messages: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from jasco.viewer import browse

    visitor = visit(make_run(), raise_server_exceptions=False)
    monkeypatch.setattr(browse, "sound_view", lambda _audio: 1 / 0)
    response = visitor.get("/sound/0")
    assert response.status_code == 500
    assert "ZeroDivisionError" not in response.text
    assert (
        HEADERS.items() <= {name.title(): value for name, value in response.headers.items()}.items()
    )
    assert messages == ["/sound/0: internal error: ZeroDivisionError: division by zero"]


PATHS = st.sampled_from(
    ("/", "/state", "/data.json", "/audio/", "/sound/", "/label",
     "/listen", "/listen/", "/listen/next", "/label/labels.csv", "/static/")
)  # fmt: skip
FIELDS = st.sampled_from(
    ("run", "clip", "prompt", "rating", "orientation", "note", "every", "name", "confirmed", "text",
     "answer", "participant", "token")
)  # fmt: skip
VALUES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.sampled_from(("0", "1", "Both", "Ada", "9" * 5000)),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(path=PATHS, suffix=VALUES, values=st.dictionaries(FIELDS, VALUES), cookie=VALUES)
def test_any_request_is_answered(
    path: str,
    suffix: str,
    values: dict[str, str],
    cookie: str,
    visit: Callable[..., Visitor],
    make_run: Callable[..., Path],
) -> None:
    visitor = visit(make_run(), follow_redirects=True)
    cookies = "; ".join(f"jasco-{role}={quote(cookie)}" for role in ("participant", "annotator"))
    address = path + (quote(suffix, safe="") if path.endswith("/") and len(path) > 1 else "")
    headers = {"Cookie": cookies}
    assert visitor.get(address, params=values, headers=headers).status_code < 500
    for form in ("/listen/name", "/listen/1", "/label", "/label/name"):
        assert visitor.post(form, data=values, headers=headers).status_code < 500
