"""Evaluation during training with the Trainer of Hugging Face transformers."""

import copy
import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from jasco.api import arguments
from jasco.api.conversions import as_judges
from jasco.api.data import load_dataset
from jasco.api.evaluation import evaluate
from jasco.backends.specs import parse_spec
from jasco.data.dataset import DataSet
from jasco.errors import IncompleteError, InputError, RunConflictError, one_line
from jasco.judges.judge import Judge
from jasco.models.batches import Question
from jasco.models.transformers import HuggingFace
from jasco.models.transformers.loading import Loaded, load_from_memory
from jasco.protocol.responses import Response

try:
    transformers: Any = import_module("transformers")
except ImportError:
    raise ImportError(
        f"{__name__} requires transformers; run: pip install 'jasco[transformers]'"
    ) from None

_LOGGER = logging.getLogger("jasco")


class JascoCallback(transformers.TrainerCallback):  # type: ignore[misc]
    """Evaluates the model in memory every so many steps, and logs the figures.

    The figures are logged by the trainer, as ``eval_jasco_best_mean`` for example, and so reach the
    console, ``state.log_history`` and all trackers in ``report_to``. Figures that cannot be
    computed are not logged. Each evaluation is a run in ``FOLDER/START/step-N``, where START is the
    time at which training began.

    The model is prompted like ``hf/MODEL``. It is in evaluation mode meanwhile, and decodes
    greedily; weights, gradients, the state of random number generators, generation settings and the
    processor are not changed. Training continues if an evaluation fails: the reason is logged as a
    warning, and the answers that were received remain in the run.

    Parameters
    ----------
    trainer : transformers.Trainer
        The trainer, for its model, its processor (``processing_class``) and its trackers.
    every : int
        Number of optimizer steps between two evaluations.
    data : str, Path or DataSet
        As in :func:`jasco.evaluate`.
    judges : str, or sequence of str or Judge
        As in :func:`jasco.evaluate`. The figures of the default, ``offline``, are those of a proxy:
        suitable to monitor training, but not for publication.
    limit : int or None
        Number of clips to use, counted from the first; None uses all clips.
    max_tokens : int
        Maximum number of tokens of an answer.
    batch : int
        Number of questions per batch.
    folder : str, Path or None
        The folder of the runs; None: ``jasco`` in the ``output_dir`` of the trainer.

    Raises
    ------
    InputError
        An argument is invalid, the trainer has no processor, or its model cannot answer in one
        process (FSDP, DeepSpeed ZeRO-3). At the beginning of training: the audio does not reach the
        model.

    Examples
    --------
    In a script with a trainer::

        trainer = Trainer(model, args, processing_class=processor, train_dataset=...)
        trainer.add_callback(JascoCallback(trainer, every=500, limit=8))
        trainer.train()
    """

    def __init__(
        self,
        trainer: Any,
        *,
        every: int,
        data: str | Path | DataSet = "mini",
        judges: str | Sequence[str | Judge] = ("offline",),
        limit: int | None = None,
        max_tokens: int = 256,
        batch: int = 8,
        folder: str | Path | None = None,
    ) -> None:
        arguments.check("folder", folder, folder is None or arguments.is_path(folder), "a folder")
        data = load_dataset(data) if not isinstance(data, DataSet) else data
        as_judges(judges)
        self._trainer, self._every = trainer, arguments.as_positive("every", every)
        self._settings: dict[str, Any] = {
            "data": data,
            "judges": judges,
            "limit": limit,
            "preflight": False,
        }
        self._options = f"max_tokens={max_tokens},batch={batch}"
        self._folder = Path(folder or Path(trainer.args.output_dir) / "jasco")
        self._start = ""
        _check_trainer(trainer)
        self._model(trainer.model, "check")  # raises if an option is invalid

    def on_train_begin(self, args: Any, state: Any, control: Any, **objects: Any) -> None:  # noqa: ARG002
        """Check that the audio reaches the model, before any step."""
        self._start = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
        if state.is_world_process_zero:
            self._model(objects["model"], "check").load_network()

    def on_step_end(self, args: Any, state: Any, control: Any, **objects: Any) -> None:  # noqa: ARG002
        """Evaluate the model, in the first process only, if it is time."""
        if state.global_step % self._every or not state.is_world_process_zero:
            return
        name = f"step-{state.global_step}"
        try:
            with _evaluation_mode(objects["model"]):
                scores = evaluate(
                    self._model(objects["model"], name),
                    name=name,
                    tags={"step": state.global_step},
                    run=self._folder / self._start / name,
                    **self._settings,
                )
        except Exception as error:  # days of training must not end with an evaluation
            expected = isinstance(error, InputError | RunConflictError | IncompleteError)
            reason = one_line(error if expected else f"{type(error).__name__}: {error}")
            _LOGGER.warning("%s: not evaluated: %s", name, reason, exc_info=not expected)
            return
        should_log = control.should_log  # which logging resets: the loss may be due at this step
        self._trainer.log(
            {
                f"eval_jasco_{name}": figure
                for name, figure in scores.scalars().items()
                if math.isfinite(figure)
            }
        )
        control.should_log = should_log

    def _model(self, network: Any, name: str) -> "_ModelInTraining":
        spec = parse_spec(f"hf/{name},{self._options}", HuggingFace)
        return _ModelInTraining(spec, network, self._trainer)


class _ModelInTraining(HuggingFace):
    """A model whose weights are being trained in this process."""

    def __init__(self, spec: Any, network: Any, trainer: Any) -> None:
        super().__init__(spec)
        self._network, self._trainer = network, trainer

    def fingerprint(self) -> str:
        """Return an empty text: the weights are those of a step of a training."""
        return ""

    def load_network(self) -> Loaded:
        """Return the processor and the network of the trainer."""
        return load_from_memory(self.spec.label, self._trainer.processing_class, self._network)

    def answer_batch(self, questions: Sequence[Question]) -> list[Response]:
        """Generate the answers in the precision of the training."""
        with self._trainer.accelerator.autocast():
            return super().answer_batch(questions)


def _check_trainer(trainer: Any) -> None:
    """Raise ``InputError`` if the model of a trainer cannot answer in one process."""
    if not hasattr(trainer.processing_class, "tokenizer"):
        raise InputError(
            "JascoCallback: the trainer has no processor; create it with "
            "Trainer(..., processing_class=processor)"
        )
    zero3 = trainer.is_deepspeed_enabled and transformers.integrations.is_deepspeed_zero3_enabled()
    if trainer.is_fsdp_enabled or zero3:
        raise InputError(
            "JascoCallback: the weights are divided over processes (FSDP or ZeRO-3); evaluate "
            "saved checkpoints instead, see: jasco sweep --help"
        )


@contextmanager
def _evaluation_mode(model: Any) -> Iterator[None]:
    """Set evaluation mode; afterwards, restore the mode of each module and generation settings."""
    training = [module for module in model.modules() if module.training]
    settings = model.generation_config
    saved = copy.deepcopy(vars(settings))
    model.eval()
    try:
        yield
    finally:
        vars(settings).clear()
        vars(settings).update(saved)
        for module in training:
            module.training = True
