"""The result as GitHub flavoured Markdown, to be pasted into a README or an appendix."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jasco.errors import one_line
from jasco.protocol.instructions import INSTRUCTIONS
from jasco.reports.comparison_table import all_complete, bounds, compared_on, detectable, explain
from jasco.reports.layout import (
    between,
    number,
    p_value,
    percent,
    signed_number,
    signed_percent,
    table,
    with_interval,
)
from jasco.reports.table import (
    COMPARABLE,
    FIGURES,
    LEFT_OUT,
    PUBLISHED,
    backing,
    marked,
    published_rows,
    remarks,
    title,
)

_LONGEST = 100_000
_SHARES = ("audio", "both", "speech")
_HEADER = (
    "best-mean [95 %]", "bounds", "mean", *_SHARES, "neither", "unreadable", "coverage",
)  # fmt: skip
_BOUNDS = _HEADER.index("bounds")
_NUMBERS = tuple(map(str, range(1, len(INSTRUCTIONS) + 1)))

Models = Mapping[str, Mapping[str, Any]]


def to_markdown(report: Mapping[str, Any]) -> str:
    """Lay out a report, with what is missing said in words."""
    return "\n\n".join(_parts(report)) + "\n"


def _parts(report: Mapping[str, Any]) -> Iterator[str]:
    models: Models = report["models"]
    yield f"## {prose(title(report))}"
    yield _headline(models)
    yield prose(FIGURES)
    if any(len(model["judges"]) > 1 for model in models.values()):
        yield from ("### By judge", _by_judge(models))
    if any(model["best_at_k"] for model in models.values()):
        yield from ("### Best of *k* prompts", _best_of(models))
    if any(model["instructions"]["spread"] is not None for model in models.values()):
        yield from ("### Mean by prompt", _by_prompt(models))
    if any(model["agreement"] for model in models.values()):
        yield from ("### Agreement of the judges", _agreement(models))
    if report.get("pairs"):
        yield from (
            "### Paired differences",
            _differences(report["pairs"]),
            prose(explain(report["pairs"])),
        )
    if report.get("published"):
        published = table(PUBLISHED, published_rows(report["published"]), "pipe")
        yield from ("### Published results", published, prose(COMPARABLE))
    yield "### Notes"
    yield "\n".join(f"- {prose(line)}" for line in _told(report))
    yield f"Signature: {code(report['signature'])}"


def _told(report: Mapping[str, Any]) -> list[str]:
    models: Models = report["models"]
    lines = [
        line
        for name, model in models.items()
        for line in (*backing(name, model), *remarks(name, model))
    ]
    lines += [
        f"{pair['first']} and {pair['second']} are not compared: {pair['why']}"
        for pair in report.get("not_compared", ())
    ]
    return [*dict.fromkeys(lines), LEFT_OUT]


# --- tables ---


def _headline(models: Models) -> str:
    rows = [
        [cell(marked(name, model)), _judges(name, model), *_figures(model)]
        for name, model in models.items()
    ]
    return _table(("model", "judges"), rows)


def _judges(name: str, model: Mapping[str, Any]) -> str:
    # A judged file has one name, for the model and for its judge.
    judges = [cell(marked(each, of)) for each, of in model["judges"].items() if each != name]
    return ", ".join(judges) or "–"


def _by_judge(models: Models) -> str:
    rows = [
        [cell(marked(name, model)), cell(marked(judge, figures)), *_figures(figures)]
        for name, model in models.items()
        for judge, figures in model["judges"].items()
    ]
    return _table(("model", "judge"), rows)


def _figures(figures: Mapping[str, Any]) -> list[str]:
    return [
        with_interval(figures["best_mean"], figures["best_mean_ci"]),
        "" if figures["complete"] else between(figures["best_mean_bounds"]),
        number(figures["mean"]),
        *(percent(figures["modality_dependence"][name]) for name in _SHARES),
        percent(figures["neither_rate"]),
        percent(figures["unreadable_rate"]),
        percent(figures["coverage"]),
    ]


def _table(names: Sequence[str], rows: Sequence[list[str]]) -> str:
    header, bounds = [*names, *_HEADER], len(names) + _BOUNDS
    if not any(row[bounds] for row in rows):  # nothing is missing anywhere
        for row in (header, *rows):
            del row[bounds]
    return table(header, rows, "pipe", len(names))


def _best_of(models: Models) -> str:
    rows = [
        [cell(marked(name, model)), *map(number, model["best_at_k"] or [None] * len(_NUMBERS))]
        for name, model in models.items()
    ]
    return table(("model", *_NUMBERS), rows, "pipe")


def _by_prompt(models: Models) -> str:
    rows = []
    for name, model in models.items():
        prompts = model["instructions"]
        apart = with_interval(
            prompts["sound_first_minus_speech_first"], prompts["sound_first_minus_speech_first_ci"]
        )
        means = prompts["means"] or [None] * len(_NUMBERS)
        rows.append([cell(marked(name, model)), *map(number, means), apart])
    header = ("model", *_NUMBERS, "sound named first minus speech named first [95 %]")
    return table(header, rows, "pipe")


def _agreement(models: Models) -> str:
    rows = [
        [
            cell(marked(name, model)),
            *(
                with_interval(agreement[f"{what}_alpha"], agreement[f"{what}_alpha_ci"])
                for what in ("rating", "orientation")
            ),
        ]
        for name, model in models.items()
        if (agreement := model["agreement"])
    ]
    header = ("model", "Krippendorff's alpha of ratings [95 %]", "of orientations [95 %]")
    return table(header, rows, "pipe")


def _differences(pairs: Sequence[Mapping[str, Any]]) -> str:
    whole = all_complete(pairs)
    header = (
        "difference", "clips", "best-mean [95 %]", *([] if whole else ["bounds"]), "p", "p (Holm)",
        "detectable", "mean [95 %]", *_SHARES,
    )  # fmt: skip
    rows = [
        [
            f"{cell(pair['first'])} minus {cell(pair['second'])}",
            compared_on(pair),
            with_interval(pair["best_mean"], pair["best_mean_ci"], signed_number),
            *([] if whole else [bounds(pair)]),
            p_value(pair["p"]),
            p_value(pair["p_holm"]),
            detectable(pair),
            with_interval(pair["mean"], pair["mean_ci"], signed_number),
            *(signed_percent(pair["modality_dependence"][name]) for name in _SHARES),
        ]
        for pair in pairs
    ]
    return table(header, rows, "pipe")


# --- text from outside ---

_SPECIAL = str.maketrans(
    {character: f"\\{character}" for character in r"\`*_[]<>|~&#$"}
    | {"@": "@<!-- -->"}  # nobody is notified
)


def prose(foreign: str) -> str:
    """Write foreign text as text: no markup, no HTML, no link, no list of its own."""
    line = one_line(foreign, _LONGEST).translate(_SPECIAL)
    line = re.sub(r"(?i)(https?|ftp):|(www)\.", _unlinked, line)
    return re.sub(r"^(\d*)([-+=.)])", r"\1\\\2", line)


def _unlinked(match: re.Match[str]) -> str:
    return f"{match[0][:-1]}\\{match[0][-1]}"


def code(foreign: str) -> str:
    """Write foreign text as a code span; outside of tables, whose bars go before everything."""
    line = one_line(foreign, _LONGEST) or " "
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    room = " " if line[0] == "`" or line[-1] == "`" else ""
    return f"{fence}{room}{line}{room}{fence}"


def cell(foreign: str) -> str:
    """Write foreign text as code in a cell of a table."""
    line = one_line(foreign, _LONGEST)
    if "|" not in line:
        return code(line)
    told = "".join(each if each.isalnum() else f"&#{ord(each)};" for each in line)
    return f"<code>{told}</code>"
