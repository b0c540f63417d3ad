"""``jasco view``: it prints an address and serves until it is interrupted."""

import re
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from command import Jasco
from processes import wait_for
from synthetic import make_data

pytest.importorskip("uvicorn", reason="needs the extra viewer")

MakeRun = Callable[..., Path]
NO_BROWSER = ("--no-browser", "--port", 0)


def printed_url(home: Path, number: int = 0) -> str:
    stderr = home / f"command-{number}.err"
    wait_for(stderr, "http://")
    match = re.search(r"http://\S+", stderr.read_text())
    assert match
    return match[0]


def fetch(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=20) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_its_address_and_ends_on_a_signal(
    jasco: Jasco, make_run: MakeRun, tmp_path: Path, signal_number: signal.Signals
) -> None:
    command = jasco.start("view", make_run(), *NO_BROWSER)
    url = printed_url(tmp_path)
    assert re.fullmatch(r"http://127\.0\.0\.1:[0-9]+/", url)
    status, page = fetch(url)
    assert status == 200
    assert "csv/model" in page
    began = time.monotonic()
    command.send(signal_number)
    result = command.finish()
    assert time.monotonic() - began < 5
    assert (result.status, result.stdout) == (0, "")
    [line] = result.stderr.splitlines()
    assert url in line


def test_nothing_needs_to_be_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_run: MakeRun
) -> None:
    from jasco.viewer.app import default_roots

    monkeypatch.chdir(tmp_path)
    assert default_roots() == []
    make_run("runs/a")
    assert default_roots() == [Path("runs")]


@pytest.mark.parametrize("host", ["localhost", "0.0.0.0"])
def test_any_other_address_needs_the_token_that_is_printed(
    jasco: Jasco, tmp_path: Path, host: str
) -> None:
    jasco.start("view", "--host", host, *NO_BROWSER)
    url = printed_url(tmp_path)
    port, token = re.fullmatch(r"http://[^/]+:([0-9]+)/\?token=([\w-]{32,})", url).groups()
    for path in ("/", "/state", "/listen", "/static/page.css", "/?token=x"):
        assert fetch(f"http://127.0.0.1:{port}{path}")[0] == 403
    assert fetch(f"http://127.0.0.1:{port}/?token={token}")[0] == 200


def test_a_port_that_is_taken_is_an_error_of_one_line(jasco: Jasco) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        result = jasco("view", "--port", port, "--no-browser")
    assert result.status == 2
    [line] = result.stderr.splitlines()
    assert f"port {port}" in line
    assert "--port" in line


@pytest.mark.parametrize("port", ["65536", "-1", "x", "1.5", "²", "999999999"])
def test_an_invalid_port_is_an_error(jasco: Jasco, port: str) -> None:
    result = jasco("view", "--port", port)
    assert result.status == 2
    [line] = result.stderr.splitlines()
    assert "--port" in line


def test_an_address_of_another_machine_is_an_error(jasco: Jasco) -> None:
    for host in ("203.0.113.1", "no.such.host.invalid"):
        result = jasco("view", "--host", host, *NO_BROWSER)
        assert result.status == 2
        [line] = result.stderr.splitlines()
        assert f"cannot listen on {host}" in line


def test_runs_on_other_data_are_refused(jasco: Jasco, make_run: MakeRun, tmp_path: Path) -> None:
    run, other = make_run(), make_data(tmp_path / "other", clips=2)
    result = jasco("view", run, "--data", other, *NO_BROWSER)
    assert result.status == 2
    [line] = result.stderr.splitlines()
    assert f"{run} and --data" in line


def test_the_runs_in_a_folder_are_listed(jasco: Jasco, make_run: MakeRun, tmp_path: Path) -> None:
    for name, model in (("runs/a", "first"), ("runs/sub/b", "second")):
        make_run(name, model=model)
    jasco.start("view", tmp_path / "runs", *NO_BROWSER)
    status, page = fetch(printed_url(tmp_path))
    assert status == 200
    assert "csv/first" in page
    assert "csv/second" in page
    assert "Open report" in page


def test_what_is_no_run_is_an_error(jasco: Jasco, tmp_path: Path) -> None:
    (tmp_path / "judged.csv").touch()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.db").write_text("x" * 1000)
    file = jasco("view", tmp_path / "judged.csv", *NO_BROWSER)
    assert (file.status, len(file.stderr.splitlines())) == (2, 1)
    broken = jasco("view", tmp_path / "broken", *NO_BROWSER)
    assert (broken.status, len(broken.stderr.splitlines())) == (3, 1)
    nowhere = jasco("view", "--data", tmp_path / "nowhere", *NO_BROWSER)
    assert (nowhere.status, len(nowhere.stderr.splitlines())) == (2, 1)


def test_a_browser_is_opened_where_there_is_a_screen(jasco: Jasco, tmp_path: Path) -> None:
    url_file, program = tmp_path / "opened", tmp_path / "browser"
    program.write_text(f'#!/bin/sh\necho "$1" > {url_file}\n')
    program.chmod(0o755)
    screen = {"DISPLAY": ":77", "BROWSER": f"{program} %s"}
    jasco.start("view", "--port", 0, env=screen)
    wait_for(url_file, "http://")
    assert url_file.read_text().strip() == printed_url(tmp_path)
    url_file.unlink()
    jasco.start("view", *NO_BROWSER, env=screen)
    jasco.start("view", "--port", 0, env=screen | {"DISPLAY": "", "WAYLAND_DISPLAY": ""})
    assert [fetch(printed_url(tmp_path, number))[0] for number in (1, 2)] == [200, 200]
    assert not url_file.exists()


def test_without_the_extra_the_error_names_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from jasco.cli.main import main

    for module in [name for name in sys.modules if name.startswith("jasco.viewer")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "starlette.applications", None)
    handler = signal.getsignal(signal.SIGTERM)
    try:
        assert main(["view", "--no-browser"]) == 2
    finally:
        signal.signal(signal.SIGTERM, handler)
    assert "pip install 'jasco[viewer]'" in capsys.readouterr().err


def test_participants_runs_are_written_to_the_named_folder(
    jasco: Jasco, tmp_path: Path, data: Path
) -> None:
    folder = tmp_path / "kept"
    jasco.start("view", "--data", data, "--human-runs", folder, *NO_BROWSER)
    url = printed_url(tmp_path)
    form = urllib.request.Request(
        f"{url}listen/name", data=b"name=Ada", headers={"Origin": url.rstrip("/")}
    )
    with urllib.request.urlopen(form, timeout=20) as response:
        assert response.status == 200
    [run] = folder.iterdir()
    assert re.fullmatch(r"ada-[0-9a-f]{16}", run.name)
    assert (run / "run.db").is_file()
