"""The file of a bundle: reproducible, and refused in one line if it is hostile."""

import json
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jasco.errors import InputError
from jasco.runs.bundles import archive
from jasco.runs.bundles.archive import MEMBERS, read_bundle_file, write_bundle_file

CONTENT = {name: f"{{}} of {name}\n".encode() for name in MEMBERS}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Write a bundle whose members are short texts."""
    path = tmp_path / "b.zip"
    write_bundle_file(path, CONTENT)
    return path


def rebuilt(path: Path, change: Callable[[zipfile.ZipFile], object]) -> Path:
    """Add something to a copy of a bundle."""
    other = path.with_name("other.zip")
    other.write_bytes(path.read_bytes())
    with zipfile.ZipFile(other, "a") as file:
        change(file)
    return other


def refused(path: Path) -> str:
    with pytest.raises(InputError) as error:
        read_bundle_file(path)
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


def test_the_same_members_give_the_same_bytes(bundle: Path) -> None:
    other = bundle.with_name("again.zip")
    sha256 = write_bundle_file(other, dict(reversed(CONTENT.items())))
    assert other.read_bytes() == bundle.read_bytes()
    digest, members, changed = read_bundle_file(bundle)
    assert (digest, members, changed) == (sha256, CONTENT, {})


def test_a_member_with_another_hash_than_in_the_manifest_is_named(bundle: Path) -> None:
    with zipfile.ZipFile(bundle) as file:
        contents = {name: file.read(name) for name in file.namelist()}
    with zipfile.ZipFile(bundle, "w") as file:
        for name, content in contents.items():
            file.writestr(name, content + b" " * (name == "run.json"))
    _, _, changed = read_bundle_file(bundle)
    assert list(changed) == ["run.json"]


def test_unknown_names_are_refused_whatever_they_are(bundle: Path) -> None:
    for name in (
        "../evil",
        "/etc/passwd",
        "run.json/",
        "C:\\x",
        "RUN.JSON",
        "a" * 60_000,
        "\x1b[2J",
    ):
        assert "it contains" in refused(rebuilt(bundle, lambda file, n=name: file.writestr(n, "x")))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_given_twice_is_refused(bundle: Path) -> None:
    assert "twice" in refused(rebuilt(bundle, lambda file: file.writestr("run.json", "{}")))


def test_a_missing_member_is_named(bundle: Path) -> None:
    with zipfile.ZipFile(bundle, "w") as file:
        file.writestr("run.json", "{}")
    assert "is missing" in refused(bundle)


def test_links_and_encrypted_members_are_refused(bundle: Path) -> None:
    content = bytearray(bundle.read_bytes())
    first = content.index(b"PK\x01\x02")
    linked = content.copy()
    linked[first + 38 : first + 42] = struct.pack("<I", (stat.S_IFLNK | 0o777) << 16)
    bundle.write_bytes(linked)
    assert "not a file" in refused(bundle)
    for place in (first + 8, content.index(b"PK\x03\x04") + 6):
        content[place] |= 1
    bundle.write_bytes(content)
    assert "encrypted" in refused(bundle)


def test_bombs_are_refused_before_they_are_read(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bundle_file(bundle, {**CONTENT, "run.json": b"0" * 3_000_000})
    assert "compressed too much" in refused(bundle)
    monkeypatch.setattr(archive, "_MOST_BYTES", 100_000)
    assert "decompressed" in refused(bundle)
    monkeypatch.setattr(archive, "_MOST_BYTES", 50)
    assert "more than" in refused(bundle)
    with pytest.raises(InputError, match="not written"):
        write_bundle_file(bundle, CONTENT)


def test_a_long_list_of_members_is_refused_before_it_is_read(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commented = rebuilt(bundle, lambda file: setattr(file, "comment", b"PK"))
    commented = commented.rename(commented.with_name("commented.zip"))
    long = rebuilt(bundle, lambda file: [file.writestr(f"{n}" * 99, "") for n in range(1000)])
    monkeypatch.delattr(archive.zipfile, "ZipFile")
    assert "too long" in refused(long)
    assert "end like a zip" in refused(commented)


def test_a_member_that_is_larger_than_it_says_is_refused(bundle: Path) -> None:
    write_bundle_file(bundle, {**CONTENT, "run.json": b"0" * 300_000})
    content = bundle.read_bytes()
    bundle.write_bytes(content.replace(struct.pack("<I", 300_000), struct.pack("<I", 10)))
    refused(bundle)


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    assert "no such file" in refused(path)
    assert "no such file" in refused(tmp_path)
    for content in (b"", b"PK", b"clip,rating\n1,2\n"):
        path.write_bytes(content)
        assert "not a bundle" in refused(path)


def test_the_version_is_checked_before_the_fields(bundle: Path) -> None:
    for manifest, problem in (
        ({"format": "jasco-bundle", "version": 2, "more": []}, "version 2"),
        ({"format": "other", "version": 1}, "format"),
        ([], "format"),
        ({"format": "jasco-bundle", "version": 1}, "missing field 'sha256'"),
    ):
        with zipfile.ZipFile(bundle, "w") as file:
            for name, content in {**CONTENT, "manifest.json": json.dumps(manifest)}.items():
                file.writestr(name, content)
        assert problem in refused(bundle)


@given(
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=20),
    st.integers(0, 2000),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_damaged_files_are_read_or_refused_in_one_line(
    tmp_path: Path, changes: list[tuple[int, int]], cut: int
) -> None:
    path = tmp_path / "fuzzed.zip"
    write_bundle_file(path, CONTENT)
    content = bytearray(path.read_bytes())
    for place, byte in changes:
        content[place % len(content)] = byte
    path.write_bytes(content[: max(cut, len(content) // 2)])
    try:
        _, members, _ = read_bundle_file(path)
    except InputError as error:
        assert str(error).startswith(f"{path}: ")
        assert "\n" not in str(error)
    else:
        assert members.keys() == CONTENT.keys()
