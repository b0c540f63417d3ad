"""The public functions: what every command does, from Python."""

from jasco.api.functions import Evaluation, evaluate, score

__all__ = ["Evaluation", "evaluate", "score"]
