"""Tiny audio chat models with random weights, written to disk as real checkpoints are.

Each is a configuration, weights, a tokenizer of single bytes and a processor: what an adapter
loads from a folder. They answer nonsense, but the same nonsense to the same question.
"""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Weights as large as these, so that answers differ between clips and prompts.
SPREAD = 0.3
_BYTES = 256


def qwen2_audio(folder: Path, hidden: int = 32, layers: int = 2, ears: int = 32) -> Path:
    """Write a Qwen2-Audio; its prompt is the template that comes with transformers.

    ``hidden`` and ``layers`` are the language model's size, ``ears`` is the encoder's width.
    """
    from transformers import (
        Qwen2AudioConfig,
        Qwen2AudioForConditionalGeneration,
        Qwen2AudioProcessor,
    )

    tokenizer = _byte_tokenizer(
        ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        ["<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>"],
    )
    config = Qwen2AudioConfig(
        audio_config=_encoder("qwen2_audio_encoder", ears),
        text_config=_language_model("qwen2", hidden, layers, len(tokenizer)),
        audio_token_index=tokenizer.convert_tokens_to_ids("<|AUDIO|>"),
    )
    processor = Qwen2AudioProcessor(_ears(), tokenizer)
    return _write(folder, Qwen2AudioForConditionalGeneration, config, processor, tokenizer)


def audioflamingo3(folder: Path) -> Path:
    """Write an Audio Flamingo 3."""
    return _flamingo(folder, "AudioFlamingo3")


def musicflamingo(folder: Path) -> Path:
    """Write a Music Flamingo."""
    return _flamingo(folder, "MusicFlamingo")


def _flamingo(folder: Path, name: str) -> Path:
    """Write a Flamingo, with a template that puts the sound before the text."""
    import transformers

    tokenizer = _byte_tokenizer(
        ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        ["<sound>", "<|sound_bos|>", "<|sound_eos|>"],
    )
    config = getattr(transformers, f"{name}Config")(
        audio_config=_encoder("audioflamingo3_encoder"),
        text_config=_language_model("qwen2", 32, 2, len(tokenizer)),
        audio_token_id=tokenizer.convert_tokens_to_ids("<sound>"),
    )
    template = (
        "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
        "{% for part in message['content'] %}"
        "{% if part['type'] == 'audio' %}<sound>{% else %}{{ part['text'] }}{% endif %}"
        "{% endfor %}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    processor = getattr(transformers, f"{name}Processor")(
        _ears(), tokenizer, chat_template=template
    )
    model_class = getattr(transformers, f"{name}ForConditionalGeneration")
    return _write(folder, model_class, config, processor, tokenizer)


def voxtral(folder: Path) -> Path:
    """Write a Voxtral, with a Tekken tokenizer of single bytes."""
    from transformers import VoxtralConfig, VoxtralForConditionalGeneration

    folder.mkdir(parents=True)
    (folder / "tekken.json").write_text(json.dumps(_tekken()), "utf-8")
    config = VoxtralConfig(
        audio_config=_encoder("voxtral_encoder"),
        text_config=_language_model("llama", 32, 2, _SPECIAL + _BYTES) | {"head_dim": 8},
        audio_token_id=24,
    )
    _write_model(folder, VoxtralForConditionalGeneration, config, eos=2, pad=11)
    _ears().save_pretrained(folder)
    return folder


FAMILIES: dict[str, Callable[[Path], Path]] = {
    "qwen2_audio": qwen2_audio,
    "voxtral": voxtral,
    "audioflamingo3": audioflamingo3,
    "musicflamingo": musicflamingo,
}


def _ears() -> Any:
    from transformers import WhisperFeatureExtractor

    return WhisperFeatureExtractor(feature_size=128)


def _encoder(model_type: str, hidden: int = 32) -> dict[str, Any]:
    names = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    if model_type == "qwen2_audio_encoder":
        names = ("d_model", "encoder_layers", "encoder_attention_heads", "encoder_ffn_dim")
    return dict(zip(names, (hidden, 2, 4, hidden * 4), strict=True)) | {
        "model_type": model_type,
        "num_mel_bins": 128,
        "max_source_positions": 1500,
    }


def _language_model(model_type: str, hidden: int, layers: int, vocabulary: int) -> dict[str, Any]:
    return {
        "model_type": model_type,
        "vocab_size": vocabulary,
        "hidden_size": hidden,
        "intermediate_size": hidden * 2,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 8192,
    }


def _byte_tokenizer(control: list[str], placeholders: list[str]) -> Any:
    """Make a tokenizer without merges: a token a byte, and the special ones."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(models.BPE({piece: rank for rank, piece in enumerate(alphabet)}, []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    tokenizer.add_special_tokens({"additional_special_tokens": [*control, *placeholders]})
    return tokenizer


_SPECIAL = 40  # the real file has 1,000
_TEKKEN_NAMES = {
    0: "<unk>", 1: "<s>", 2: "</s>", 3: "[INST]", 4: "[/INST]", 5: "[AVAILABLE_TOOLS]",
    6: "[/AVAILABLE_TOOLS]", 7: "[TOOL_RESULTS]", 8: "[/TOOL_RESULTS]", 9: "[TOOL_CALLS]",
    10: "[IMG]", 11: "<pad>", 12: "[IMG_BREAK]", 13: "[IMG_END]", 14: "[PREFIX]",
    15: "[MIDDLE]", 16: "[SUFFIX]", 17: "[SYSTEM_PROMPT]", 18: "[/SYSTEM_PROMPT]",
    19: "[TOOL_CONTENT]", 24: "[AUDIO]", 25: "[BEGIN_AUDIO]", 32: "[ARGS]", 33: "[CALL_ID]",
    34: "[TRANSCRIBE]",
}  # fmt: skip


def _tekken() -> dict[str, Any]:
    """Make Mistral's tokenizer file: Voxtral's special tokens, and a token a byte."""
    return {
        "config": {
            "pattern": r"[^\s]+|\s+",
            "num_vocab_tokens": _BYTES,
            "default_vocab_size": _SPECIAL + _BYTES,
            "default_num_special_tokens": _SPECIAL,
            "version": "v11",
        },
        "vocab": [
            {
                "rank": rank,
                "token_bytes": base64.b64encode(bytes([rank])).decode(),
                "token_str": chr(rank) if rank < 128 else None,
            }
            for rank in range(_BYTES)
        ],
        "special_tokens": [
            {
                "rank": rank,
                "token_str": _TEKKEN_NAMES.get(rank, f"<SPECIAL_{rank}>"),
                "is_control": True,
            }
            for rank in range(_SPECIAL)
        ],
        "audio": {
            "sampling_rate": 16_000,
            "frame_rate": 12.5,
            "audio_encoding_config": {
                "num_mel_bins": 128,
                "hop_length": 160,
                "window_size": 400,
            },
            "chunk_length_s": 30.0,
        },
    }


def _write(folder: Path, model_class: Any, config: Any, processor: Any, tokenizer: Any) -> Path:
    _write_model(
        folder,
        model_class,
        config,
        eos=tokenizer.convert_tokens_to_ids("<|im_end|>"),
        pad=tokenizer.pad_token_id,
    )
    processor.save_pretrained(folder)
    return folder


def _write_model(folder: Path, model_class: Any, config: Any, eos: int, pad: int) -> None:
    import torch
    from transformers import GenerationConfig

    torch.manual_seed(2)
    model = model_class(config)
    for weights in model.parameters():
        if weights.dim() > 1:
            torch.nn.init.normal_(weights, std=SPREAD)
    # As a publisher's defaults are: sampling, which a greedy answer must not follow.
    model.generation_config = GenerationConfig(
        do_sample=True, temperature=0.7, top_p=0.5, top_k=20, eos_token_id=eos, pad_token_id=pad
    )
    model.save_pretrained(folder)
