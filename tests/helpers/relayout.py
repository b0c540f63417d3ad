"""Fixtures that say the same in another way, to see that the parity tests read all of it.

Without the original code nothing new can be recorded; but much of what is recorded tells what the
original computes of other inputs. ``python tests/relayout.py DIR NEW`` writes those of DIR with

- clips and questions under other names, clips as patterns where they were whole, and vice versa;
- a shorter limit of answers, where these were found token by token;
- low-rank updates of a higher rank, what is added being zero;
- silence behind clips that are filled up with it, or of which only the beginning counts;
- other prompts, and clips of other lengths, for the template and the tokens of Qwen2-Audio.

With ``--fewer`` there is one clip and one question, of which less is recorded, and nothing else.
"""

import argparse
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from oracle import Oracle

SYSTEMS = "salmonn", "ltu_as", "wavllm"
LIMIT = 5  # tokens of an answer
RANKS = 3  # added
EOS = 2
RATE = 16_000


def relay(source: Path, target: Path, fewer: bool = False) -> None:
    """Write all systems' fixtures in another layout."""
    for system in SYSTEMS:
        fixtures = Oracle(system, source)
        cut_answers(fixtures, system)
        raise_rank(fixtures)
        add_silence(fixtures, system)
        turn_batch(fixtures)
        if fewer:
            thin_out(fixtures)
        variants = rename(fixtures)
        swap_patterns(fixtures)
        write(fixtures, target / system, variants)
    golden = json.loads((source / "qwen2_audio" / "golden.json").read_text("utf-8"))
    (target / "qwen2_audio").mkdir(parents=True)
    text = json.dumps(other_golden(golden))
    (target / "qwen2_audio" / "golden.json").write_text(text, "utf-8")


def write(fixtures: Oracle, folder: Path, variants: dict[str, Any]) -> None:
    """Write one system's fixtures."""
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


def forget(fixtures: Oracle) -> None:
    """Let names be read again."""
    for name in ("asked", "clips"):
        vars(fixtures).pop(name, None)


def cut_answers(fixtures: Oracle, system: str) -> None:
    """Let answers end after a few tokens; those of a beam search would be others."""
    config, expected = fixtures.config, fixtures.expected
    if system == "salmonn":
        config["generation"]["beam4"]["max_new_tokens"] = LIMIT
        config["generated_ids"] = {
            name: ids[: 1 + LIMIT] if name.endswith("greedy") else ids
            for name, ids in config["generated_ids"].items()
            if not name.endswith("beam4")
        }
        for key in [key for key in config if key.endswith("NOT_original")]:
            config[key] = {name: ids for name, ids in config[key].items() if name.endswith("max60")}
    if system == "ltu_as":
        config["generation"]["official"]["max_new_tokens"] = LIMIT
        for answers in config["generated"].values():
            answers |= {kind: ids[:LIMIT] for kind, ids in answers.items()}
    if system == "wavllm":
        for how, rule in config["generation"].items():
            config["generation"][how] = rule.replace("prefix size + 16", f"prefix size + {LIMIT}")
        for name, answer in config["generated"].items():
            cut_forced(fixtures, name, answer)
        return
    for name, value in expected.items():
        if name.endswith(("_step_logits", "_processed_scores")):
            expected[name] = value[:LIMIT]


def cut_forced(fixtures: Oracle, name: str, answer: dict[str, Any]) -> None:
    """Cut an answer of WavLLM, which at its limit is forced to end."""
    import torch

    expected, left = fixtures.expected, len(answer["generated"]) - (LIMIT + 1)
    if left <= 0:
        return
    answer["generated"] = [*answer["generated"][:LIMIT], EOS]
    answer["hypothesis_tokens"] = [*answer["hypothesis_tokens"][: -1 - left], EOS]
    asked, how = re.fullmatch(r"(.+)\.(greedy|sample).*", name).groups()
    if f"{asked}.{how}_lprobs" not in expected:
        return
    odds = expected[f"{asked}.{how}_lprobs"][: LIMIT + 1].clone()
    end = odds[LIMIT, EOS].clone()
    odds[LIMIT] = -torch.inf
    odds[LIMIT, EOS] = end
    expected[f"{asked}.{how}_lprobs"] = odds
    if how == "greedy":
        for each in ("logits_full", "final_hidden_before_norm"):
            if f"{asked}.{each}" in expected:
                expected[f"{asked}.{each}"] = expected[f"{asked}.{each}"][:, :-left]
        expected[f"{asked}.seq_len"] = expected[f"{asked}.seq_len"] - left
        scores = expected[f"{asked}.greedy_positional_scores"][:-left].clone()
        scores[-1] = end
        expected[f"{asked}.greedy_positional_scores"] = scores


def raise_rank(fixtures: Oracle) -> None:
    """Add rows to one factor of the low-rank updates, and zeros to the other."""
    from torch.nn.functional import pad

    lora = fixtures.config["lora"]
    rank, added = lora["r"], (0, RANKS)
    for name, value in fixtures.weights.items():
        if half := re.search(r"lora_([AB])", name):
            axis = list(value.shape).index(rank)
            filled = pad(value.movedim(axis, -1), added, value=float(half[1] == "A"))
            fixtures.weights[name] = filled.movedim(-1, axis)
    for key in {"r", "lora_rank"} & lora.keys():
        lora[key] = rank + RANKS
    for key in {"alpha", "lora_alpha"} & lora.keys():
        lora[key] = lora[key] * (rank + RANKS) / rank


def add_silence(fixtures: Oracle, system: str) -> None:
    """Lengthen clips by what changes nothing."""
    for clip in fixtures.clips:
        wave = fixtures.wave(clip)
        if system == "salmonn" and len(wave) < RATE:  # it is filled up with silence
            longer = (len(wave) + RATE) // 2
        elif system == "ltu_as" and len(wave) > 11 * RATE:  # the first 10 s count
            longer = len(wave) + 2 * RATE
        else:
            continue
        fixtures.inputs[f"wav_{clip}"] = np.pad(wave, (0, longer - len(wave)))


def turn_batch(fixtures: Oracle) -> None:
    """Put a batch of LTU-AS in another order, with one more row."""
    batch = fixtures.inputs.get("tltr_batch_input")
    if batch is not None:
        order = [*range(len(batch))[::-1], 0]
        fixtures.inputs["tltr_batch_input"] = batch[order]
        for name, value in fixtures.expected.items():
            if name.startswith("tltr_batch."):
                fixtures.expected[name] = value[order]


def thin_out(fixtures: Oracle) -> None:
    """Keep one clip, one question and a part of what is recorded of them."""
    import torch

    asked = fixtures.asked[0]
    clip, expected = fixtures.clip_of(asked), fixtures.expected
    if f"{clip}.beats.out" in expected:
        tokens = expected[f"{clip}.beats.out"].shape[1]
        expected[f"{clip}.beats.n_tokens"] = torch.tensor([tokens])

    def stays(name: str) -> bool:
        about = fixtures.clip_of(name)
        of_question = any(name.startswith(f"{each}.") for each in fixtures.asked)
        return name.startswith(f"{asked}.") or (about == clip and not of_question)

    parts = {}
    for name, value in expected.items():
        if name.startswith("tltr_batch"):
            parts[name] = value
        elif stays(name):
            long = max(range(value.dim()), key=lambda axis, value=value: value.shape[axis])
            if re.search(r"\.(logits|logits_full)$", name):
                value = value[:, -60:]
            elif re.search(r"(hidden_states?|beats\.out|layer\d|all_layers_nopool)$", name):
                value = value.movedim(long, 0)[::7].movedim(0, long)
                name += "_every_7"
            parts[name] = value
    fixtures.expected = parts
    fixtures.inputs = {
        name: value
        for name, value in fixtures.inputs.items()
        if stays(name) or name.startswith((f"wav_{clip}", "tltr_batch", "synth_"))
    }
    for key, told in fixtures.config.items():
        if key.startswith("generated"):
            fixtures.config[key] = {
                name: value
                for name, value in told.items()
                if name == asked or name.startswith(f"{asked}.")
            }
    forget(fixtures)


def rename(fixtures: Oracle) -> dict[str, Any]:
    """Give clips the names of others, and questions the numbers of others."""
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

    def renamed(told: Any) -> Any:
        if isinstance(told, dict):
            return {new(key): renamed(each) for key, each in told.items()}
        return told

    fixtures.inputs, config = renamed(fixtures.inputs), renamed(fixtures.config)
    fixtures.expected = renamed(fixtures.expected)
    config["questions"] = config["questions"][::-1]
    fixtures.config = config
    forget(fixtures)
    if not (fixtures.folder / "beats_variants_config.json").is_file():
        return {}
    variants: dict[str, Any] = fixtures.json("beats_variants_config")
    old = re.search(r"wav_(\w+)", variants["input"])
    return variants | {"input": variants["input"].replace(old[0], f"wav_{names[old[1]]}")}


def swap_patterns(fixtures: Oracle) -> None:
    """Write clips as patterns, and patterns as clips."""
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
    """Ask Qwen2-Audio something else, about clips of other lengths (by the file's own formula)."""
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
    total = sum(each["audio_tokens"] for each in counts[:3])
    return {
        "templates": {f"t{n}": each for n, each in enumerate(json.loads(templates).values())},
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
    given = parser.parse_args()
    relay(given.source, given.target, given.fewer)
