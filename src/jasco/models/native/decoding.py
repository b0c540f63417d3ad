"""How a system's answers are drawn: presets, and the one call that follows them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import LlamaForCausalLM, LogitsProcessorList

from jasco.models.native.text import EOS


@dataclass(frozen=True)
class Preset:
    """Settings of decoding, as a published script has them.

    Attributes
    ----------
    max_new_tokens : int
        The longest answer.
    temperature : float
        0 takes the likeliest token each time.
    top_p, top_k : float, int or None
        Which tokens may be drawn; None: all.
    repetition_penalty : float
        1 is none.
    num_beams : int
        Above 1: beam search.
    seed : int or None
        Of the drawing, set before each answer, so that an answer does not depend on those before.
    """

    max_new_tokens: int
    temperature: float = 0.0
    top_p: float | None = None
    top_k: int | None = None
    repetition_penalty: float = 1.0
    num_beams: int = 1
    seed: int | None = None


def settings_of(preset: Preset) -> dict[str, Any]:
    """Put a preset as arguments of transformers' ``generate``."""
    drawn = preset.temperature > 0
    return {
        "max_new_tokens": preset.max_new_tokens,
        "do_sample": drawn,
        "temperature": preset.temperature if drawn else None,
        "top_p": preset.top_p if drawn else None,
        # 0 draws from all; without it transformers takes the likeliest 50.
        "top_k": (preset.top_k or 0) if drawn else None,
        "repetition_penalty": preset.repetition_penalty,
        "num_beams": preset.num_beams,
        "eos_token_id": EOS,
        "pad_token_id": 0,
    }


def generate(
    llama: LlamaForCausalLM,
    embeddings: torch.Tensor,
    preset: Preset,
    penalised: Sequence[int] = (),
    processors: Sequence[Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = (),
) -> list[int]:
    """Let a language model go on from a sequence of words and sounds.

    Parameters
    ----------
    llama : LlamaForCausalLM
    embeddings : Tensor, shape (1, length, width)
    preset : Preset
    penalised : sequence of int
        Tokens of the prompt that the repetition penalty is to see, as some originals have it.
    processors : sequence of callable
        Each maps the tokens so far, shape (1, step), and the scores of the next one, shape
        (1, vocabulary), to the scores that count: what else a search bans or forces.

    Returns
    -------
    list of int
        The new tokens, up to the end and without it.
    """
    if preset.seed is not None:
        torch.manual_seed(preset.seed)
    more: dict[str, Any] = {}
    if penalised:
        more["input_ids"] = torch.tensor([list(penalised)], device=embeddings.device)
    heard = torch.ones(embeddings.shape[:2], dtype=torch.long, device=embeddings.device)
    with torch.inference_mode():
        generated = llama.generate(
            inputs_embeds=embeddings,
            attention_mask=heard,
            logits_processor=LogitsProcessorList(processors),
            **more,
            **settings_of(preset),
        )
    new: list[int] = generated[0].tolist()[len(penalised) :]
    return new[: new.index(EOS)] if EOS in new else new
