"""Broken checkpoints, and headers that claim too much: errors of one line, without much memory."""

import json
import os
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from command import Jasco

torch = pytest.importorskip("torch", reason="needs the extra native")
pytest.importorskip("safetensors", reason="needs the extra native")

from safetensors.torch import save_file  # noqa: E402

from jasco.errors import InputError  # noqa: E402
from jasco.models.ports.state_dict import read_base, read_safetensors, read_torch  # noqa: E402

pytestmark = pytest.mark.slow  # torch takes seconds to load

BROKEN = {
    "no JSON": b"not json",
    "cut off": b'{"weight_map": {"a": "x.saf',
    "no UTF-8": b'"\xff\xfe',
    "a list": b"[]",
    "no map": b"{}",
    "a list for a map": b'{"weight_map": []}',
    "an empty map": b'{"weight_map": {}}',
    "a number for a name": b'{"weight_map": {"a": 3}}',
    "the parent folder": b'{"weight_map": {"a": ".."}}',
    "a file outside": b'{"weight_map": {"a": "../secret.safetensors"}}',
    "an absolute path": b'{"weight_map": {"a": "/etc/passwd"}}',
    "a missing file": b'{"weight_map": {"a": "gone.safetensors"}}',
    "deeply nested": b"[" * 200_000,
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_index_is_one_line(tmp_path: Path, kind: str) -> None:
    index = tmp_path / "model.safetensors.index.json"
    index.write_bytes(BROKEN[kind])
    with pytest.raises(InputError) as error:
        read_base(tmp_path)
    assert str(tmp_path) in str(error.value)
    assert "\n" not in str(error.value)


def test_an_index_of_several_files_is_read(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_file({name: torch.ones(2)}, tmp_path / f"{name}.safetensors")
    weight_map = {"a": "a.safetensors", "b": "b.safetensors"}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    assert sorted(read_base(tmp_path)) == ["a", "b"]


JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(JSON | st.dictionaries(st.just("weight_map"), JSON))
def test_any_other_index_is_an_input_error(tmp_path: Path, content: Any) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(content))
    with pytest.raises(InputError):
        read_base(tmp_path)


@pytest.mark.parametrize("size", [1 << 60, 90_000_000])
def test_a_header_that_is_far_too_large_is_not_read(tmp_path: Path, size: int) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", size) + b"{}")
    os.truncate(path, 100_000_000)
    with pytest.raises(InputError, match=f"{size:,} bytes"):
        read_safetensors(path)


def test_a_tensor_of_terabytes_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    entry = {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}
    header = json.dumps({"a": entry}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(InputError, match="not a complete safetensors file"):
        read_safetensors(path)


def save_repacked(path: Path, compression: int, **changed: bytes) -> Path:
    """Save a tensor, and compress the file's entries, with some of them changed."""
    torch.save({"a": torch.ones(2)}, path)
    with zipfile.ZipFile(path) as file:
        entries = {name: file.read(name) for name in file.namelist()}
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in entries.items():
            file.writestr(name, changed.get(Path(name).stem, content))
    return path


def test_compressed_entries_are_refused(tmp_path: Path) -> None:
    """They can be of any size once unpacked, and torch would map the packed bytes as numbers."""
    plain = save_repacked(tmp_path / "plain.pt", zipfile.ZIP_STORED)
    assert read_torch(plain)["a"].tolist() == [1, 1]
    zip_bomb = save_repacked(tmp_path / "bomb.pt", zipfile.ZIP_DEFLATED, data=bytes(500_000_000))
    assert zip_bomb.stat().st_size < 1_000_000
    for path in (zip_bomb, save_repacked(tmp_path / "packed.pt", zipfile.ZIP_DEFLATED)):
        with pytest.raises(InputError, match="compressed"):
            read_torch(path)


@pytest.mark.parametrize("kind", ["salmonn", "wavllm", "ltu-as"])
@pytest.mark.parametrize("more", [{}, {"llama": 3, "sizes": [], "whisper": "x"}])
def test_a_configuration_without_sizes_is_one_line(
    jasco: Jasco, tmp_path: Path, kind: str, more: dict[str, Any]
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"jasco_model": kind, **more}))
    save_file({"a": torch.zeros(1)}, tmp_path / "model.safetensors")
    result = jasco("convert", "--check", tmp_path)
    assert result.status == 2
    assert str(tmp_path) in result.stderr.splitlines()[-1]
