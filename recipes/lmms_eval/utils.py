"""The task's functions, which lmms-eval calls. They need nothing but the standard library.

A document is an item: ``clip_sha256``, ``instruction``, and the path of the audio, ``audio``.
"""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Document = Mapping[str, Any]


def doc_to_messages(doc: Document) -> list[dict[str, Any]]:
    """Return the message of an item for "chat" models: the audio, then the instruction.

    The audio is a data URL, because lmms-eval sends whatever stands here to the server: of a path,
    the server would receive the text of the path.
    """
    audio = base64.b64encode(Path(doc["audio"]).read_bytes()).decode()
    content = [
        {"type": "audio", "url": f"data:audio/wav;base64,{audio}"},
        {"type": "text", "text": doc["instruction"]},
    ]
    return [{"role": "user", "content": content}]


def doc_to_visual(doc: Document) -> list[str]:
    """Return the audio of an item for "simple" models: a path, whose file ``openai`` sends."""
    return [doc["audio"]]


def process_results(doc: Document, results: Sequence[Any]) -> dict[str, Any]:
    """Return what is logged about an item: which it is, and the answers, verbatim."""
    item = {name: doc[name] for name in ("clip_sha256", "instruction")}
    return {"jasco": {**item, "answers": list(results)}}


def count_answers(logged: Sequence[Mapping[str, Any]]) -> int:
    """Return the number of items, which lmms-eval prints in place of a score."""
    return len(logged)
