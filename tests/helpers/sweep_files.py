"""Files for sweeps: plans and the weights of checkpoints."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write_toml(path: Path, values: Mapping[str, Any]) -> Path:
    """Write a TOML file; return its path."""
    path.write_text(
        "".join(f"{key} = {to_toml(value)}\n" for key, value in values.items()), "utf-8"
    )
    return path


def to_toml(value: Any) -> str:
    """Format a value as inline TOML."""
    if isinstance(value, Mapping):
        pairs = (f"{to_toml(key)} = {to_toml(each)}" for key, each in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(to_toml, value)) + "]"
    if isinstance(value, str):  # JSON escapes characters beyond 16 bits as pairs, TOML does not
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return json.dumps(value)


def safetensors(content: bytes) -> bytes:
    """Return a safetensors file of one tensor."""
    entry = {"dtype": "U8", "shape": [len(content)], "data_offsets": [0, len(content)]}
    header = json.dumps({"__metadata__": {"format": "pt"}, "weights": entry}).encode()
    return len(header).to_bytes(8, "little") + header + content
