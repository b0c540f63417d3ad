"""Equivalent fixtures in another layout, to check that the parity tests hard-code nothing.

Without the original code nothing new can be recorded, but the expected outputs of many other inputs
follow from the recorded ones. ``python tests/helpers/relayout.py DIR NEW`` writes those of DIR with

- clips and questions under other names, full clips as patterns, and vice versa;
- a lower limit on the length of answers, where these were found token by token;
- LoRA weights of a higher rank, padded so that the product is the same;
- silence appended to clips that are padded with it, or of which only the beginning is used;
- other prompts, and clips of other lengths, for the template and the tokens of Qwen2-Audio.

With ``--fewer``, only one clip and one question are kept, with fewer tensors.
"""

import argparse
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from oracle import Oracle

PORTS = "salmonn", "ltu_as", "wavllm"
LIMIT = 5  # tokens of an answer
RANKS = 3  # added to the rank of LoRA weights
EOS = 2
RATE = 16_000


def relay(source: Path, target: Path, fewer: bool = False) -> None:
    """Write the fixtures of all ported models in another layout."""
    for port in PORTS:
        fixtures = Oracle(port, source)
        cut_answers(fixtures, port)
        raise_rank(fixtures)
        add_silence(fixtures, port)
        reorder_batch(fixtures)
        if fewer:
            keep_part(fixtures)
        variants = rename(fixtures)
        swap_patterns(fixtures)
        write(fixtures, target / port, variants)
    golden = json.loads((source / "qwen2_audio" / "golden.json").read_text("utf-8"))
    (target / "qwen2_audio").mkdir(parents=True)
    text = json.dumps(other_golden(golden))
    (target / "qwen2_audio" / "golden.json").write_text(text, "utf-8")


def write(fixtures: Oracle, folder: Path, variants: dict[str, Any]) -> None:
    """Write one port's fixtures."""
    from safetensors.torch import save_file

    shutil.copytree(fixtures.folder, folder, copy_function=shutil.copyfile)
    folder.chmod(0o755)
    (folder / "config.json").write_text(json.dumps(fixtures.config), "utf-8")
    if variants:
        (folder / "beats_variants_config.json").write_text(json.dumps(variants), "utf-8")
    np.savez(folder / "inputs.npz", **fixtures.inputs)
    for name in ("expected", "weights"):
        tensors = getattr(fixtures, name).items()
        save_file(
            {key: value.clone().contiguous() for key, value in tensors},
            folder / f"{name}.safetensors",
        )


def clear_cached_names(fixtures: Oracle) -> None:
    """Clear cached properties after a change of names."""
    for name in ("dialogues", "clips"):
        vars(fixtures).pop(name, None)


def cut_answers(fixtures: Oracle, port: str) -> None:
    """Cut answers after a few tokens, except for those of a beam search, which would differ."""
    config, expected = fixtures.config, fixtures.expected
    if port == "salmonn":
        config["generation"]["beam4"]["max_new_tokens"] = LIMIT
        config["generated_ids"] = {
            name: ids[: 1 + LIMIT] if name.endswith("greedy") else ids
            for name, ids in config["generated_ids"].items()
            if not name.endswith("beam4")
        }
        for key in [key for key in config if key.endswith("NOT_original")]:
            config[key] = {name: ids for name, ids in config[key].items() if name.endswith("max60")}
    if port == "ltu_as":
        config["generation"]["official"]["max_new_tokens"] = LIMIT
        for answers in config["generated"].values():
            answers |= {kind: ids[:LIMIT] for kind, ids in answers.items()}
    if port == "wavllm":
        for method, rule in config["generation"].items():
            config["generation"][method] = rule.replace(
                "prefix size + 16", f"prefix size + {LIMIT}"
            )
        for name, answer in config["generated"].items():
            cut_forced(fixtures, name, answer)
        return
    for name, value in expected.items():
        if name.endswith(("_step_logits", "_processed_scores")):
            expected[name] = value[:LIMIT]


def cut_forced(fixtures: Oracle, name: str, answer: dict[str, Any]) -> None:
    """Cut an answer of WavLLM, which is forced to end at the limit."""
    import torch

    expected, removed = fixtures.expected, len(answer["generated"]) - (LIMIT + 1)
    if removed <= 0:
        return
    answer["generated"] = [*answer["generated"][:LIMIT], EOS]
    answer["hypothesis_tokens"] = [*answer["hypothesis_tokens"][: -1 - removed], EOS]
    dialogue, method = re.fullmatch(r"(.+)\.(greedy|sample).*", name).groups()
    if f"{dialogue}.{method}_lprobs" not in expected:
        return
    log_probabilities = expected[f"{dialogue}.{method}_lprobs"][: LIMIT + 1].clone()
    end = log_probabilities[LIMIT, EOS].clone()
    log_probabilities[LIMIT] = -torch.inf
    log_probabilities[LIMIT, EOS] = end
    expected[f"{dialogue}.{method}_lprobs"] = log_probabilities
    if method == "greedy":
        for suffix in ("logits_full", "final_hidden_before_norm"):
            if (name := f"{dialogue}.{suffix}") in expected:
                expected[name] = expected[name][:, :-removed]
        expected[f"{dialogue}.seq_len"] = expected[f"{dialogue}.seq_len"] - removed
        scores = expected[f"{dialogue}.greedy_positional_scores"][:-removed].clone()
        scores[-1] = end
        expected[f"{dialogue}.greedy_positional_scores"] = scores


def raise_rank(fixtures: Oracle) -> None:
    """Add rows of ones to the A of LoRA weights, and zeros to the B."""
    from torch.nn.functional import pad

    lora = fixtures.config["lora"]
    rank, padding = lora["r"], (0, RANKS)
    for name, value in fixtures.weights.items():
        if factor := re.search(r"lora_([AB])", name):
            axis = list(value.shape).index(rank)
            padded = pad(value.movedim(axis, -1), padding, value=float(factor[1] == "A"))
            fixtures.weights[name] = padded.movedim(-1, axis)
    for key in {"r", "lora_rank"} & lora.keys():
        lora[key] = rank + RANKS
    for key in {"alpha", "lora_alpha"} & lora.keys():
        lora[key] = lora[key] * (rank + RANKS) / rank


def add_silence(fixtures: Oracle, port: str) -> None:
    """Append silence to clips where it does not change the result."""
    for clip in fixtures.clips:
        wave = fixtures.wave(clip)
        if port == "salmonn" and len(wave) < RATE:  # padded with silence
            length = (len(wave) + RATE) // 2
        elif port == "ltu_as" and len(wave) > 11 * RATE:  # only the first 10 s are used
            length = len(wave) + 2 * RATE
        else:
            continue
        fixtures.inputs[f"wav_{clip}"] = np.pad(wave, (0, length - len(wave)))


def reorder_batch(fixtures: Oracle) -> None:
    """Reorder a batch of LTU-AS and add a row."""
    batch = fixtures.inputs.get("tltr_batch_input")
    if batch is not None:
        order = [*range(len(batch))[::-1], 0]
        fixtures.inputs["tltr_batch_input"] = batch[order]
        for name, value in fixtures.expected.items():
            if name.startswith("tltr_batch."):
                fixtures.expected[name] = value[order]


def keep_part(fixtures: Oracle) -> None:
    """Keep one clip and one question, with a part of the recorded tensors."""
    import torch

    dialogue = fixtures.dialogues[0]
    clip, expected = fixtures.clip_of(dialogue), fixtures.expected
    if f"{clip}.beats.out" in expected:
        tokens = expected[f"{clip}.beats.out"].shape[1]
        expected[f"{clip}.beats.n_tokens"] = torch.tensor([tokens])

    def is_kept(name: str) -> bool:
        of_dialogue = any(name.startswith(f"{other}.") for other in fixtures.dialogues)
        of_clip = fixtures.clip_of(name) == clip and not of_dialogue
        return name.startswith(f"{dialogue}.") or of_clip

    parts = {}
    for name, value in expected.items():
        if name.startswith("tltr_batch"):
            parts[name] = value
        elif is_kept(name):
            longest = max(range(value.dim()), key=lambda axis, value=value: value.shape[axis])
            if re.search(r"\.(logits|logits_full)$", name):
                value = value[:, -60:]
            elif re.search(r"(hidden_states?|beats\.out|layer\d|all_layers_nopool)$", name):
                value = value.movedim(longest, 0)[::7].movedim(0, longest)
                name += "_every_7"
            parts[name] = value
    fixtures.expected = parts
    fixtures.inputs = {
        name: value
        for name, value in fixtures.inputs.items()
        if is_kept(name) or name.startswith((f"wav_{clip}", "tltr_batch", "synth_"))
    }
    for key, answers in fixtures.config.items():
        if key.startswith("generated"):
            fixtures.config[key] = {
                name: value
                for name, value in answers.items()
                if name == dialogue or name.startswith(f"{dialogue}.")
            }
    clear_cached_names(fixtures)


def rename(fixtures: Oracle) -> dict[str, Any]:
    """Swap the names of clips and the numbers of questions; return the renamed BEATs variants."""
    clips, last = fixtures.clips, len(fixtures.config["questions"]) - 1
    names = dict(zip(clips, [*clips[1:], "rain.2"], strict=True))

    def new(name: str) -> str:
        clip = fixtures.clip_of(name)
        if clip:
            name = names[clip] + name.removeprefix(clip)
        elif found := re.fullmatch(r"(wav_|.*\.probabilities_)(.+?)(_pattern|_len)?", name):
            start, clip, end = found.groups(default="")
            name = start + names.get(clip, clip) + end
        return re.sub(r"(?<=[._]q)\d+(?=\.|$)", lambda found: str(last - int(found[0])), name)

    def renamed(value: Any) -> Any:
        if isinstance(value, dict):
            return {new(key): renamed(part) for key, part in value.items()}
        return value

    fixtures.inputs, config = renamed(fixtures.inputs), renamed(fixtures.config)
    fixtures.expected = renamed(fixtures.expected)
    config["questions"] = config["questions"][::-1]
    fixtures.config = config
    clear_cached_names(fixtures)
    if not (fixtures.folder / "beats_variants_config.json").is_file():
        return {}
    variants: dict[str, Any] = fixtures.json("beats_variants_config")
    old = re.search(r"wav_(\w+)", variants["input"])
    return variants | {"input": variants["input"].replace(old[0], f"wav_{names[old[1]]}")}


def swap_patterns(fixtures: Oracle) -> None:
    """Store full clips as patterns, and vice versa."""
    inputs = fixtures.inputs
    for clip in fixtures.clips:
        wave = fixtures.wave(clip)
        if inputs.pop(f"wav_{clip}_pattern", None) is not None:
            del inputs[f"wav_{clip}_len"]
            inputs[f"wav_{clip}"] = wave
        else:
            del inputs[f"wav_{clip}"]
            inputs[f"wav_{clip}_pattern"] = wave
            inputs[f"wav_{clip}_len"] = np.array(len(wave))


def other_golden(golden: dict[str, Any]) -> dict[str, Any]:
    """Return the Qwen2-Audio fixture for other prompts and clips of other lengths.

    The number of tokens follows the formula of the original fixture.
    """
    texts = set(re.findall(r'"text": "([^"]+)"', json.dumps(golden["templates"])))
    templates = json.dumps(golden["templates"])
    for number, text in enumerate(sorted(texts - {"text"}, key=len, reverse=True)):
        templates = templates.replace(text, f"Question {number}: what is it?")
    counts = []
    for seconds in (0.9, 4.2, 29.0, 33.0):
        frames = min(3000, round(100 * seconds))
        counts.append(
            {
                "samples": round(RATE * seconds),
                "valid_mel_frames": frames,
                "input_features_shape": [1, golden["mel_bins"], 3000],
                "audio_tokens": ((frames - 1) // 2 + 1 - 2) // 2 + 1,
            }
        )
    total = sum(count["audio_tokens"] for count in counts[:3])
    return {
        "templates": {f"t{n}": value for n, value in enumerate(json.loads(templates).values())},
        "audio_token_counts": counts,
        "three_clips_0.9s_4.2s_29s_total_audio_tokens": total,
        "mel_bins": golden["mel_bins"],
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--fewer", action="store_true")
    options = parser.parse_args()
    relay(options.source, options.target, options.fewer)
