"""The tokens of the ports' prompts.

``JASCO_LLAMA_TOKENIZER`` names Llama's ``tokenizer.model``, such as the one in WavLLM's
repository, which this project may not redistribute.
"""

import os
from pathlib import Path

import pytest

from oracle import Oracle
from tiny_tokenizer import train_tokenizer

sentencepiece = pytest.importorskip("sentencepiece", reason="needs the extra native")

from jasco.errors import InputError  # noqa: E402
from jasco.models.ports.ltu_as.prompt import prompt_ids  # noqa: E402
from jasco.models.ports.salmonn.prompt import split_prompt  # noqa: E402
from jasco.models.ports.text import BOS, EOS, Tokenizer  # noqa: E402
from jasco.models.ports.wavllm.prompt import QUOTED, RIGHT, make_prompt  # noqa: E402

pytestmark = pytest.mark.slow
QUESTION = "What sound can you hear?"
SENTENCE = f"USER: <Speech> </Speech> {QUESTION} ASSISTANT: </SPEECH> [/INST] ### Input: a dog runs"
SPACE = "\N{LOWER ONE EIGHTH BLOCK}"  # what SentencePiece writes for a space


@pytest.fixture(scope="module")
def tokenizer_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a small model with Llama's settings."""
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.model"
    path.write_bytes(train_tokenizer([SENTENCE] * 30, 330))
    return path


@pytest.fixture
def tokenizer(tokenizer_file: Path) -> Tokenizer:
    return Tokenizer(tokenizer_file)


@pytest.fixture
def pieces(tokenizer_file: Path) -> "sentencepiece.SentencePieceProcessor":
    return sentencepiece.SentencePieceProcessor(model_file=str(tokenizer_file))


@pytest.fixture
def llama() -> Tokenizer:
    path = os.environ.get("JASCO_LLAMA_TOKENIZER")
    if not path:
        pytest.skip("JASCO_LLAMA_TOKENIZER names no tokenizer.model of Llama")
    return Tokenizer(Path(path))


def test_nothing_is_added_and_a_first_space_is_kept(
    tokenizer: Tokenizer, pieces: "sentencepiece.SentencePieceProcessor"
) -> None:
    ids = tokenizer.encode("a dog")
    assert BOS not in ids
    assert EOS not in ids
    assert "".join(map(pieces.id_to_piece, ids)) == f"{SPACE}a{SPACE}dog"
    spaced = tokenizer.encode(" </SPEECH> ?")
    assert pieces.id_to_piece(spaced[0]).startswith(SPACE)
    assert "".join(map(pieces.id_to_piece, spaced)) == f"{SPACE}{SPACE}</SPEECH>{SPACE}?"


def test_the_second_bos_replaces_the_space_behind_the_audio(
    tokenizer: Tokenizer, pieces: "sentencepiece.SentencePieceProcessor"
) -> None:
    plain = make_prompt(tokenizer, QUESTION, second_bos=False)
    assert pieces.id_to_piece(plain.right[0]) == SPACE
    prompt = make_prompt(tokenizer, QUESTION)
    assert prompt.right == [BOS, *plain.right[1:]]
    assert prompt.left[0] == BOS
    assert BOS not in prompt.left[1:]
    assert prompt.quoted == tokenizer.encode(f'"{QUESTION}"')
    assert BOS not in prompt.quoted


def test_halves_are_tokenised_on_their_own(
    tokenizer: Tokenizer, pieces: "sentencepiece.SentencePieceProcessor"
) -> None:
    left, right = (tokenizer.encode(half) for half in split_prompt(QUESTION))
    # Each half gets the leading space of a text; in one piece the second half would not.
    assert pieces.id_to_piece(left[0]).startswith(SPACE)
    assert pieces.id_to_piece(right[0]).startswith(SPACE)
    assert left + right != tokenizer.encode("".join(split_prompt(QUESTION)))


def test_a_prompt_begins_with_bos_behind_the_clip(tokenizer: Tokenizer) -> None:
    ids = prompt_ids(tokenizer, QUESTION, "a dog")
    text = f"### Instruction:\n{QUESTION}\n\n### Input:\na dog\n\n### Response:\n"
    assert ids == [BOS, *tokenizer.encode(text)]


def test_tokens_without_text_are_left_out_of_answers(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("a dog runs")
    assert tokenizer.decode([BOS, *ids, EOS, 100_000]) == "a dog runs"


def test_another_file_than_a_tokenizer_of_llama_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.model"
    for content in (b"", b"nonsense"):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"tokenizer\.model: "):
            Tokenizer(path)
    with pytest.raises(InputError, match="SentencePiece"):
        Tokenizer(tmp_path / "nowhere")


def test_golden_ids_of_llama(llama: Tokenizer) -> None:
    left, right = (llama.encode(half) for half in split_prompt(QUESTION))
    assert left == [3148, 1001, 29901, 529, 10649, 5309, 29958]
    assert right == [
        1533, 10649, 5309, 29958, 1724, 6047, 508, 366, 8293, 29973, 13, 22933, 9047, 13566, 29901
    ]  # fmt: skip
    plain = make_prompt(llama, "What sound?", second_bos=False)
    assert (len(plain.left), plain.left[0]) == (57, BOS)
    assert plain.right == [
        29871, 1533, 29903, 4162, 29923, 3210, 29958, 1724, 6047, 29973, 518, 29914, 25580, 29962
    ]  # fmt: skip
    assert make_prompt(llama, "What sound?").right == [BOS, *plain.right[1:]]


@pytest.mark.oracle
def test_the_recorded_ids_of_llama(llama: Tokenizer) -> None:
    config = Oracle("salmonn").config
    for number, question in enumerate(config["questions"]):
        left, right = (llama.encode(half) for half in split_prompt(question))
        assert left == config["real_token_ids"]["left"]
        assert right == config["real_token_ids"][f"right_q{number}"]
    for case in Oracle("ltu_as").config["questions"]:
        assert prompt_ids(llama, case["question"], case["transcript"]) == case["real_ids"]
    config = Oracle("wavllm").config
    for number, question in enumerate(config["questions"]):
        ids = config["real_token_ids"]
        assert make_prompt(llama, question).left == ids["left"]
        assert llama.encode(RIGHT.format(question=question)) == ids[f"right_q{number}"]
        assert llama.encode(QUOTED.format(question=question)) == ids[f"scale_q{number}"]
