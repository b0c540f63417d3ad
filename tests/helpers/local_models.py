"""Questions to a model that runs in this process."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from jasco.data.audio import Audio
from jasco.models.batches import BatchedModel
from jasco.protocol.responses import Failure, Response

Questions = Sequence[tuple[str, Audio | None]]


def ask(model: BatchedModel, questions: Questions) -> list[Response | Failure]:
    """Ask all questions at once."""

    async def answer_all() -> list[Response | Failure]:
        items: Any = [SimpleNamespace(instruction=prompt, sample=0) for prompt, _ in questions]
        answers = (
            model.answer(item, audio) for item, (_, audio) in zip(items, questions, strict=True)
        )
        return list(await asyncio.gather(*answers))

    return asyncio.run(answer_all())
