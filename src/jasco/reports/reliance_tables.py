"""The tables of causal modality reliance: conditions, effects, swapped cues, judges."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from jasco.metrics.bootstrap import NO_ESTIMATE, Estimate
from jasco.metrics.reliance import (
    CLASSES,
    EFFECTS,
    Attribution,
    ConditionFigures,
    Effect,
    RelianceFigures,
)
from jasco.protocol.conditions import ORIGINAL, condition_of
from jasco.reports import formats
from jasco.reports.columns import Column, Table, TableRow
from jasco.reports.formats import DASH, percent

INCOMPLETE = "incomplete"
"""The state of a condition that the same command may complete."""


@dataclass(frozen=True)
class ReliancePart:
    """A table of the report, with its heading and an explanation of its columns.

    Attributes
    ----------
    key : str
        A name for references, such as ``conditions``; unique in the report.
    heading : str
    table : Table
    explained : str
    secondary : bool
        Whether the same figures are given for other clips, which are to be preferred.
    caution : str
        How the figures can mislead; printed below the table in all formats.
    """

    key: str
    heading: str
    table: Table
    explained: str
    secondary: bool = False
    caution: str = ""

    @property
    def below(self) -> str:
        """The explanation and the caution, for formats that explain the columns."""
        return f"{self.explained} {self.caution}".rstrip()

    def for_paper(self) -> Self:
        """Return the part with a table that fits a printed page."""
        if not isinstance(self.table.rows[0].figures, ConditionFigures):
            return self
        keys = [row.name.partition(":")[0] for row in self.table.rows]
        names = dict.fromkeys(condition_name(key, of_draw=False) for key in keys)
        inputs = "; ".join(name.replace(": ", " (") + ")" for name in names)
        table = Table(
            self.table.heading,
            [column for column in self.table.columns if column.key in _PAPER_CONDITIONS],
            [replace(row, name=key) for row, key in zip(self.table.rows, keys, strict=True)],
        )
        explained = f"{_PAPER_EXPLAINED} Conditions: {inputs}."
        return replace(self, table=table, explained=explained)


@dataclass(frozen=True)
class _Class(Column):
    """The share of a class of answers, for a ConditionFigures."""

    def value(self, figures: Any) -> Estimate:
        estimate: Estimate = figures.classes.get(self.key, NO_ESTIMATE)
        return estimate


@dataclass(frozen=True)
class _ValueOfEffect(Column):
    """An effect on v, for a RelianceFigures."""

    def value(self, figures: Any) -> Estimate:
        effect: Effect = figures.effects.get(self.key, Effect())
        return effect.v


@dataclass(frozen=True)
class _Answers(Column):
    """The number of answers with a label that names a cue, of all answers; for an Attribution."""

    def value(self, figures: Any) -> str:
        answers: int = getattr(figures, f"{self.key}_answers")
        judged: int = getattr(figures, f"{self.key}_judged")
        return f"{answers} of {judged}"


def _robust(robust: bool | None) -> str:
    return {True: "yes", False: "no", None: DASH}[robust]


# Figures of a ConditionFigures, and of an Effect.
OUTCOMES = (
    Column("v", "v [95%]", interval=True),
    Column("keywords", "keywords [95%]", percent, interval=True),
)
# Figures of a ConditionFigures.
CONDITIONS = (
    *OUTCOMES,
    Column("best_v", "best v"),
    *(_Class(name, name.replace("_", "-"), percent) for name in CLASSES),
    Column("change_rate", "changed", percent, omitted=DASH),
    Column("excess_change_rate", "excess", percent, omitted=DASH),
    Column("coverage", "coverage", percent, omitted=percent(1.0)),
)
# Figures of an Effect.
DIFFERENCES_OF_CONDITIONS = (
    Column("v", "v [95%]", formats.signed_number, interval=True),
    Column("keywords", "keywords [95%]", formats.signed_percent, interval=True),
    Column("robust", "robust", _robust),
)
# Figures of an Effect: the share of a Shapley value in their sum.
SHAPLEY_SHARES = (
    Column("v", "of v [95%]", percent, interval=True),
    Column("keywords", "of keywords [95%]", percent, interval=True),
)
# Figures of a SwapFigures.
SWAPS = tuple(
    Column(key, f"{heading} [95%]", percent, interval=True)
    for key, heading in (
        ("donor", "follows the donor"),
        ("own", "own cue"),
        ("undecided", "undecided"),
        ("neither", "neither"),
    )
)
# Figures of an Attribution.
ATTRIBUTION = (
    Column("speech", "without speech, to speech [95%]", percent, interval=True),
    _Answers("speech", "answers", str),
    Column("sound", "without sound, to sound [95%]", percent, interval=True),
    _Answers("sound", "answers", str),
)
# Figures of a RelianceFigures.
MAIN_EFFECTS = tuple(
    _ValueOfEffect(name, f"{heading} [95%]", formats.signed_number, interval=True, omitted=DASH)
    for name, heading in (
        ("necessity_speech", "necessity of speech"),
        ("necessity_sound", "necessity of sound"),
        ("synergy", "synergy"),
        ("jointness", "jointness"),
    )
)

_PAPER_CONDITIONS = {
    *("v", "keywords", "joint", "sound_led", "speech_led", "refusal", "change_rate")
}
_PAPER_EXPLAINED = (
    "v: mean of rating / 2 over the instructions and clips, 0 to 1, whatever the orientation. "
    "Keywords: share of the answers that contain a reference keyword. Shares of the answers: joint "
    "(rating of at least 1, Both), sound-led, speech-led, refusal. Changed: share of the answers "
    "whose class differs from that under original."
)
_CONDITIONS_EXPLAINED = (
    "v: mean of rating / 2 over the instructions and clips, 0 to 1, whatever the orientation; best "
    "v: the best instruction of each clip. Keywords: share of the answers that contain a reference "
    "keyword. Shares of the answers: joint (rating of at least 1, Both), sound-led, speech-led, "
    "refusal, other. Changed: share of the answers whose class differs from that under original; "
    "excess: minus the share that changes when the same input is asked again."
)
_EFFECTS_EXPLAINED = (
    "Paired differences between conditions. Robust: the intervals for v and for keywords exclude 0 "
    "on the same side."
)
_SHARES_EXPLAINED = (
    "Shares of the Shapley values in their sum; given only if its interval excludes 0."
)
_SWAPS_EXPLAINED = (
    "Shares of the answers to clips in which a cue is replaced by that of a donor. Each answer is "
    "judged twice, with the clip's and with the donor's annotations of that cue. Follows the "
    "donor: only the second verdict names the cue; own cue: only the first; undecided: both."
)
_SWAPS_CAUTION = (
    "An answer can name the donor's cue by coincidence: compare with the column changed in the "
    "table of conditions. Answers that do not change do not follow the donor."
)
_ATTRIBUTION_EXPLAINED = (
    "Of the answers that a model gave without a cue, not counting answers labelled Neither, the "
    "share that the judge labels as based on that cue, alone or with the other. Answers: the "
    "number that is counted, of all answers with a readable verdict. The share should be close to "
    "0: the higher it is, the less the judge's modality dependence shows what the model used."
)
_JUDGES_EXPLAINED = "Effects on v, according to each judge."


def condition_name(key: str, *, of_draw: bool = True) -> str:
    """Return the name of a condition in tables: its key, and what the model is given.

    Parameters
    ----------
    key : str
        The key of the condition.
    of_draw : bool
        Whether the name of a swapped cue includes the number of the draw.
    """
    condition = condition_of(key)
    if condition.swapped:
        return f"{key if of_draw else condition.name}: {condition.swapped} of another clip"
    return f"{key}: {_INPUTS[key]}"


_INPUTS = {
    ORIGINAL: "the clip",
    "remix": "sum of both stems",
    "sound": "without speech",
    "speech": "without sound",
    "none": "no audio",
    "silence": "silent audio",
    "text-sound": "sound, speech as text",
    "text-speech": "speech, sound as text",
    "text": "both as text, no audio",
}


def effect_name(name: str, full: str = ORIGINAL, *, exact: bool = False) -> str:
    """Return the name of an effect in tables: what it measures, and how it is computed.

    Parameters
    ----------
    name : str
        One of :data:`EFFECTS`.
    full : str
        The condition that stands for the complete input.
    exact : bool
        Whether the stems are exact, so that ``remix`` repeats ``original``.
    """
    label, formula = _EFFECTS[name]
    if name == "stem_artefact" and exact:
        label = "same input again"
    return f"{label}: {formula.format(full=full)}"


_EFFECTS = {
    "necessity_speech": ("necessity of speech", "{full} minus sound"),
    "necessity_sound": ("necessity of sound", "{full} minus speech"),
    "shapley_sound": ("contribution of sound", "its Shapley value"),
    "shapley_speech": ("contribution of speech", "its Shapley value"),
    "shapley_total": ("contribution of both", "{full} minus none"),
    "synergy": ("synergy", "{full} minus sound minus speech plus none"),
    "jointness": ("jointness", "{full} minus the better of sound and speech"),
    "stem_artefact": ("effect of the stems", "original minus remix"),
    "perceptual_sound": ("perceptual score of sound", "{full} minus swap-sound"),
    "perceptual_speech": ("perceptual score of speech", "{full} minus swap-speech"),
    "cost_hearing_sound": ("cost of hearing the sound", "text minus text-sound"),
    "cost_hearing_speech": ("cost of hearing the speech", "text minus text-speech"),
    "cost_hearing": ("cost of hearing both", "text minus original"),
    "cost_interaction": ("interaction of these costs", "both minus sound minus speech"),
    "cost_reasoning": ("cost of reasoning", "1 minus text"),
}


def conditions_table(figures: RelianceFigures, states: Mapping[str, str]) -> Table:
    """Return the table of conditions, marked where their state is ``incomplete``."""
    rows = [
        TableRow(condition_name(key), each, "incomplete" if states.get(key) == INCOMPLETE else "")
        for key, each in figures.conditions.items()
    ]
    return Table("condition", CONDITIONS, rows)


def effects_table(figures: RelianceFigures, *, exact: bool) -> Table:
    """Return the table of the differences between conditions."""
    rows = [
        TableRow(effect_name(name, figures.full, exact=exact), figures.effects[name])
        for name in EFFECTS
        if name in figures.effects and figures.effects[name] != Effect()
    ]
    clips = Column("clips", "clips", str, omitted=str(figures.clips))
    return Table("effect", [*DIFFERENCES_OF_CONDITIONS, clips], rows)


def parts_of_figures(
    figures: RelianceFigures,
    states: Mapping[str, str],
    clips: str,
    *,
    exact: bool,
    suffix: str = "",
    secondary: bool = False,
) -> Iterator[ReliancePart]:
    """Yield the tables of figures about some clips.

    Parameters
    ----------
    figures : RelianceFigures
        The figures.
    states : mapping of str to str
        By condition: ``complete`` or ``incomplete``.
    clips : str
        The clips in words, for headings.
    exact : bool
        Whether the stems are exact.
    suffix : str
        What distinguishes the keys of these tables from those about other clips.
    secondary : bool
        Whether the figures about other clips are to be preferred.
    """
    shares = [TableRow("sound", figures.share_sound), TableRow("speech", figures.share_speech)]
    swaps = [TableRow(cue, each) for cue, each in figures.swaps.items()]
    swapped = Table("swapped cue", SWAPS, swaps)
    for key, heading, table, explained, caution in (
        ("conditions", "Conditions", conditions_table(figures, states), _CONDITIONS_EXPLAINED, ""),
        ("effects", "Effects", effects_table(figures, exact=exact), _EFFECTS_EXPLAINED, ""),
        (
            "shares",
            "Shares of the cues",
            Table("cue", SHAPLEY_SHARES, shares),
            _SHARES_EXPLAINED,
            "",
        ),
        ("swaps", "Swapped cues", swapped, _SWAPS_EXPLAINED, _SWAPS_CAUTION),
    ):
        if table.has_figures:
            heading, caution = f"{heading}, {clips}", "" if secondary else caution
            yield ReliancePart(f"{key}{suffix}", heading, table, explained, secondary, caution)


def parts_of_judges(
    judges: Mapping[str, RelianceFigures], attribution: Mapping[str, Attribution]
) -> Iterator[ReliancePart]:
    """Yield the tables of the judges: their effects if there are several, and attribution."""
    if len(judges) > 1:
        rows = [TableRow(judge, figures) for judge, figures in judges.items()]
        table = Table("judge", MAIN_EFFECTS, rows)
        if table.has_figures:
            yield ReliancePart("judges", "Effects on v by judge", table, _JUDGES_EXPLAINED)
    rows = [TableRow(judge, each) for judge, each in attribution.items() if each != Attribution()]
    if rows:
        table = Table("judge", ATTRIBUTION, rows)
        yield ReliancePart(
            "attribution", "Attribution without the cue", table, _ATTRIBUTION_EXPLAINED
        )
