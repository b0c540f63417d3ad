"""How answers are generated, a batch at a time."""

from collections.abc import Sequence
from typing import Any

from jasco.errors import whole_text
from jasco.models.batches import Question
from jasco.models.transformers.loading import Loaded
from jasco.protocol.responses import Response


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
        self.settings = ", ".join(
            f"{name}={value}"
            for name, value in sorted(settings.to_diff_dict().items())
            if not name.startswith("_") and name not in _OURS
        )

    def together(self, question: Question) -> int:
        """Tell what is alike of questions that may share a batch.

        That is the clip's length, in families that hear their neighbours'.
        """
        return 0 if self._family.mixes else len(question[0].samples)

    def answer_all(self, questions: Sequence[Question]) -> list[Response]:
        """Answer a batch."""
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
