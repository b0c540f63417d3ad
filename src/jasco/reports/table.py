"""The result as a table in the terminal."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tabulate import tabulate

_HEADER = (
    "model / judge", "best-mean", "bounds", "mean", "audio", "both", "speech",
    "neither", "unreadable", "coverage",
)  # fmt: skip

_COMPARABLE = (
    "Published on the 80 clips of What Are They Doing, with large language models as judges: "
    "comparable with figures on the same clips by the same judges only."
)


def render(summary: Mapping[str, Any]) -> str:
    """Lay out a summary for people, with what is missing said in words."""
    data = summary["data"]
    rows = [row for name, model in summary["models"].items() for row in _rows(name, model)]
    table = tabulate(
        rows,
        _HEADER,
        disable_numparse=True,
        colalign=("left", *["right"] * (len(_HEADER) - 1)),
        preserve_whitespace=True,
    )
    title = (
        f"JASCO on {data['name']}: {data['clips']} clips, {data['items']} items, "
        f"protocol {summary['protocol'] or 'none yet'}"
    )
    published = _published(summary["published"]) if "published" in summary else []
    remarks = [line for name, model in summary["models"].items() for line in _remarks(name, model)]
    return "\n".join(
        [title, "", table, "", *remarks, f"signature: {summary['signature']}", *published]
    )


def _published(results: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = [
        [each["model"], _number(each["best_mean"])]
        + [_percent(each[name]) for name in ("audio", "both", "speech")]
        for each in results
    ]
    table = tabulate(
        rows, ("published", "best-mean", "audio", "both", "speech"), disable_numparse=True,
        colalign=("left", *["right"] * 4),
    )  # fmt: skip
    return ["", table, "", _COMPARABLE]


def _rows(name: str, model: Mapping[str, Any]) -> Iterator[list[str]]:
    judges = model["judges"]
    if len(judges) != 1:
        yield [_marked(name, model), *_cells(model)]
        for judge, figures in judges.items():
            yield [f"  {_marked(judge, figures)}", *_cells(figures)]
    else:
        ((judge, figures),) = judges.items()
        marked = _marked(judge, figures)
        yield [marked if judge == name else f"{name}\n  by {marked}", *_cells(figures)]


def _marked(name: str, figures: Mapping[str, Any]) -> str:
    return f"{name} (proxy)" if figures["proxy"] else name


def _cells(figures: Mapping[str, Any]) -> list[str]:
    low, high = figures["best_mean_bounds"]
    shares = figures["modality_dependence"]
    return [
        _number(figures["best_mean"]),
        "" if figures["complete"] else f"{low:.2f} to {high:.2f}",
        _number(figures["mean"]),
        *(_percent(shares[name]) for name in ("audio", "both", "speech")),
        _percent(figures["neither_rate"]),
        _percent(figures["unreadable_rate"]),
        _percent(figures["coverage"]),
    ]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def _remarks(name: str, model: Mapping[str, Any]) -> Iterator[str]:
    answers = model["answers"]
    unanswered = answers["expected"] - answers["answered"]
    if unanswered:
        kinds = _kinds(answers)
        yield f"{name}: {unanswered} of {answers['expected']} items are not answered{kinds}"
    if answers["truncated"]:
        yield f"{name}: {answers['truncated']} answers were cut off at the longest length allowed"
    if answers["treated_clips"]:
        number = answers["treated_clips"]
        yield f"{name}: converted to 16 kHz mono PCM16: {number} clip{'s' if number > 1 else ''}"
    if not model["judges"]:
        yield f"{name}: no judge has marked it yet"
    for judge, figures in model["judges"].items():
        failed = sum(figures["failed"].values())
        if failed:
            yield f"{judge}: {failed} verdicts failed{_kinds(figures)}"
    if model["proxy"]:
        yield (
            f"{name}: PROXY figures. A small classifier stands in for the protocol's judges: to "
            "try things and to compare your own runs, not to publish; see: jasco judges"
        )
    if not model["complete"] and model["judges"]:
        yield (
            f"{name}: INCOMPLETE. Best-mean counts the clips that have a readable verdict; the "
            "bounds put every missing verdict at its worst and at its best."
        )


def _kinds(counted: Mapping[str, Any]) -> str:
    kinds = ", ".join(f"{number} {kind}" for kind, number in counted["failed"].items())
    return f" ({kinds})" if kinds else ""
