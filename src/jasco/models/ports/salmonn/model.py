"""The network of SALMONN: two encoders, the connector and the language model."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from transformers import WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from jasco.models.ports.language import make_llama, splice
from jasco.models.ports.lora import add_lora
from jasco.models.ports.salmonn.beats import Beats, BeatsConfig
from jasco.models.ports.salmonn.connector import SalmonnConnector
from jasco.models.ports.salmonn.features import filter_bank, fit, log_mel
from jasco.models.ports.text import BOS


class Salmonn(nn.Module):
    """The network.

    Parameters
    ----------
    config : mapping
        Sizes: ``llama`` and ``whisper`` as in their ``config.json``, ``beats`` as in the ``cfg`` of
        its checkpoint, ``qformer`` as in BERT's configuration, ``window`` in seconds and in frames,
        and ``lora``, the LoRA of the language model: ``r``, ``alpha`` and ``targets``.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        self.whisper = WhisperEncoder(WhisperConfig(**config["whisper"]))
        beats = BeatsConfig.of(config["beats"])
        self.beats = Beats(beats)
        self.connector = SalmonnConnector(
            config["qformer"],
            config["window"],
            speech=config["whisper"]["d_model"],
            audio=beats.encoder_embed_dim,
            out=config["llama"]["hidden_size"],
        )
        self.llama = make_llama(config["llama"])
        lora = config["lora"]
        add_lora(self.llama, lora["targets"], lora["r"], lora["alpha"] / lora["r"])

    def audio_embeddings(self, samples: NDArray[np.floating]) -> torch.Tensor:
        """Compute a clip's embeddings.

        Parameters
        ----------
        samples : ndarray of float, shape (samples,)
            Samples from -1 to 1, at 16 kHz.

        Returns
        -------
        Tensor, shape (windows * queries, width of the language model)
        """
        sizes, reference = self.whisper.config, self.connector.query_tokens
        fitted = fit(samples)
        # Whisper's second convolution halves the number of frames.
        mel = log_mel(fitted, sizes.num_mel_bins, 2 * sizes.max_source_positions)
        speech = self.whisper(mel.to(reference)).last_hidden_state
        audio = self.beats(filter_bank(fitted).to(reference))
        embeddings: torch.Tensor = self.connector(speech, audio)
        return embeddings

    def sequence(
        self, left: Sequence[int], audio: torch.Tensor, right: Sequence[int]
    ) -> torch.Tensor:
        """Return the embeddings of the prompt: BOS, ``left``, ``audio``, ``right``.

        Parameters
        ----------
        left, right : sequence of int
            Tokens before and after the clip, without BOS.
        audio : Tensor, shape (length, width of the language model)
            The clip's embeddings.

        Returns
        -------
        Tensor, shape (1, total length, width of the language model)
        """
        return splice(self.llama, [[BOS, *left], audio, right])
