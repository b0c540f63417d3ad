"""Keys, addresses and paths do not leave the machine."""

from pathlib import Path

import pytest

from jasco.runs.bundles.published_texts import PublishedTexts

KEY = "sk-proj-0123456789abcdef"


def texts(*names: str, folder: str = "/data/my sets") -> PublishedTexts:
    return PublishedTexts(names, [Path(folder), None])


def test_answers_are_not_changed_except_for_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_API_KEY", "correct-horse-battery-7")
    published = texts()
    text = "Path /home/me/x, token: 7, http://host:80, http://a:b@c, Rating: 2\nOrientation: Both"
    assert published.verbatim(text) == text
    assert published.masked == 0
    assert published.verbatim(f"My key is {KEY}.") == "My key is ***."
    assert published.verbatim("(correct-horse-battery-7)") == "(***)"
    assert published.masked == 2


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("cannot read /home/me/runs/a.wav: gone", "cannot read a.wav: gone"),
        ("/data/my sets/dataset/v0/3.wav is missing", "dataset/v0/3.wav is missing"),
        (r"C:\Users\me\model.bin is missing", "model.bin is missing"),
        ("http://gpu7.example.org:8000/v1: refused", "ADDRESS: refused"),
        ("10.1.2.3:8000 does not answer", "ADDRESS does not answer"),
        (f"Incorrect key {KEY}", "Incorrect key ***"),
        ("audio/wav and/or text, 24 kHz", "audio/wav and/or text, 24 kHz"),
        ("meta-llama/Llama-3.1-70B-Instruct", "meta-llama/Llama-3.1-70B-Instruct"),
    ],
)
def test_messages_lose_keys_addresses_and_folders(message: str, shown: str) -> None:
    assert texts().message(message) == shown


def test_of_a_name_that_is_a_path_the_last_part_is_kept() -> None:
    name = "/scratch/my models/step 100"
    published = texts(name)
    assert published.message(f"hf/{name},dtype=bfloat16") == "hf/step 100,dtype=bfloat16"
    assert published.clean({"name": name, "top": [1, None, True]}) == {
        "name": "step 100", "top": [1, None, True],
    }  # fmt: skip
