"""The job of one command: its model and judges, data, run and limits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

from jasco.backends.budget import NO_LIMITS, NO_PRICES, Limits, PriceList
from jasco.backends.specs import identity_key
from jasco.data.dataset import DataSet
from jasco.errors import InputError
from jasco.judges.judge import Judge
from jasco.models.model import Model
from jasco.protocol.conditions import Condition
from jasco.protocol.instructions import INSTRUCTIONS


@dataclass(frozen=True)
class Job:
    """What a command is to do.

    Attributes
    ----------
    run : pathlib.Path
        The run's folder.
    data : DataSet or None
        None uses the data set of the run.
    model : Model or None
        None judges the responses in the run.
    judges : sequence of Judge
        If there are none, responses are collected but not judged.
    protocol : str or None
        None uses the protocol of the run, or the default.
    instructions : tuple of str or None
        The texts of the instructions; None uses those of the run, or the published ones.
    samples : int or None
        The number of responses to each item; None uses that of the run, or 1.
    limit : int or None
        The number of clips, from the first on; None uses all clips of the data set or, without
        one, of the run.
    concurrency : int
        Maximum number of concurrent calls.
    preflight : bool
        Whether to check first that the model uses the audio, and that each judge gives a readable
        verdict on a question with a known verdict.
    retry_final : bool
        Whether to repeat calls whose outcome is final: unreadable verdicts, and failures such as
        those of a content filter.
    limits : Limits
        Limits of what is spent on the run in total, including earlier commands.
    prices : PriceList
        Prices of tokens given by the user.
    name : str or None
        The model's name in tables; None keeps that of the run, or the model's label.
    tags : mapping of str to str, int or float
        Tags to add to the run.
    condition : Condition or None
        What the model is given; None uses the condition of the run, or ``original``.
    title : str
        What distinguishes it in messages from other jobs of the same command.
    whole : pathlib.Path or None
        The folder of the run of which ``run`` is a shard; None if it is not a shard.

    Raises
    ------
    InputError
        Two judges have the same identity: the verdicts of one would be lost.
    """

    run: Path
    data: DataSet | None
    model: Model | None
    judges: Sequence[Judge]
    protocol: str | None = None
    instructions: tuple[str, ...] | None = None
    samples: int | None = None
    limit: int | None = None
    concurrency: int = 16
    preflight: bool = True
    retry_final: bool = False
    limits: Limits = NO_LIMITS
    prices: PriceList = NO_PRICES
    name: str | None = None
    tags: Mapping[str, str | int | float] = field(default_factory=dict)
    condition: Condition | None = None
    title: str = ""
    whole: Path | None = None

    def __post_init__(self) -> None:
        for judge, other in combinations(self.judges, 2):
            if identity_key(judge.spec.identity) == identity_key(other.spec.identity):
                raise InputError(
                    f"judge {judge.spec.label} is given twice; give it once, or distinguish two "
                    "judges of the same name with label=NAME in their specs"
                )

    @property
    def providers(self) -> list[Model | Judge]:
        """The judges, and the model if there is one."""
        return [*self.judges, *([self.model] if self.model else ())]

    def check_recorded(self, instructions: Sequence[str], samples: int) -> None:
        """Check that models and judges that read a file, with one answer per item, fit the job.

        Raises
        ------
        InputError
            A model or judge reads a file, and there are several samples or other instructions.
        """
        for label in (provider.spec.label for provider in self.providers if provider.recorded):
            if samples > 1:
                raise InputError(
                    f"--samples: {label} holds one answer per item; use it in a run with one sample"
                )
            if tuple(instructions) != INSTRUCTIONS:
                raise InputError(
                    f"--instructions: {label} supports the published instructions only; use it "
                    "in a run with them"
                )

    def clips_covered(self, total: int, covered: int, *, has_data: bool | None = None) -> int:
        """Return how many of all clips the job is about, in a run that already covers some.

        Without data (by default, if the job has none) and a limit, it is about those.
        """
        has_data = self.data is not None if has_data is None else has_data
        if not has_data and self.limit is None:
            return covered
        return max(covered, min(self.limit or total, total))
