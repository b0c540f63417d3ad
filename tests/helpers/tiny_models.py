"""Tiny audio chat models with random weights, written in the format of real checkpoints.

Each checkpoint has a configuration, weights, a byte-level tokenizer and a processor. The answers
are random text, but deterministic.
"""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

# The standard deviation of weights: so large that answers depend on the clip and the prompt.
SPREAD = 0.3
_BYTES = 256


def qwen2_audio(
    folder: Path,
    hidden: int = 32,
    layers: int = 2,
    audio_hidden: int = 32,
    words: Sequence[str] = (),
    spread: float = SPREAD,
) -> Path:
    """Write a Qwen2-Audio with the chat template of the library.

    ``hidden`` and ``layers`` are the language model's size, ``audio_hidden`` the encoder's width,
    ``words`` texts with a single token each, and ``spread`` the standard deviation of weights.
    """
    from transformers import (
        Qwen2AudioConfig,
        Qwen2AudioForConditionalGeneration,
        Qwen2AudioProcessor,
    )

    tokenizer = _byte_tokenizer(
        "<|endoftext|>", "<|im_start|>", "<|im_end|>",
        "<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>",
    )  # fmt: skip
    tokenizer.add_tokens(list(words))
    config = Qwen2AudioConfig(
        audio_config=_encoder("qwen2_audio_encoder", audio_hidden),
        text_config=_language_model("qwen2", hidden, layers, len(tokenizer)),
        audio_token_index=tokenizer.convert_tokens_to_ids("<|AUDIO|>"),
    )
    processor = Qwen2AudioProcessor(_feature_extractor(), tokenizer)
    model_class = Qwen2AudioForConditionalGeneration
    return _write(folder, model_class, config, processor, tokenizer, spread)


def audioflamingo3(folder: Path) -> Path:
    """Write an Audio Flamingo 3."""
    return _flamingo(folder, "AudioFlamingo3")


def musicflamingo(folder: Path) -> Path:
    """Write a Music Flamingo."""
    return _flamingo(folder, "MusicFlamingo")


def _flamingo(folder: Path, name: str) -> Path:
    """Write a Flamingo, whose template puts the audio before the text."""
    import transformers

    tokenizer = _byte_tokenizer(
        "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<sound>", "<|sound_bos|>", "<|sound_eos|>"
    )
    config = getattr(transformers, f"{name}Config")(
        audio_config=_encoder("audioflamingo3_encoder"),
        text_config=_language_model("qwen2", 32, 2, len(tokenizer)),
        audio_token_id=tokenizer.convert_tokens_to_ids("<sound>"),
    )
    processor = getattr(transformers, f"{name}Processor")(
        _feature_extractor(), tokenizer, chat_template=_chat_template(audio="<sound>")
    )
    model_class = getattr(transformers, f"{name}ForConditionalGeneration")
    return _write(folder, model_class, config, processor, tokenizer)


def voxtral(folder: Path) -> Path:
    """Write a Voxtral, with a byte-level Tekken tokenizer."""
    from transformers import VoxtralConfig, VoxtralForConditionalGeneration

    folder.mkdir(parents=True)
    (folder / "tekken.json").write_text(json.dumps(_tekken()), "utf-8")
    config = VoxtralConfig(
        audio_config=_encoder("voxtral_encoder"),
        text_config=_language_model("llama", 32, 2, _SPECIAL + _BYTES) | {"head_dim": 8},
        audio_token_id=24,
    )
    _write_model(folder, VoxtralForConditionalGeneration, config, eos=2, pad=11)
    _feature_extractor().save_pretrained(folder)
    return folder


def qwen2_5_omni(folder: Path) -> Path:
    """Write a Qwen2.5-Omni without the Talker."""
    return _omni(
        folder,
        "Qwen2_5Omni",
        _omni_tokenizer("<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>"),
        vision={"fullatt_block_indexes": [1]},
    )


def qwen3_omni_moe(folder: Path) -> Path:
    """Write a Qwen3-Omni without the Talker."""
    return _omni(
        folder,
        "Qwen3OmniMoe",
        _omni_tokenizer("<|audio_pad|>", "<|audio_start|>", "<|audio_end|>"),
        text={
            "head_dim": 8,
            "moe_intermediate_size": 16,
            "num_experts": 4,
            "num_experts_per_tok": 2,
        },
        vision={"deepstack_visual_indexes": [0, 1], "num_position_embeddings": 16},
        audio={"downsample_hidden_size": 8},
    )


def _omni_tokenizer(audio: str, start: str, end: str) -> Any:
    return _byte_tokenizer(
        "<|endoftext|>",
        "<|im_start|>",
        "<|im_end|>",
        audio_token=audio,
        audio_bos_token=start,
        audio_eos_token=end,
        image_token="<|image_pad|>",
        video_token="<|video_pad|>",
        vision_bos_token="<|vision_start|>",
        vision_eos_token="<|vision_end|>",
    )


def _omni(
    folder: Path,
    name: str,
    tokenizer: Any,
    text: Mapping[str, Any] = {},
    vision: Mapping[str, Any] = {},
    audio: Mapping[str, Any] = {},
) -> Path:
    """Write an Omni model: the Thinker with its audio and vision encoders."""
    import transformers

    kind = {"Qwen2_5Omni": "qwen2_5_omni", "Qwen3OmniMoe": "qwen3_omni_moe"}[name]
    thinker = {
        "audio_config": _encoder(f"{kind}_audio_encoder") | {"output_dim": 32, **audio},
        "vision_config": {
            "depth": 2, "hidden_size": 32, "num_heads": 4, "intermediate_size": 64,
            "out_hidden_size": 32, **vision,
        },
        "text_config": _language_model(f"{kind}_text", 32, 2, len(tokenizer))
        | {"rope_parameters": {"rope_type": "default", "mrope_section": [2, 1, 1]}, **text},
        "audio_token_id": tokenizer.audio_token_id,
        "audio_start_token_id": tokenizer.audio_bos_token_id,
        "audio_end_token_id": tokenizer.audio_eos_token_id,
        "image_token_id": tokenizer.image_token_id,
        "video_token_id": tokenizer.video_token_id,
        "vision_start_token_id": tokenizer.vision_bos_token_id,
        "vision_end_token_id": tokenizer.vision_eos_token_id,
    }  # fmt: skip
    processor = getattr(transformers, f"{name}Processor")(
        transformers.Qwen2VLImageProcessor(),
        transformers.Qwen2VLVideoProcessor(),
        transformers.WhisperFeatureExtractor(feature_size=128, chunk_length=300),
        tokenizer,
        chat_template=_chat_template(
            audio=f"{tokenizer.audio_bos_token}{tokenizer.audio_token}{tokenizer.audio_eos_token}"
        ),
    )
    config = getattr(transformers, f"{name}Config")(
        thinker_config=thinker, enable_audio_output=False
    )
    model_class = getattr(transformers, f"{name}ForConditionalGeneration")
    return _write(folder, model_class, config, processor, tokenizer)


def gemma4(folder: Path) -> Path:
    """Write a Gemma 4."""
    import transformers

    tokenizer = _gemma_tokenizer(
        add_bos_token=False,
        sot_token="<|turn>",
        eot_token="<turn|>",
        boi_token="<|image>",
        image_token="<|image|>",
        eoi_token="<image|>",
        boa_token="<|audio>",
        audio_token="<|audio|>",
        eoa_token="<audio|>",
    )
    processor = transformers.Gemma4Processor(
        transformers.Gemma4AudioFeatureExtractor(),
        transformers.Gemma4ImageProcessor(),
        tokenizer,
        transformers.Gemma4VideoProcessor(),
        chat_template=_gemma_template(tokenizer),
    )
    config = transformers.Gemma4Config(
        text_config=_gemma_text("gemma4_text", len(tokenizer), len(tokenizer))
        | {"global_head_dim": 16, "use_double_wide_mlp": True, "final_logit_softcapping": 30.0},
        audio_config={
            "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
            "subsampling_conv_channels": [128, 4], "output_proj_dims": 32,
        },
        vision_config={
            "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1,
            "num_attention_heads": 4, "num_key_value_heads": 4, "head_dim": 8,
        },
        eoa_token_index=tokenizer.eoa_token_id,
        video_token_id=processor.video_token_id,
        **_gemma_tokens(tokenizer),
    )  # fmt: skip
    model_class = transformers.Gemma4ForConditionalGeneration
    return _write(folder, model_class, config, processor, tokenizer)


def gemma3n(folder: Path) -> Path:
    """Write a Gemma 3n, whose vision encoder comes from timm."""
    import transformers

    tokenizer = _gemma_tokenizer(
        add_bos_token=True,
        sot_token="<start_of_turn>",
        eot_token="<end_of_turn>",
        boi_token="<start_of_image>",
        boa_token="<start_of_audio>",
        eoi_token="<end_of_image>",  # the vision vocabulary starts here
        image_token="<image_soft_token>",
        eoa_token="<end_of_audio>",  # the audio vocabulary starts here
        audio_token="<audio_soft_token>",
    )
    vision_start, audio_start = tokenizer.eoi_token_id, tokenizer.eoa_token_id
    processor = transformers.Gemma3nProcessor(
        transformers.Gemma3nAudioFeatureExtractor(),
        transformers.SiglipImageProcessor(),
        tokenizer,
        chat_template=_gemma_template(tokenizer),
    )
    config = transformers.Gemma3nConfig(
        text_config=_gemma_text("gemma3n_text", audio_start + 8, vision_start) | {"laurel_rank": 8},
        audio_config={
            "hidden_size": 32, "conf_num_hidden_layers": 2, "conf_num_attention_heads": 4,
            "sscp_conv_channel_size": [8, 4], "vocab_size": 8, "vocab_offset": audio_start,
        },
        vision_config={
            "architecture": "test_resnet", "hidden_size": 256,
            "vocab_size": audio_start - vision_start, "vocab_offset": vision_start,
        },
        eoa_token_id=tokenizer.eoa_token_id,
        **_gemma_tokens(tokenizer),
    )  # fmt: skip
    model_class = transformers.Gemma3nForConditionalGeneration
    return _write(folder, model_class, config, processor, tokenizer)


def _gemma_tokenizer(add_bos_token: bool, **named: str) -> Any:
    """Return a Gemma tokenizer with one token per letter."""
    from transformers import GemmaTokenizer

    letters = filter(str.isprintable, map(chr, range(33, 33 + _BYTES)))
    pieces = ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "▁", "\n", *letters)
    return GemmaTokenizer(
        {piece: rank for rank, piece in enumerate(pieces)},
        [],
        add_bos_token=add_bos_token,
        extra_special_tokens=named,
    )


def _gemma_template(tokenizer: Any) -> str:
    return "{{ bos_token }}" + _chat_template(
        tokenizer.sot_token, tokenizer.eot_token, tokenizer.audio_token, "model"
    )


def _gemma_tokens(tokenizer: Any) -> dict[str, int]:
    names = ("boi", "image", "eoi", "boa", "audio")
    return {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in names}


def _gemma_text(model_type: str, vocabulary: int, vocabulary_per_layer: int) -> dict[str, Any]:
    return _language_model(model_type, 32, 4, vocabulary) | {
        "head_dim": 8,
        "layer_types": ["sliding_attention", "full_attention"] * 2,
        "num_kv_shared_layers": 2,
        "hidden_size_per_layer_input": 8,
        "vocab_size_per_layer_input": vocabulary_per_layer,
    }


def phi4_multimodal(folder: Path) -> Path:
    """Write a Phi-4-multimodal, with its audio adapter in a subfolder."""
    import torch
    import transformers

    tokenizer = _byte_tokenizer(
        "<|endoftext|>", "<|user|>", "<|assistant|>",
        end="<|end|>", image_token="<|image|>", audio_token="<|audio|>",
    )  # fmt: skip
    tokenizer.chat_template = _plain_template("<|", "|>", "<|end|>")
    processor = transformers.Phi4MultimodalProcessor(
        transformers.Phi4MultimodalImageProcessor(),
        transformers.Phi4MultimodalFeatureExtractor(),
        tokenizer,
    )
    config = transformers.Phi4MultimodalConfig(
        **_language_model("phi4_multimodal", 32, 2, len(tokenizer)),
        bos_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        audio_config={
            "hidden_size": 32, "intermediate_size": 64, "num_blocks": 2, "num_attention_heads": 4,
            "ext_pw_out_channel": 32, "depthwise_separable_out_channel": 32,
            "nemo_conv_channels": 8, "audio_token_id": tokenizer.audio_token_id,
        },
        vision_config={
            "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
            "num_attention_heads": 4, "image_token_id": tokenizer.image_token_id,
        },
    )  # fmt: skip
    _write(folder, transformers.Phi4MultimodalForCausalLM, config, processor, tokenizer)
    model = transformers.Phi4MultimodalForCausalLM.from_pretrained(folder)
    with torch.no_grad():  # never generate the audio token, which would need a clip
        model.lm_head.weight[tokenizer.audio_token_id] = 0
    model.save_pretrained(folder)
    return _write_adapter(folder, model, "speech-lora", "qkv_proj", "o_proj", "down_proj")


def granite_speech(folder: Path) -> Path:
    """Write a Granite Speech, with its adapter in the same folder."""
    import transformers

    tokenizer = _byte_tokenizer(
        "<|start_of_role|>", "<|end_of_role|>", end="<|end_of_text|>", audio_token="<|audio|>"
    )
    tokenizer.chat_template = _plain_template(
        "<|start_of_role|>", "<|end_of_role|>", "<|end_of_text|>\n"
    )
    processor = transformers.GraniteSpeechProcessor(
        transformers.GraniteSpeechFeatureExtractor(), tokenizer
    )
    config = transformers.GraniteSpeechConfig(
        text_config=_language_model("granite", 32, 2, len(tokenizer)),
        encoder_config={"num_layers": 2, "hidden_dim": 32, "num_heads": 4},
        projector_config={
            "model_type": "blip_2_qformer", "hidden_size": 32, "encoder_hidden_size": 32,
            "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64,
        },
        audio_token_index=tokenizer.audio_token_id,
        tie_word_embeddings=False,
    )  # fmt: skip
    model_class = transformers.GraniteSpeechForConditionalGeneration
    _write(folder, model_class, config, processor, tokenizer)
    model = model_class.from_pretrained(folder)
    return _write_adapter(folder, model, ".", "q_proj", "v_proj")


def _write_adapter(folder: Path, model: Any, subfolder: str, *modules: str) -> Path:
    from peft import LoraConfig
    from transformers import PreTrainedModel

    model.add_adapter(LoraConfig(r=4, target_modules=list(modules), init_lora_weights=False))
    PreTrainedModel.save_pretrained(model, folder / subfolder)  # the adapter only
    return folder


FAMILIES: dict[str, Callable[[Path], Path]] = {
    "qwen2_audio": qwen2_audio,
    "voxtral": voxtral,
    "audioflamingo3": audioflamingo3,
    "musicflamingo": musicflamingo,
    "qwen2_5_omni": qwen2_5_omni,
    "qwen3_omni_moe": qwen3_omni_moe,
    "gemma3n": gemma3n,
    "gemma4": gemma4,
    "phi4_multimodal": phi4_multimodal,
    "granite_speech": granite_speech,
}


def _chat_template(
    start: str = "<|im_start|>",
    end: str = "<|im_end|>",
    audio: str = "<|AUDIO|>",
    assistant: str = "assistant",
) -> str:
    """Return a template that renders the parts of a message in their order."""
    return (
        f"{{% for message in messages %}}{start}{{{{ message['role'] }}}}\n"
        "{% for part in message['content'] %}"
        f"{{% if part['type'] == 'audio' %}}{audio}{{% else %}}{{{{ part['text'] }}}}{{% endif %}}"
        f"{{% endfor %}}{end}\n{{% endfor %}}"
        f"{{% if add_generation_prompt %}}{start}{assistant}\n{{% endif %}}"
    )


def _plain_template(before: str, after: str, end: str) -> str:
    """Return a template for messages of text only."""
    return (
        f"{{% for message in messages %}}{before}{{{{ message['role'] }}}}{after}"
        f"{{{{ message['content'] }}}}{end}{{% endfor %}}"
        f"{{% if add_generation_prompt %}}{before}assistant{after}{{% endif %}}"
    )


def _feature_extractor() -> Any:
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


def _byte_tokenizer(*special: str, end: str = "<|im_end|>", **named: str) -> Any:
    """Return a tokenizer with one token per byte and special tokens.

    ``named`` are special tokens that a processor accesses by name, such as ``audio_token``.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(models.BPE({piece: rank for rank, piece in enumerate(alphabet)}, []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        eos_token=end,
        pad_token="<|endoftext|>",
        extra_special_tokens=named,
    )
    tokenizer.add_special_tokens({"additional_special_tokens": list(special)})
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
    """Return a Tekken tokenizer file: one token per byte and Voxtral's special tokens."""
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


def _write(
    folder: Path,
    model_class: Any,
    config: Any,
    processor: Any,
    tokenizer: Any,
    spread: float = SPREAD,
) -> Path:
    _write_model(
        folder,
        model_class,
        config,
        eos=getattr(tokenizer, "eot_token_id", tokenizer.eos_token_id),
        pad=tokenizer.pad_token_id,
        spread=spread,
    )
    processor.save_pretrained(folder)
    return folder


def _write_model(
    folder: Path, model_class: Any, config: Any, eos: int, pad: int, spread: float = SPREAD
) -> None:
    import torch
    from transformers import GenerationConfig

    torch.manual_seed(2)
    model = model_class(config)
    for weights in model.parameters():
        if weights.dim() > 1:
            torch.nn.init.normal_(weights, std=spread)
    # Published defaults enable sampling, which greedy decoding must override.
    model.generation_config = GenerationConfig(
        do_sample=True, temperature=0.7, top_p=0.5, top_k=20, eos_token_id=eos, pad_token_id=pad
    )
    model.save_pretrained(folder)
