"""The sizes of the original WavLLM; those of a converted folder are in its ``config.json``."""

from typing import Any

KIND = "wavllm"
"""The value of ``jasco_model`` in a converted folder's ``config.json``."""

PUBLISHED: dict[str, Any] = {
    "jasco_model": KIND,
    "whisper": {  # the encoder of large-v2
        "d_model": 1280,
        "encoder_layers": 32,
        "encoder_attention_heads": 20,
        "encoder_ffn_dim": 5120,
        "num_mel_bins": 80,
        "max_source_positions": 1500,
    },
    "wavlm": {  # Base
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
        "conv_dim": [512] * 7,
        "conv_kernel": [10, 3, 3, 3, 3, 2, 2],
        "conv_stride": [5, 2, 2, 2, 2, 2, 2],
        "conv_bias": False,
        "num_conv_pos_embeddings": 128,
        "num_conv_pos_embedding_groups": 16,
        "num_buckets": 320,
        "max_bucket_distance": 800,
        "feat_extract_norm": "group",
        "do_stable_layer_norm": False,
    },
    "connectors": {
        "whisper_middle": 1280,
        "wavlm_middle": 512,
        "width": 1024,
        "bottleneck": 512,
        "out": 2048,
    },
    "llama": {
        "vocab_size": 32_000,
        "hidden_size": 4096,
        "intermediate_size": 11_008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "max_position_embeddings": 2048,
        "rms_norm_eps": 1e-6,  # not Llama 2's 1e-5
        "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0},
    },
    "updates": {"rank": 32},
    "scale": {"bottleneck": 1024, "largest": 3.0},
}
"""The sizes of the modules.

``whisper``, ``wavlm`` and ``llama`` are arguments of transformers' configurations. ``connectors``
contains numbers of channels: of the first convolution of each subsampler (``*_middle``), of the
subsamplers' outputs (``width``), of the adapters' bottlenecks, and of the connectors' outputs
(``out``). ``updates`` contains the rank of LoRA. ``scale`` contains the number of channels inside
the head that predicts the LoRA scale (``bottleneck``), and the upper bound of that scale.
"""
