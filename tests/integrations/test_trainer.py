"""Evaluation during a real training of a tiny model."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jasco
from jasco.errors import InputError
from synthetic import tone

torch = pytest.importorskip("torch", reason="needs the extra transformers")
transformers = pytest.importorskip("transformers", reason="needs the extra transformers")
pytest.importorskip("accelerate", reason="Trainer needs accelerate")

import tiny_models  # noqa: E402
from jasco.integrations.trainer import JascoCallback  # noqa: E402

pytestmark = pytest.mark.slow
STEPS = 20


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.qwen2_audio(tmp_path_factory.mktemp("tiny") / "model")


def make_trainer(checkpoint: Path, folder: Path, **settings: Any) -> Any:
    """Return a trainer that fits a tiny model to four answers, with dropout."""
    transformers.set_seed(0)
    model = transformers.Qwen2AudioForConditionalGeneration.from_pretrained(checkpoint)
    for module in model.modules():
        if hasattr(module, "attention_dropout"):
            module.attention_dropout = 0.1
    processor = transformers.AutoProcessor.from_pretrained(checkpoint)
    examples = []
    for number in range(4):
        text = f"<|audio_bos|><|AUDIO|><|audio_eos|>What? {number}"
        audio = tone(number, 1.0) / np.float32(2**15)
        inputs = processor(text=text, audio=[audio], sampling_rate=16_000, return_tensors="pt")
        example = {name: value[0] for name, value in inputs.items()}
        examples.append(example | {"labels": example["input_ids"]})
    arguments = transformers.TrainingArguments(
        output_dir=str(folder),
        max_steps=STEPS,
        per_device_train_batch_size=2,
        learning_rate=1e-3,
        logging_steps=5,
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
    )
    return transformers.Trainer(
        model, arguments, train_dataset=examples, **{"processing_class": processor} | settings
    )


def logged(trainer: Any, name: str) -> list[tuple[int, float]]:
    history = trainer.state.log_history
    return [(entry["step"], entry[name]) for entry in history if name in entry]


def test_a_training_is_evaluated_and_not_changed(checkpoint: Path, tmp_path: Path) -> None:
    plain = make_trainer(checkpoint, tmp_path / "plain")
    plain.train()
    trainer = make_trainer(checkpoint, tmp_path / "evaluated")
    trainer.add_callback(JascoCallback(trainer, every=10, limit=1, max_tokens=4))
    padding = trainer.processing_class.tokenizer.padding_side
    trainer.train()

    assert [step for step, _ in logged(trainer, "eval_jasco_best_mean")] == [10, 20]
    assert logged(trainer, "eval_jasco_coverage") == [(10, 1.0), (20, 1.0)]
    assert logged(trainer, "loss") == logged(plain, "loss")
    for one, other in zip(trainer.model.parameters(), plain.model.parameters(), strict=True):
        assert torch.equal(one, other)
    assert trainer.processing_class.tokenizer.padding_side == padding
    decoding = [each.model.generation_config.to_dict() for each in (trainer, plain)]
    assert decoding[0] == decoding[1]

    saved = tmp_path / "saved"
    trainer.save_model(saved)
    trainer.processing_class.save_pretrained(saved)
    settings = {"data": "mini", "limit": 1, "preflight": False, "judges": ["offline"]}
    from_disk = jasco.evaluate(f"hf/{saved},max_tokens=4,dtype=float32", **settings)

    runs = jasco.list_runs(tmp_path / "evaluated" / "jasco")
    assert {(run.name, run.tags["step"], run.answered) for run in runs} == {
        ("step-10", 10, 8),
        ("step-20", 20, 8),
    }
    scores = {run.name: jasco.score(run.folder) for run in runs}
    answers = [each.items_to_pandas()["answer"] for each in (scores["step-20"], from_disk)]
    assert answers[0].equals(answers[1])
    for step, figure in logged(trainer, "eval_jasco_neither_rate"):
        assert figure == scores[f"step-{step}"].neither_rate


def test_a_training_continues_if_an_evaluation_fails(
    checkpoint: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trainer = make_trainer(checkpoint, tmp_path)
    settings = {"limit": 1, "max_tokens": 4, "judges": [f"csv/{tmp_path}/missing.csv"]}
    trainer.add_callback(JascoCallback(trainer, every=10, **settings))
    with caplog.at_level(logging.WARNING, "jasco"):
        trainer.train()
    assert trainer.state.global_step == STEPS
    assert "step-10: not evaluated" in caplog.text
    assert not logged(trainer, "eval_jasco_best_mean")


def test_a_training_continues_after_an_unexpected_error(
    checkpoint: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trainer = make_trainer(checkpoint, tmp_path)
    trainer.add_callback(JascoCallback(trainer, every=STEPS, limit=1, max_tokens=4))
    trainer.model.generation_config = None
    with caplog.at_level(logging.WARNING, "jasco"):
        trainer.train()
    assert trainer.state.global_step == STEPS
    [record] = [each for each in caplog.records if "not evaluated" in each.getMessage()]
    assert f"step-{STEPS}: not evaluated: TypeError: " in record.getMessage()
    assert record.exc_info


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"every": 0}, "every"),
        ({"every": 5, "data": 3}, "data"),
        ({"every": 5, "judges": ["oflin"]}, "oflin"),
        ({"every": 5, "max_tokens": 0}, "max_tokens"),
    ],
)
def test_what_is_invalid_is_refused_before_training(
    checkpoint: Path, tmp_path: Path, settings: dict[str, Any], problem: str
) -> None:
    trainer = make_trainer(checkpoint, tmp_path)
    with pytest.raises(InputError, match=problem):
        JascoCallback(trainer, **settings)


def test_a_trainer_without_a_processor_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    trainer = make_trainer(checkpoint, tmp_path, processing_class=None)
    with pytest.raises(InputError, match="processing_class"):
        JascoCallback(trainer, every=5)
