"""The benchmark as a task of Inspect: ``inspect eval jasco/jasco``."""

try:
    import inspect_ai  # noqa: F401
except ImportError:
    raise ImportError(
        f"{__name__} requires inspect_ai; run: pip install 'jasco[inspect]'"
    ) from None

from jasco.integrations.inspect.metrics import figures
from jasco.integrations.inspect.scorer import verdicts
from jasco.integrations.inspect.task import jasco

__all__ = ["figures", "jasco", "verdicts"]
