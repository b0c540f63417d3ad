"""The device on which a local model runs."""

import os
import re
import sys
from typing import Any

from jasco.backends.options import Option, one_of
from jasco.errors import InputError, count


def _device(text: str) -> str:
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", text):
        raise ValueError("expected one of auto, cpu, cuda, cuda:N, mps")
    return text


DEVICE = Option("device", "auto, cpu, cuda, cuda:N, mps", _device, "auto")
"""The option for the device; not part of the identity."""


def available_cores() -> int:
    """Return how many processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def dtype_option(auto: str) -> Option:
    """Return the option for the precision; ``auto`` describes its default."""
    return Option(
        "dtype",
        f"precision: auto ({auto}), float32, bfloat16, float16",
        one_of("auto", "float32", "bfloat16", "float16"),
        "auto",
        identity=True,
    )


def choose_device(label: str, wanted: str, torch: Any) -> str:
    """Return the device selected with :data:`DEVICE` (``InputError`` if it is not available)."""
    has_mps = torch.backends.mps.is_available()
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "mps" if has_mps else "cpu"
    if wanted == "mps" and not has_mps:
        raise InputError(f"{label}: device=mps is not available to torch; remove device=mps")
    if wanted.startswith("cuda"):
        number = int(wanted.partition(":")[2] or 0)
        found = torch.cuda.device_count()
        if number >= found:
            raise InputError(
                f"{label}: device={wanted} is not available (torch finds "
                f"{count(found, 'CUDA device')}); choose another device, or install a torch build "
                "that matches the driver"
            )
    return wanted


def empty_cache() -> None:
    """Release the device memory that torch, if it is in use, has cached."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch is not None and torch.backends.mps.is_available():
        torch.mps.empty_cache()
