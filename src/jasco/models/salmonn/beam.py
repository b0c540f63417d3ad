"""Beam search as SALMONN's published results were made with it."""

import inspect
from dataclasses import dataclass
from typing import NamedTuple

import torch
from transformers import DynamicCache, LlamaForCausalLM

from jasco.models.native.text import EOS

# transformers renames the argument; the former name goes with 5.40.
_FORWARD = inspect.signature(LlamaForCausalLM.forward).parameters
_CACHE = "cache" if "cache" in _FORWARD else "past_key_values"


class Way(NamedTuple):
    """A token that may come next.

    Attributes
    ----------
    total : float
        Log probability of the text with it.
    row : int
        The text that it goes on from.
    token : int
    """

    total: float
    row: int
    token: int


@dataclass(frozen=True)
class Hypothesis:
    """A text that has ended, or was cut off.

    Attributes
    ----------
    score : float
        Its log probability over its length.
    tokens : tuple of int
        Without the one that ends it.
    """

    score: float
    tokens: tuple[int, ...]


def beam_search(
    llama: LlamaForCausalLM, embeddings: torch.Tensor, beams: int, longest: int
) -> list[int]:
    """Search for the likeliest text, by log probability over length.

    transformers 4.28, which SALMONN pins, starts a text from embeddings with one token BOS of its
    own, and counts it (``BeamSearchScorer.process`` and ``finalize``, ``BeamHypotheses.add`` and
    ``is_done`` in ``generation/beam_search.py``). Of n new tokens with the total log probability s,

    - a text that ends counts s / n, n with its EOS but without BOS;
    - a text that is cut off counts s / (n + 1);
    - the search is over once as many texts as beams have ended and the worst of them is no worse
      than s / (n + 1) of the best way to go on.

    Later versions divide by n throughout, and so find other texts.

    Parameters
    ----------
    llama : LlamaForCausalLM
    embeddings : Tensor, shape (1, length, width)
        Of the prompt.
    beams : int
        How many texts are followed at once.
    longest : int
        The longest text, in tokens.

    Returns
    -------
    list of int
        The new tokens, up to the end and without it.
    """
    cache = DynamicCache(config=llama.config)
    ended: list[Hypothesis] = []
    going: list[tuple[int, ...]] = [()]
    totals = torch.zeros(1, device=embeddings.device)
    with torch.inference_mode():
        said = llama(inputs_embeds=embeddings, **{_CACHE: cache}, logits_to_keep=1)
        for length in range(1, longest + 1):
            likely = totals[:, None] + said.logits[:, -1].float().log_softmax(-1)
            # Twice as many as beams, so that enough go on though every text may end.
            best, at = likely.flatten().topk(2 * beams)
            ways = [
                Way(total, *divmod(index, likely.shape[1]))
                for total, index in zip(best.tolist(), at.tolist(), strict=True)
            ]
            ended += [
                Hypothesis(way.total / length, going[way.row])
                for way in ways[:beams]
                if way.token == EOS
            ]
            ended = sorted(ended, key=lambda each: each.score)[-beams:]
            if len(ended) == beams and ended[0].score >= ways[0].total / (length + 1):
                return list(ended[-1].tokens)
            ways = [way for way in ways if way.token != EOS][:beams]
            going = [(*going[way.row], way.token) for way in ways]
            if length == longest:
                break
            totals = torch.tensor([way.total for way in ways], device=at.device)
            cache.reorder_cache(torch.tensor([way.row for way in ways], device=at.device))
            tokens = torch.tensor([[way.token] for way in ways], device=at.device)
            said = llama(input_ids=tokens, **{_CACHE: cache})
    cut = [
        Hypothesis(way.total / (longest + 1), text) for way, text in zip(ways, going, strict=True)
    ]
    return list(max([*cut, *ended], key=lambda each: each.score).tokens)
