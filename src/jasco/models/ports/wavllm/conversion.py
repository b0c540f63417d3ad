"""From the published checkpoint to a folder of our own: every weight accounted for."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from jasco.errors import InputError, one_line
from jasco.models.ports.lora import LORA_KEYS
from jasco.models.ports.state_dict import (
    TOKENIZER,
    KeyTable,
    Weights,
    read_torch,
    rename,
    write_folder,
)
from jasco.models.ports.text import Tokenizer
from jasco.models.ports.wavllm.model import shapes_of
from jasco.models.ports.wavllm.scaled_lora import ROTATED, rotary_order
from jasco.models.ports.wavllm.sizes import PUBLISHED

_WRAPPER = "_checkpoint_wrapped_module."  # where activations were recomputed in training

_LAYER = r"gpt_model\.model_llama\.layers\.(\d+)\."
_OURS = r"llama.model.layers.\1."

KEYS: KeyTable = (
    (r"audio_proj\.(?:weight|bias)", None),  # of a model without WavLM
    (r"wavlm_encoder\.model\.masked_spec_embed", None),  # of training
    (r"wavlm_encoder\.output_weights", "wavlm_layers"),
    # torch before 2.1 has the names to the left for the parts of a normalised weight
    (r"wavlm_encoder\.model\.(.+\.conv\.)weight_g", r"wavlm.\1parametrizations.weight.original0"),
    (r"wavlm_encoder\.model\.(.+\.conv\.)weight_v", r"wavlm.\1parametrizations.weight.original1"),
    (r"audio_encoder\.model\.(.+)", r"whisper.\1"),
    (r"wavlm_encoder\.model\.(.+)", r"wavlm.\1"),
    (r"wavlm_audio_proj\.(.+)", r"fusion.\1"),
    (_LAYER + r"attention\.w([qkvo])\.weight", _OURS + r"self_attn.\2_proj.base.weight"),
    (_LAYER + r"attention\.w([qkvo])_lora_A", _OURS + r"self_attn.\2_proj.lora_A"),
    (_LAYER + r"attention\.w([qkvo])_lora_B", _OURS + r"self_attn.\2_proj.lora_B"),
    (_LAYER + r"attention_norm\.weight", _OURS + "input_layernorm.weight"),
    (_LAYER + r"ffn_norm\.weight", _OURS + "post_attention_layernorm.weight"),
    (_LAYER + r"feed_forward\.w1\.weight", _OURS + "mlp.gate_proj.weight"),
    (_LAYER + r"feed_forward\.w2\.weight", _OURS + "mlp.down_proj.weight"),
    (_LAYER + r"feed_forward\.w3\.weight", _OURS + "mlp.up_proj.weight"),
    (r"gpt_model\.model_llama\.tok_embeddings\.weight", "llama.model.embed_tokens.weight"),
    (r"gpt_model\.model_llama\.norm\.weight", "llama.model.norm.weight"),
    (r"gpt_model\.model_llama\.output\.weight", "llama.lm_head.weight"),
    (r"gpt_model\.model_llama\.scale_fc_1\.(.+)", r"scale_head.down.\1"),
    (r"gpt_model\.model_llama\.scale_fc_2\.(.+)", r"scale_head.up.\1"),
    (r"gpt_model\.model_llama\.scale_weight_attention\.(.+)", r"scale_head.attention.\1"),
    *(
        (rf"{theirs}\.{part}\.(.+)", rf"{ours}.{place}.\1")
        for theirs, ours in (
            ("audio_encoder", "whisper_connector"),
            ("wavlm_encoder", "wavlm_connector"),
        )
        for part, place in (
            (r"subsample\.conv_layers\.0", "subsampler.first"),
            (r"subsample\.conv_layers\.1", "subsampler.second"),
            (r"adapter\.down_layer", "adapter.down"),
            (r"adapter\.up_layer", "adapter.up"),
            (r"adapter\.layer_norm", "adapter.norm"),
            ("projector", "projector"),
        )
    ),
)
_ROTATED = re.compile(rf"llama\..+\.(?:{'|'.join(ROTATED)})\.(?:base\.weight|lora_B)")


def convert_weights(
    published: Mapping[str, torch.Tensor], sizes: Mapping[str, Any], path: Path
) -> Weights:
    """Turn the published weights into those of :class:`~jasco.models.ports.wavllm.model.WavLlm`.

    Parameters
    ----------
    published : mapping of str to Tensor
        The checkpoint's entry ``model``.
    sizes : mapping
        As :data:`jasco.models.ports.wavllm.sizes.PUBLISHED`.
    path : Path
        The checkpoint, for messages.

    Raises
    ------
    InputError
        A weight is unknown, missing, there twice or of another shape.
    """
    expected = {
        key: torch.Size(reversed(shape)) if key.endswith(LORA_KEYS) else shape
        for key, shape in shapes_of(sizes).items()
    }
    plain = {key.replace(_WRAPPER, ""): value for key, value in published.items()}
    if len(plain) < len(published):
        raise InputError(f"{path}: a weight is there twice, with and without {_WRAPPER!r}")
    weights = rename(plain, KEYS, expected, path)
    order = rotary_order(sizes["llama"]["hidden_size"], sizes["llama"]["num_attention_heads"])
    return {key: _rearranged(key, value, order) for key, value in weights.items()}


def _rearranged(key: str, value: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
    """Transpose LoRA, and bring the channels of queries and keys into transformers' order.

    The original multiplies by A and B from the right.
    """
    value = value.T if key.endswith(LORA_KEYS) else value
    return value[order] if _ROTATED.fullmatch(key) else value


def model_of(checkpoint: Any, path: Path) -> dict[str, torch.Tensor]:
    """Give the weights in a checkpoint of fairseq (``InputError`` where there are none)."""
    model = checkpoint.get("model") if isinstance(checkpoint, Mapping) else None
    if not isinstance(model, Mapping):
        raise InputError(
            f"{path}: no checkpoint of fairseq (it has no entry 'model'); is it WavLLM's final.pt?"
        )
    for key, value in model.items():
        if not isinstance(key, str) or not isinstance(value, torch.Tensor):
            raise InputError(f"{path}: {one_line(key)!r} of 'model' is no tensor; is it whole?")
    return dict(model)


def convert_files(
    checkpoint: Path,
    tokenizer: Path,
    folder: Path,
    *,
    trusted: bool = False,
    sizes: Mapping[str, Any] = PUBLISHED,
) -> None:
    """Write the published model as a folder that :func:`.inference.load` reads.

    Parameters
    ----------
    checkpoint, tokenizer : Path
        ``final.pt`` and ``tokenizer.model``.
    folder : Path
    trusted : bool
        Whether the checkpoint may run code of its own while it is read.
    sizes : mapping
    """
    Tokenizer(tokenizer)  # refused before the hour of reading
    published = model_of(read_torch(checkpoint, trusted=trusted), checkpoint)
    write_folder(folder, sizes, convert_weights(published, sizes, checkpoint))
    shutil.copyfile(tokenizer, folder / TOKENIZER)
