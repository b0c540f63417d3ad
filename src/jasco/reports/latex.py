r"""The result as LaTeX tables, for a paper: ``\input`` them, with the package booktabs."""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jasco.errors import one_line
from jasco.metrics.bootstrap import RESAMPLES
from jasco.protocol.instructions import INSTRUCTIONS
from jasco.reports.comparison_table import all_complete, bounds, compared_on, detectable, explain
from jasco.reports.layout import between, number, p_value, percent, signed_number
from jasco.reports.table import (
    FIGURES,
    backing,
    failures,
    marked,
    mixtures,
    preflight_doubt,
    remarks,
    title,
)

_LONGEST = 100_000
_SHARES = ("audio", "both", "speech")

Models = Mapping[str, Mapping[str, Any]]


def to_latex(report: Mapping[str, Any]) -> str:
    """Lay out a report: the headline, paired differences, and best of k."""
    return "\n\n".join(["\n".join(_comments(report)), *_tables(report)]) + "\n"


def _comments(report: Mapping[str, Any]) -> Iterator[str]:
    yield _comment(f"jasco signature: {report['signature']}")
    yield _comment(r"In the preamble: \usepackage{booktabs}")
    for name, model in report["models"].items():
        yield from map(_comment, remarks(name, model))
    for pair in report.get("not_compared", ()):
        yield _comment(f"{pair['first']} and {pair['second']} are not compared: {pair['why']}")


def _comment(foreign: str) -> str:
    return f"% {one_line(foreign, _LONGEST)}"


def _tables(report: Mapping[str, Any]) -> Iterator[str]:
    models: Models = report["models"]
    yield _headline(report)
    if report.get("pairs"):
        yield _differences(report)
    if any(model["best_at_k"] for model in models.values()):
        yield _best_of(report)


def _headline(report: Mapping[str, Any]) -> str:
    models: Models = report["models"]
    best = _best(report)
    rows = []
    for name, model in models.items():
        value, ends = number(model["best_mean"]), model["best_mean_ci"]
        figure = rf"\textbf{{{value}}}" if name in best else _figure(value)
        shares = [model["modality_dependence"][share] for share in _SHARES]
        rows.append(
            [
                _name(name, model),
                f"{figure} {_between(ends)}" if ends else figure,
                _figure(number(model["mean"])),
                *(
                    _figure(percent(share).removesuffix(" %"))
                    for share in (*shares, model["neither_rate"], model["coverage"])
                ),
            ]
        )
    header = (
        "Model", r"Best-mean [95\,\%]", "Mean", "Audio", "Both", "Speech", "Neither", "Coverage",
    )  # fmt: skip
    caption = [
        *_circumstances(report),
        escaped(FIGURES),
        r"Shares in \%.",
        escaped(
            f"Intervals: bootstrap over the clips, {RESAMPLES:,} resamples; judges and decoding "
            "are held fixed."
        ),
        *_reservations(models),
    ]
    return _table("tab:jasco", caption, header, rows, _notes(models))


def _best(report: Mapping[str, Any]) -> set[str]:
    """Choose the best of the complete models, where the same judges have marked them all."""
    whole = {
        name: model["best_mean"]
        for name, model in report["models"].items()
        if model["complete"] and model["best_mean"] is not None
    }
    apart = report.get("not_compared", ())
    if len(whole) < 2 or any({each["first"], each["second"]} <= whole.keys() for each in apart):
        return set()
    highest = number(max(whole.values()))  # figures that read alike are alike
    return {name for name, value in whole.items() if number(value) == highest}


def _differences(report: Mapping[str, Any]) -> str:
    models: Models = report["models"]
    whole = all_complete(report["pairs"])
    rows = [
        [
            " $-$ ".join(_name(pair[place], models[pair[place]]) for place in ("first", "second")),
            compared_on(pair),
            _difference(pair["best_mean"], pair["best_mean_ci"]),
            *([] if whole else [bounds(pair, _between)]),
            _math(p_value(pair["p"])),
            _math(p_value(pair["p_holm"])),
            _math(detectable(pair)),
            _difference(pair["mean"], pair["mean_ci"]),
        ]
        for pair in report["pairs"]
    ]
    header = (
        "Difference", "Clips", r"Best-mean [95\,\%]", *([] if whole else ["Bounds"]), "$p$",
        "$p$ (Holm)", "Detectable", r"Mean [95\,\%]",
    )  # fmt: skip
    caption = [*_circumstances(report), escaped(explain(report["pairs"])), *_reservations(models)]
    return _table("tab:jasco-differences", caption, header, rows)


def _best_of(report: Mapping[str, Any]) -> str:
    models: Models = report["models"]
    ks = range(1, len(INSTRUCTIONS) + 1)
    rows = [
        [_name(name, model), *map(_figure, map(number, model["best_at_k"] or [None] * len(ks)))]
        for name, model in models.items()
    ]
    caption = [
        *_circumstances(report),
        "Best of $k$ prompts: $k=1$ is the mean, $k=8$ best-mean, which rises with noise alone.",
        *_reservations(models),
    ]
    return _table("tab:jasco-best-of-k", caption, ("Model", *(f"$k={k}$" for k in ks)), rows)


# --- captions ---


def _circumstances(report: Mapping[str, Any]) -> Iterator[str]:
    yield escaped(f"{title(report)}.")
    panels = {name: tuple(model["judges"]) for name, model in report["models"].items()}
    if report["protocol"] == "unknown":
        yield "The judges are those of judged files, which do not name them."
    elif len(set(panels.values())) == 1:
        yield escaped(f"Judged by {_listed(next(iter(panels.values())))}.")
    else:
        told = [f"{name} by {_listed(judges)}" for name, judges in panels.items()]
        yield escaped(f"Judged: {'; '.join(told)}.")


def _listed(judges: Sequence[str]) -> str:
    return ", ".join(judges) or "nobody yet"


def _reservations(models: Models) -> Iterator[str]:
    for name, model in models.items():
        if doubt := preflight_doubt(model["answers"]["preflight"]):
            yield escaped(f"{name}: {doubt}.")
        yield from (escaped(f"{line}.") for line in mixtures(name, model))
        if not model["complete"]:
            bounds = between(model["best_mean_bounds"])
            missing = f"; with what is missing, best-mean is from {bounds}" if bounds else ""
            coverage = percent(model["coverage"])
            told = f"{name} is incomplete: coverage {coverage}{missing}."
            yield f"{_DAGGER} {escaped(told)}"
    if any(model["proxy"] for model in models.values()):
        yield "Proxy figures: a small classifier stands in for the protocol's judges."


def _notes(models: Models) -> list[str]:
    """Say what the figures rest on, and why calls failed.

    That is exams of the judges, known faults of the data, and the commonest messages of failures.
    """
    lines = [
        line
        for name, model in models.items()
        for line in (*backing(name, model), *failures(name, model))
    ]
    return [escaped(f"{line}.") for line in dict.fromkeys(lines)]


# --- cells ---

_DAGGER = r"\dag{}"


def _name(name: str, model: Mapping[str, Any]) -> str:
    return escaped(marked(name, model)) + ("" if model["complete"] else _DAGGER)


def _figure(written: str) -> str:
    return written.replace("–", "--")


def _math(written: str) -> str:
    return _figure(written) if written == "–" else f"${written}$"


def _between(ends: Sequence[float]) -> str:
    return f"$[{number(ends[0])}, {number(ends[1])}]$"


def _difference(value: float | None, ends: Sequence[float] | None) -> str:
    written = _math(signed_number(value))
    return f"{written} {_between(ends)}" if ends else written


def _table(
    label: str,
    caption: Sequence[str],
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    notes: Sequence[str] = (),
) -> str:
    return "\n".join(
        [
            r"\begin{table}[t]",
            r"  \centering",
            rf"  \caption{{{' '.join(caption)}}}",
            rf"  \label{{{label}}}",
            rf"  \begin{{tabular}}{{l{'r' * (len(header) - 1)}}}",
            r"    \toprule",
            rf"    {' & '.join(header)} \\",
            r"    \midrule",
            *(rf"    {' & '.join(row)} \\" for row in rows),
            r"    \bottomrule",
            r"  \end{tabular}",
            *(_below(notes) if notes else ()),
            r"\end{table}",
        ]
    )


def _below(notes: Sequence[str]) -> list[str]:
    return [
        r"  \par\medskip",
        r"  \begin{minipage}{\linewidth}\footnotesize",
        *(rf"    {note}\par" for note in notes),
        r"  \end{minipage}",
    ]


# --- text from outside ---

_WRITTEN = {
    "\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
    "`": r"\textasciigrave{}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    '"': r"\char34{}", "…": r"\ldots{}", "“": "``", "”": "''", "‘": "{}`", "’": "'",
    "–": "--", "—": "---", "ß": r"\ss{}", "æ": r"\ae{}", "Æ": r"\AE{}", "œ": r"\oe{}",
    "Œ": r"\OE{}", "ø": r"\o{}", "Ø": r"\O{}", "ł": r"\l{}", "Ł": r"\L{}",
    **{character: f"\\{character}" for character in "{}$&#_%"},
    **{character: f"{{{character}}}" for character in "[]*"},  # after \\ they mean something
}  # fmt: skip
_ACCENTS = {
    "\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0304": "=", "\u0306": "u",
    "\u0307": ".", "\u0308": '"', "\u030a": "r", "\u030b": "H", "\u030c": "v", "\u0327": "c",
}  # fmt: skip
_JOINED = "-',`"  # two of them would become another character


def escaped(foreign: str) -> str:
    r"""Write foreign text as text, in ASCII: no macro, no math, no comment, one line.

    A character that ASCII LaTeX has no way to write stands as its number, ``<U+72AC>``.
    """
    told = ""
    for character in unicodedata.normalize("NFC", one_line(foreign, _LONGEST)):
        written = _written(character)
        apart = "{}" if told[-1:] == written[0] and written[0] in _JOINED else ""
        told += apart + written
    return told


def _written(character: str) -> str:
    if character in _WRITTEN:
        return _WRITTEN[character]
    if character.isascii():
        return character
    parts = unicodedata.normalize("NFD", character)
    if len(parts) == 2 and parts[1] in _ACCENTS and parts[0].isascii() and parts[0].isalpha():
        return f"\\{_ACCENTS[parts[1]]}{{{parts[0]}}}"
    return rf"\textless{{}}U+{ord(character):04X}\textgreater{{}}"
