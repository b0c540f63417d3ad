"""Loading of a checkpoint's processor and model, with helpful errors."""

import copy
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from jasco.backends.optional_imports import import_optional
from jasco.data.audio import SAMPLING_RATE, Audio
from jasco.errors import CHECK_DOWNLOAD, InputError, count, one_line
from jasco.models.batches import Question
from jasco.models.devices import choose_device
from jasco.models.transformers.families import FAMILIES, OTHER, Family, audio_token


@dataclass(frozen=True)
class Loaded:
    """A model that is ready for questions.

    Attributes
    ----------
    processor, model : object
        Objects of transformers; the model is on its device and in evaluation mode.
    family : Family
        How it is prompted.
    facts : mapping of str to str
        The runtime (precision, device, versions), for the record.
    """

    processor: Any
    model: Any
    family: Family
    facts: Mapping[str, str]


def load(name: str, options: Mapping[str, Any]) -> Loaded:
    """Load a checkpoint, from a folder or from the hub, and check that it uses the audio.

    Raises
    ------
    InputError
        A library or the checkpoint is missing, or it is not an audio chat model.
    """
    label = f"hf/{name}"
    torch, transformers = (
        import_optional(library, label, "transformers") for library in ("torch", "transformers")
    )
    _quieten(transformers)
    device = choose_device(label, options["device"], torch)
    place, local = _find(label, name)
    version = {"revision": options["revision"]} if options["revision"] else {}
    # Explicit, because transformers would otherwise ask whether to run the checkpoint's code.
    source = {"trust_remote_code": False} | version
    with _explained(f"{label} cannot be loaded", "check that it is a model"):
        config = transformers.AutoConfig.from_pretrained(place, **source)
    family = FAMILIES.get(config.model_type, OTHER)
    if missing := [package for module, package in family.needs if find_spec(module) is None]:
        raise InputError(
            f"{label}: {config.model_type} models require more packages; "
            f"run: pip install {' '.join(missing)}"
        )
    with _explained(
        f"{label}: its processor cannot be loaded", "check that it is a complete audio chat model"
    ):
        processor = transformers.AutoProcessor.from_pretrained(place, **source)
    prepare_padding(processor)
    check_audio_is_used(label, processor, family, config)
    model_class = _class_of(label, transformers, config, family)
    attn, dtype = options["attn"], options["dtype"]
    with _explained(
        f"{label}: its weights cannot be loaded",
        "check attn=" if attn else CHECK_DOWNLOAD,
    ):
        model, report = model_class.from_pretrained(
            place,
            dtype=dtype if dtype == "auto" else getattr(torch, dtype),
            output_loading_info=True,
            **source,
            **({"attn_implementation": attn} if attn else {}),
        )
    # transformers initialises missing weights randomly; the answers would be noise.
    if gaps := sorted(report["missing_keys"]):
        raise InputError(
            f"{label}: the checkpoint lacks {count(len(gaps), 'weight')} of {type(model).__name__} "
            f"({one_line(gaps[0], 80)}...); {CHECK_DOWNLOAD}"
        )
    if folder := family.adapter:
        with _explained(
            f"{label}: its weights for audio ({folder}) cannot be loaded",
            CHECK_DOWNLOAD,
        ):
            if local:  # transformers does not search subfolders of a local folder
                model.load_adapter(str(Path(place, folder)))
            else:
                model.load_adapter(place, adapter_kwargs={"subfolder": folder, **version})
    elif getattr(config, "has_lora_adapter", False) and not getattr(
        model, "_hf_peft_config_loaded", False
    ):
        raise InputError(f"{label}: the checkpoint lacks its adapter for audio; {CHECK_DOWNLOAD}")
    with _explained(f"{label} cannot be moved to {device}", "try device=cpu"):
        model.to(device).eval()
    facts = _facts(model, family)
    if not local:  # the commit is the name of the model's folder in the hub's cache
        cached = transformers.utils.cached_file(place, "config.json", **version)
        facts["revision"] = Path(cached).parent.name
    return Loaded(processor, model, family, facts)


def load_from_memory(label: str, processor: Any, model: Any) -> Loaded:
    """Return a model that is already in memory, after a check that it uses the audio.

    The processor is copied, because its padding is changed.

    Raises
    ------
    InputError
        The audio does not reach the model.
    """
    family = FAMILIES.get(model.config.model_type, OTHER)
    processor = copy.deepcopy(processor)
    prepare_padding(processor)
    check_audio_is_used(label, processor, family, model.config)
    return Loaded(processor, model, family, _facts(model, family))


def _facts(model: Any, family: Family) -> dict[str, str]:
    import torch
    import transformers

    return {
        "dtype": str(model.dtype).removeprefix("torch."),
        "device": str(model.device),
        "attn": str(getattr(model.config, "_attn_implementation", None)),
        "class": type(model).__name__,
        "family": f"{model.config.model_type} ({family.tested})",
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def _quieten(transformers: Any) -> None:
    """Turn off progress bars without a terminal, and warnings unless they are requested."""
    if not sys.stderr.isatty():
        transformers.utils.logging.disable_progress_bar()
    if "TRANSFORMERS_VERBOSITY" not in os.environ:
        transformers.utils.logging.set_verbosity_error()


def _find(label: str, name: str) -> tuple[str, bool]:
    """Return the source for transformers, and whether it is a local folder."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise InputError(f"{label}: no config.json in the folder; give the folder that has it")
        return str(folder), True
    if name.startswith(("/", ".", "~")) or name.count("/") > 1:
        raise InputError(f"{label}: folder {folder} not found; give a folder, or a name on the hub")
    return name, False


def _class_of(label: str, transformers: Any, config: Any, family: Family) -> Any:
    """Return the class to load: the family's, else the checkpoint's, else by configuration type.

    The only automatic mapping that contains Audio Flamingo 3 is that for sequence-to-sequence
    models.
    """
    for name in (family.model_class, *(getattr(config, "architectures", None) or ())):
        if name and (found := getattr(transformers, name, None)):
            return found
    for auto in ("AutoModelForMultimodalLM", "AutoModelForSeq2SeqLM"):
        mapping = getattr(getattr(transformers, auto, None), "_model_mapping", {})
        if type(config) in mapping:
            return mapping[type(config)]
    raise InputError(
        f"{label}: transformers {transformers.__version__} has no class that generates text for "
        f"{config.model_type}; update transformers, or use another model"
    )


def prepare_padding(processor: Any) -> None:
    """Set padding to the left, so that padding does not separate a prompt from its answer."""
    tokenizer = getattr(processor, "tokenizer", None)
    if tokenizer is not None:
        tokenizer.padding_side = "left"
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token


def check_audio_is_used(label: str, processor: Any, family: Family, config: Any) -> None:
    """Check that the processor passes audio to the model.

    Some processors ignore unknown arguments, and a template may drop a part: the model would answer
    without the audio, unnoticed. Therefore a second of silence and a second of a tone must have
    different features, and the prompt must contain the audio tokens.

    Raises
    ------
    InputError
        This is not the case, or the processor does not accept audio.
    """
    problem = f"{label}: the audio does not reach the model"
    remedy = "use an audio chat model (often named ...-Instruct)"
    time = np.arange(SAMPLING_RATE) / SAMPLING_RATE
    tone = (8000 * np.sin(2 * np.pi * 440 * time)).astype(np.int16)
    try:
        silent, loud = (
            family.inputs(processor, [Question(Audio(samples), "What do you hear?")])
            for samples in (np.zeros_like(tone), tone)
        )
    except Exception as error:  # a processor may raise anything
        raise InputError(f"{problem} ({_quoted(error)}); {remedy}") from error
    if not any(_differ(silent[key], loud.get(key)) for key in silent):
        raise InputError(f"{problem}: its processor extracts no features from it; {remedy}")
    token = audio_token(processor, config)
    if token is not None and not (silent["input_ids"] == token).any():
        raise InputError(f"{problem}: its prompt has no audio tokens; {remedy}")


def _differ(one: Any, other: Any) -> bool:
    if not (hasattr(one, "is_floating_point") and one.is_floating_point()):
        return False
    return other is None or one.shape != other.shape or bool((one != other).any())


_REMEDIES = {
    "GatedRepoError": "access to it is restricted; accept the terms on its page, then log in with: "
    "hf auth login",
    "RepositoryNotFoundError": "the hub has no such model, or it requires a login (hf auth login); "
    "check the name",
    "RevisionNotFoundError": "the model has no such revision; check revision=",
    "LocalEntryNotFoundError": "it is not in the cache and the hub cannot be reached; give the "
    "folder of a downloaded copy, or check the internet connection",
    "OfflineModeIsEnabled": "it is not in the cache and the hub is disabled; unset "
    "HF_HUB_OFFLINE, or give the folder of a downloaded copy",
    "ConnectionError": "the hub cannot be reached; give the folder of a downloaded copy, or check "
    "the internet connection",
    "OutOfMemoryError": "it does not fit into memory; try dtype=bfloat16 or another device",
}
"""Explanations of errors and what to do, by the name of the error class."""
_UNKNOWN = "its type is unknown to this version of transformers; update transformers"
_REMEDIES_BY_WORDS = {
    "trust_remote_code": "it requires its own code, which is not run here; serve it in a separate "
    "environment and use openai/...",
    "does not recognize this architecture": _UNKNOWN,
    "nrecognized model": _UNKNOWN,
    "couldn't connect": _REMEDIES["ConnectionError"],
    "is not a local folder": _REMEDIES["RepositoryNotFoundError"],
}
"""The same by words of the message, if the class is too general."""


@contextmanager
def _explained(problem: str, remedy: str) -> Iterator[None]:
    """Raise exceptions within the block as ``InputError``: the problem, its cause and what to do.

    transformers wraps the errors of the hub's client, so causes are also considered.
    """
    try:
        yield
    except Exception as error:  # from transformers, the hub's client, safetensors, torch
        classes = {kind.__name__ for cause in _causes(error) for kind in type(cause).__mro__}
        remedies = [text for name, text in _REMEDIES.items() if name in classes]
        remedies += [text for words, text in _REMEDIES_BY_WORDS.items() if words in str(error)]
        explanation = remedies[0] if remedies else f"{_quoted(error)}; {remedy}"
        raise InputError(f"{problem}: {explanation}") from error


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _quoted(error: BaseException) -> str:
    return f"{type(error).__name__}: {one_line(error, 120).rstrip('.')}"
