"""Fingerprints of a provider's files and code: equal only where the answers would be equal."""

import functools
import linecache
import os
import shutil
from pathlib import Path

import pytest

from jasco.backends import fingerprints
from jasco.backends.fingerprints import code_fingerprint, file_fingerprint, folder_fingerprint


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    folder = tmp_path / "checkpoint"
    (folder / "tokenizer").mkdir(parents=True)
    (folder / "model.safetensors.index.json").write_text("{}")
    (folder / "model-1.safetensors").write_bytes(b"weights")
    (folder / "tokenizer" / "vocab.txt").write_text("a b")
    return folder


def test_a_copy_of_a_folder_is_the_same(checkpoint: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(checkpoint, tmp_path / "copy")
    os.utime(copy / "model-1.safetensors", (1, 1))
    (copy / ".cache").mkdir()
    (copy / ".cache" / "lock").touch()
    assert folder_fingerprint(copy) == folder_fingerprint(checkpoint)


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "model-1.safetensors").write_bytes(b"weightz"),
        lambda folder: (folder / "tokenizer" / "vocab.txt").write_text("a c"),
        lambda folder: (folder / "tokenizer" / "vocab.txt").unlink(),
        lambda folder: (folder / "adapter.bin").touch(),
        lambda folder: (folder / "model-1.safetensors").rename(folder / "model-2.safetensors"),
    ],
)
def test_a_changed_folder_is_another(checkpoint: Path, change: object) -> None:
    before = folder_fingerprint(checkpoint)
    assert callable(change)
    change(checkpoint)
    assert folder_fingerprint(checkpoint) != before


def test_a_large_file_counts_by_size_and_time(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fingerprints, "_WHOLE", 3)
    before = folder_fingerprint(checkpoint)
    os.utime(checkpoint / "model-1.safetensors", (1, 1))
    assert folder_fingerprint(checkpoint) != before


def test_what_is_not_there_has_no_hash(tmp_path: Path) -> None:
    assert folder_fingerprint(tmp_path / "none") == ""
    assert file_fingerprint([tmp_path / "none"]) == ""
    assert code_fingerprint(len) == ""


def test_a_functions_code_differs_from_anothers() -> None:
    def one(audio: object) -> str:
        return "one"

    def other(audio: object) -> str:
        return "other"

    class Callable:
        def __call__(self, audio: object) -> str:
            return "third"

    functions = [one, other, Callable(), Callable().__call__]
    hashes = [code_fingerprint(function) for function in functions]
    assert len(set(hashes)) == 3
    assert hashes[2] == hashes[3]
    assert code_fingerprint(functools.partial(one, 1)) == hashes[0]


def test_a_function_without_source_is_hashed_by_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    # As in a program given with -c, since Python 3.13.
    program = "def answer(audio): return 0\n"
    monkeypatch.setitem(linecache.cache, "<string>", (len(program), None, [program], "<string>"))

    def make_function(text: str) -> object:
        names: dict[str, object] = {}
        exec(f"def answer(audio): return {text!r}", names)
        return names["answer"]

    one, same, other = (code_fingerprint(make_function(text)) for text in ("a", "a", "b"))  # type: ignore[arg-type]
    assert one == same != other
