"""The device on which a model computes here."""

import re
import sys
from typing import Any

from jasco.backends.options import Option, one_of
from jasco.errors import InputError


def _device(text: str) -> str:
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", text):
        raise ValueError("one of auto, cpu, cuda, cuda:N, mps is needed")
    return text


DEVICE = Option("device", "auto, cpu, cuda, cuda:N, mps", _device, "auto")
"""The option that names a device; not part of a model's identity."""


def dtype_option(auto: str) -> Option:
    """Return the option that names a precision; ``auto`` describes its default."""
    return Option(
        "dtype",
        f"precision: auto ({auto}), float32, bfloat16, float16",
        one_of("auto", "float32", "bfloat16", "float16"),
        "auto",
        identity=True,
    )


def choose_device(label: str, wanted: str, torch: Any) -> str:
    """Return the device that :data:`DEVICE` asks for (``InputError`` where it is missing)."""
    has_mps = torch.backends.mps.is_available()
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "mps" if has_mps else "cpu"
    if wanted == "mps" and not has_mps:
        raise InputError(f"{label}: torch finds no mps device here; leave out device=mps")
    if wanted.startswith("cuda"):
        number = int(wanted.partition(":")[2] or 0)
        found = torch.cuda.device_count()
        if number >= found:
            raise InputError(
                f"{label}: device={wanted} is not there, torch finds {found} CUDA devices; "
                "choose another, or install a torch that fits the driver"
            )
    return wanted


def empty_cache() -> None:
    """Release the memory of a device that torch, if it is in use, holds and does not need."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch is not None and torch.backends.mps.is_available():
        torch.mps.empty_cache()
