"""How a system's answers are found: presets, and searches that share one language model."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch.nn.functional import pad
from transformers import (
    DynamicCache,
    LlamaForCausalLM,
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from jasco.models.ports.text import EOS

# transformers renames the argument; the former name goes with 5.40.
_FORWARD = inspect.signature(LlamaForCausalLM.forward).parameters
_CACHE = "cache" if "cache" in _FORWARD else "past_key_values"

Rule = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Maps tokens, shape (rows, step), and scores of the next, shape (rows, vocabulary), to scores."""


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
        Of the drawing, for each answer anew, so that an answer does not depend on those before.
    """

    max_new_tokens: int
    temperature: float = 0.0
    top_p: float | None = None
    top_k: int | None = None
    repetition_penalty: float = 1.0
    num_beams: int = 1
    seed: int | None = None


def cuts_of(preset: Preset, at_least: int = 1) -> LogitsProcessorList:
    """Give what temperature, top_k and top_p, in this order, make of scores.

    Parameters
    ----------
    preset : Preset
        That draws.
    at_least : int
        Tokens that are kept, come what may.
    """
    cuts = LogitsProcessorList()
    if preset.temperature != 1:
        cuts.append(TemperatureLogitsWarper(preset.temperature))
    if preset.top_k is not None:
        cuts.append(TopKLogitsWarper(preset.top_k, min_tokens_to_keep=at_least))
    if preset.top_p is not None:
        cuts.append(TopPLogitsWarper(preset.top_p, min_tokens_to_keep=at_least))
    return cuts


class Rng:
    """Draws, from a seed, the same on every device.

    Parameters
    ----------
    seed : int or None
        None: from nothing in particular.
    """

    def __init__(self, seed: int | None) -> None:
        self._generator = torch.Generator()
        if seed is None:
            self._generator.seed()
        else:
            self._generator.manual_seed(seed)

    def draw(self, scores: torch.Tensor, count: int = 1) -> torch.Tensor:
        """Draw different indices, shape (count,), of scores of shape (choices,)."""
        odds = scores.softmax(-1).cpu()
        return torch.multinomial(odds, count, generator=self._generator)


class Search(Protocol):
    """One answer in the making.

    Attributes
    ----------
    preset : Preset
        What it goes by.
    answer : list of int
        Its tokens, without the end; whole once nothing goes on.
    """

    preset: Preset
    answer: list[int]

    def step(self, logits: torch.Tensor) -> list[tuple[int, int]]:
        """Choose what is said next.

        Parameters
        ----------
        logits : Tensor of float32, shape (rows, vocabulary)
            After each of the texts that were chosen last; of one row at first.

        Returns
        -------
        list of (int, int)
            The rows whose texts go on, and the token that each goes on with. None: the end.
        """
        ...


class Sampler:
    """Takes a token at a time: the likeliest, or one that is drawn.

    Parameters
    ----------
    preset : Preset
        With one beam.
    penalised : sequence of int
        Tokens of the prompt that the repetition penalty is to see, as some originals have it.
    rules : sequence of Rule
        What else a search bans or forces. They see the answer's tokens alone.
    """

    def __init__(
        self, preset: Preset, penalised: Sequence[int] = (), rules: Sequence[Rule] = ()
    ) -> None:
        self.answer: list[int] = []
        self.preset, self._rules, self._rng = preset, rules, Rng(preset.seed)
        self._penalised = list(penalised)
        self._penalty = RepetitionPenaltyLogitsProcessor(preset.repetition_penalty)
        self._cuts = cuts_of(preset) if preset.temperature else LogitsProcessorList()

    def scores(self, logits: torch.Tensor) -> torch.Tensor:
        """Give the scores, shape (1, vocabulary), that the next token is taken by."""
        said = torch.tensor([self.answer], dtype=torch.long, device=logits.device)
        before = torch.tensor([self._penalised], dtype=torch.long, device=logits.device)
        scores: torch.Tensor = self._penalty(torch.cat([before, said], dim=1), logits)
        for rule in self._rules:
            scores = rule(said, scores)
        cut: torch.Tensor = self._cuts(said, scores)
        return cut

    def step(self, logits: torch.Tensor) -> list[tuple[int, int]]:
        """Take one token; see :class:`Search`."""
        scores = self.scores(logits)[0]
        token = int(self._rng.draw(scores) if self.preset.temperature else scores.argmax())
        if token == EOS:
            return []
        self.answer.append(token)
        return [(0, token)] if len(self.answer) < self.preset.max_new_tokens else []


def decode(
    llama: LlamaForCausalLM,
    prompts: Sequence[torch.Tensor],
    searches: Sequence[Search],
    keep: Callable[[torch.Tensor], object] = lambda _: None,
) -> None:
    """Let searches come to their ends, side by side in one batch.

    Texts that have ended leave the batch. A search does not know of the others; but sums of
    longer rows are rounded otherwise, so that where two tokens are all but equally likely, an
    answer can differ from the one that is found alone.

    Parameters
    ----------
    llama : LlamaForCausalLM
    prompts : sequence of Tensor, shape (1, length, width) each
        Words and sounds that the answers are to follow.
    searches : sequence of Search
        One a prompt.
    keep : callable
        Told at every step, before the model is asked again, the rows of the last step that the
        rows of the next come from: Tensor of int, shape (rows,).
    """
    longest = max(prompt.shape[1] for prompt in prompts)
    filling = [longest - prompt.shape[1] for prompt in prompts]
    embeddings = torch.cat(
        [pad(prompt, (0, 0, short, 0)) for prompt, short in zip(prompts, filling, strict=True)]
    )
    # Which positions are no filling; where there is none, the model needs not be told.
    heard = torch.tensor(
        [[0] * short + [1] * (longest - short) for short in filling], device=embeddings.device
    )
    places = (heard.cumsum(dim=1) - 1).clamp(min=0)
    words, cache = {"inputs_embeds": embeddings}, DynamicCache(config=llama.config)
    going: list[tuple[Search, int]] = [(search, 1) for search in searches]
    with torch.inference_mode():
        while going:
            filled = {"attention_mask": heard, "position_ids": places} if any(filling) else {}
            said = llama(**words, **filled, **{_CACHE: cache}, logits_to_keep=1)
            going, ways = _step(going, said.logits[:, -1].float())
            if going:
                rows, tokens = torch.tensor(ways, device=heard.device).T
                keep(rows)
                cache.reorder_cache(rows)
                heard = pad(heard[rows], (0, 1), value=1)
                places = heard.sum(dim=1, keepdim=True) - 1
                words = {"input_ids": tokens[:, None]}


def _step(
    going: Sequence[tuple[Search, int]], logits: torch.Tensor
) -> tuple[list[tuple[Search, int]], list[tuple[int, int]]]:
    """Let each search, which comes with its number of rows, choose by its part of the logits.

    Returns
    -------
    still : list of (Search, int)
        Those that go on, with how many rows.
    ways : list of (int, int)
        As of :meth:`Search.step`, of all of them.
    """
    still, ways, first = [], [], 0
    for search, rows in going:
        chosen = search.step(logits[first : first + rows])
        ways += [(first + row, token) for row, token in chosen]
        still += [(search, len(chosen))] if chosen else []
        first += rows
    return still, ways
