"""How answers are generated: in batches, with what goes wrong kept to the question it concerns."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from jasco.benchmark.errors import one_line, whole_text
from jasco.benchmark.responses import Failure, Response
from jasco.models.batches import Question
from jasco.models.transformers.loading import Loaded

Outcome = Response | Failure


class Generator:
    """Answers batches of questions with a loaded model.

    Parameters
    ----------
    loaded : Loaded
        Whose generation settings are set here.
    max_tokens : int
        How many tokens an answer may have.
    temperature : float
        0 takes the likeliest token each time; otherwise tokens are drawn, with the publisher's
        top_k and top_p.

    Attributes
    ----------
    fits : int or None
        The largest batch that went through after a larger one had not fitted into the memory.
    settings : str
        The publisher's settings that stay in force, beside ours.
    """

    def __init__(self, loaded: Loaded, max_tokens: int, temperature: float) -> None:
        self._processor, self._model, self._family = loaded.processor, loaded.model, loaded.family
        self._max_tokens = max_tokens
        settings, tokenizer = self._model.generation_config, self._processor.tokenizer
        if temperature:
            settings.do_sample, settings.temperature = True, temperature
        else:
            settings.do_sample = False
            for name in ("temperature", "top_p", "top_k", "min_p", "typical_p"):
                setattr(settings, name, None)  # else transformers warns that they are not used
        settings.max_length = None  # of prompt and answer; ours counts the answer's tokens
        settings.max_new_tokens = max_tokens
        if settings.eos_token_id is None:
            settings.eos_token_id = tokenizer.eos_token_id
        if settings.pad_token_id is None:
            settings.pad_token_id = tokenizer.pad_token_id
        ends = settings.eos_token_id
        self._ends = frozenset([ends] if isinstance(ends, int) else ends or ())
        self.fits: int | None = None
        self.settings = ", ".join(
            f"{name}={value}"
            for name, value in sorted(settings.to_diff_dict().items())
            if not name.startswith("_") and name not in _OURS
        )

    def answer_all(self, questions: Sequence[Question]) -> list[Outcome]:
        """Answer a batch, in parts of one length where the family hears its neighbours' length."""
        if self._family.mixes:
            return self._answer_part(questions)
        parts = groupby(questions, lambda question: len(question[0].samples))
        return [answer for _, part in parts for answer in self._answer_part(list(part))]

    def _answer_part(self, questions: Sequence[Question]) -> list[Outcome]:
        """Answer what may go together.

        What does not fit into the memory is tried in halves. What fails otherwise is tried one by
        one, so that a bad question fails alone.
        """
        try:
            return self._generate(questions)
        except Exception as error:  # of any library: these questions', no others'
            failure = _failure(error)
        # Only here has the error let go of what the failed attempt held in memory.
        if failure.kind == "memory":
            _empty_cache()
        if len(questions) == 1:
            return [failure]
        size = (len(questions) + 1) // 2 if failure.kind == "memory" else 1
        answers = [
            answer
            for start in range(0, len(questions), size)
            for answer in self._answer_part(questions[start : start + size])
        ]
        # A clip too long for any batch says nothing about the others.
        if failure.kind == "memory" and any(isinstance(answer, Response) for answer in answers):
            self.fits = min(size, self.fits or size)
        return answers

    def _generate(self, questions: Sequence[Question]) -> list[Outcome]:
        import torch

        inputs = {
            name: self._moved(value)
            for name, value in self._family.inputs(self._processor, questions).items()
        }
        with torch.inference_mode():
            generated = self._model.generate(**inputs)
        prompt_tokens = inputs["attention_mask"].sum(dim=1).tolist()
        new = generated[:, inputs["input_ids"].shape[1] :].tolist()
        return [
            self._response(tokens, asked) for tokens, asked in zip(new, prompt_tokens, strict=True)
        ]

    def _moved(self, value: Any) -> Any:
        """Bring an input to where the model is, and numbers to its precision."""
        if not hasattr(value, "is_floating_point"):
            return value
        dtype = self._model.dtype if value.is_floating_point() else None
        return value.to(self._model.device, dtype)

    def _response(self, tokens: list[int], prompt_tokens: int) -> Response:
        """Read one row of a batch, which is padded behind the token that ends its answer."""
        end = next((at for at, token in enumerate(tokens) if token in self._ends), None)
        said = tokens if end is None else tokens[:end]
        return Response(
            text=whole_text(self._processor.tokenizer.decode(said, skip_special_tokens=True)),
            finish_reason="length" if end is None else "stop",
            usage={
                "prompt_tokens": prompt_tokens,
                "completion_tokens": len(said) + (end is not None),
            },
        )


_OURS = {
    "do_sample", "temperature", "max_length", "max_new_tokens",
    "eos_token_id", "pad_token_id", "bos_token_id", "transformers_version",
}  # fmt: skip


def _failure(error: BaseException) -> Failure:
    what = f"{type(error).__name__}: {one_line(error)}"
    short = type(error).__name__ == "OutOfMemoryError" or isinstance(error, MemoryError)
    if short or (isinstance(error, RuntimeError) and "out of memory" in str(error).lower()):
        return Failure("memory", what)
    return Failure("error", what)


def _empty_cache() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()
