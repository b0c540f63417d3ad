"""Conversion of the checkpoint into a folder of the port, with every weight accounted for."""

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

_WRAPPER = "_checkpoint_wrapped_module."  # added by activation checkpointing in training

_LAYER = r"gpt_model\.model_llama\.layers\.(\d+)\."
_OURS = r"llama.model.layers.\1."

KEYS: KeyTable = (
    (r"audio_proj\.(?:weight|bias)", None),  # used by models without WavLM
    (r"wavlm_encoder\.model\.masked_spec_embed", None),  # used in training only
    (r"wavlm_encoder\.output_weights", "wavlm_layers"),
    # torch before 2.1 calls the parts of a normalised weight weight_g and weight_v
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
        (rf"{theirs}\.{part}\.(.+)", rf"{ours}.{module}.\1")
        for theirs, ours in (
            ("audio_encoder", "whisper_connector"),
            ("wavlm_encoder", "wavlm_connector"),
        )
        for part, module in (
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
    checkpoint: Mapping[str, torch.Tensor], sizes: Mapping[str, Any], path: Path
) -> Weights:
    """Return the weights of :class:`~jasco.models.ports.wavllm.model.WavLlm` from a checkpoint.

    Parameters
    ----------
    checkpoint : mapping of str to Tensor
        The checkpoint's entry ``model``.
    sizes : mapping
        Sizes in the form of :data:`jasco.models.ports.wavllm.sizes.PUBLISHED`.
    path : Path
        The checkpoint's path, for messages.

    Raises
    ------
    InputError
        A weight is unknown, missing, duplicate or of another shape.
    """
    expected = {
        key: torch.Size(reversed(shape)) if key.endswith(LORA_KEYS) else shape
        for key, shape in shapes_of(sizes).items()
    }
    unwrapped = {key.replace(_WRAPPER, ""): value for key, value in checkpoint.items()}
    if len(unwrapped) < len(checkpoint):
        raise InputError(f"{path}: duplicate weight, with and without {_WRAPPER!r}")
    weights = rename(unwrapped, KEYS, expected, path)
    order = rotary_order(sizes["llama"]["hidden_size"], sizes["llama"]["num_attention_heads"])
    return {key: _rearranged(key, value, order) for key, value in weights.items()}


def _rearranged(key: str, value: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
    """Return a weight with LoRA transposed, and queries and keys in transformers' channel order.

    The original multiplies by A and B from the right, so its matrices are transposed.
    """
    value = value.T if key.endswith(LORA_KEYS) else value
    return value[order] if _ROTATED.fullmatch(key) else value


def model_of(checkpoint: Any, path: Path) -> dict[str, torch.Tensor]:
    """Return the weights of a fairseq checkpoint (``InputError`` if it has none)."""
    model = checkpoint.get("model") if isinstance(checkpoint, Mapping) else None
    if not isinstance(model, Mapping):
        raise InputError(
            f"{path}: not a fairseq checkpoint (no entry 'model'); use WavLLM's final.pt"
        )
    for key, value in model.items():
        if not isinstance(key, str) or not isinstance(value, torch.Tensor):
            raise InputError(
                f"{path}: {one_line(key)!r} in 'model' is not a tensor; use WavLLM's final.pt"
            )
    return dict(model)


def convert_files(
    checkpoint: Path,
    tokenizer: Path,
    folder: Path,
    *,
    trusted: bool = False,
    sizes: Mapping[str, Any] = PUBLISHED,
) -> None:
    """Convert a checkpoint into a folder that :func:`.inference.load` reads.

    Parameters
    ----------
    checkpoint, tokenizer : Path
        Paths of ``final.pt`` and ``tokenizer.model``.
    folder : Path
        Folder to write.
    trusted : bool
        Whether reading the checkpoint may execute code in the file.
    sizes : mapping
        Sizes of the model.
    """
    Tokenizer(tokenizer)  # raises before the checkpoint is read, which can take an hour
    weights = model_of(read_torch(checkpoint, trusted=trusted), checkpoint)
    write_folder(folder, sizes, convert_weights(weights, sizes, checkpoint))
    shutil.copyfile(tokenizer, folder / TOKENIZER)
