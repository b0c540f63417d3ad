"""Judges' answers by the hundred thousand, with contradictions and hedges planted in them.

The generator knows what it means and writes it in many ways. It shares nothing with the parser:
its lists are its own. A text has a rating and an orientation; of either kind a second, different
statement, or a value that is hedged, may be planted, and quotations, struck-out lines, thoughts
and echoes of the prompt may be added, which mean nothing.
"""

import random
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from jasco.protocol.verdict_parser import read_repair, read_verdict
from jasco.protocol.verdicts import Orientation, Verdict

AUDIO, SPEECH, BOTH, NEITHER = Orientation
Value = int | Orientation
Write = Callable[[random.Random, str, Value], str]

NAMES = {"Rating": (0, 1, 2), "Orientation": tuple(Orientation)}

# --- how values are written ---

RATINGS = {value: [f"{value}", f"{value}", f"{value}.0", f"{value}/2", f"{value} / 2",
                   f"{value} out of 2", f"{value}/2.0"] for value in range(3)}  # fmt: skip
ORIENTATIONS = {
    AUDIO: [
        "Audio-Oriented",
        "audio-oriented",
        "Audio Oriented",
        "AUDIO-ORIENTED",
        "Audio\u2011Oriented",
        "Audio\u2010oriented",
        "Audio-oriented",
    ],
    SPEECH: ["Speech-Oriented", "speech oriented", "Speech\u2011Oriented", "Speech-oriented"],
    BOTH: ["Both", "both", "Good", "BOTH", "Both-Oriented", "good", "Both-oriented"],
    NEITHER: ["Neither", "neither", "Neither-Oriented", "NEITHER"],
}
DRESSES = [
    *["{}"] * 8, "{}.", "{}.", "**{}**", "*{}*", "`{}`", "__{}__", "**{}.**", "({})", "[{}]",
    "({}).", "[ {} ]", "{{{}}}", "${}$", "$${}$$", "**({})**", "\\boxed{{{}}}", "$\\boxed{{{}}}$",
    "\\text{{{}}}", '"{}"', "“{}”", "'{}'", "‘{}’", "«{}»", "「{}」", "（{}）", "【{}】",
    "{}。", "{}!", "{};", "{},", "<b>{}</b>", "\\({}\\)", "<{}>",
]  # fmt: skip
REMARKS = [
    "generally aligned", "perfect match", "highly accurate", "completely misaligned",
    "the action mirrors the reference", "vague", "lacks detailed keywords", "keyword missing",
    "matches the reference perfectly", "it names the castle",
    "as the action follows from the cues", "see the explanation", "judged by the rubric", "final",
    "aligned with the reference answer", "the key words 'sandcastle' and 'beach' occur",
    "too general", "off topic",
]  # fmt: skip
SHORTCOMINGS = [
    "does not mention the keyword", "aligned but lacks detailed keywords", "keyword not mentioned",
    "the prediction isn't specific", "not related to the scene", "no action predicted",
]  # fmt: skip
REMARKED = [
    " ({})", " ({})", " [{}]", " ({}).", " - {}", " – {}", " — {}", "; {}", ". {}.", ", because {}",
    " because {}", ": {}", "（{}）", " -- {}",
]  # fmt: skip
ENDS = [
    "<|eot_id|>", "</s>", "<|im_end|>", "<end_of_turn>", "<|endoftext|>", "<|end|>",
    "<|end_of_text|>", "<｜end▁of▁sentence｜>", " <|eot_id|>", "<|im_end|><|endoftext|>",
    "<|eot_id|><|start_header_id|>assistant<|end_header_id|>",
]  # fmt: skip

# --- how statements are written ---

LABELS = [
    *["{}"] * 6, "**{}**", "*{}*", "__{}__", "`{}`", "Final {}", "Revised {}", "Corrected {}",
    "Updated {}", "**Final {}**", "final {}", "FINAL {}", "<b>{}</b>", "***{}***",
]  # fmt: skip
SIGNS = [
    *[": "] * 6, ":", " : ", "：", "： ", ":\t", ":\u00a0", " = ", "=", ":  ", ":\u202f", " ＝ ",
    ":\u3000",
]  # fmt: skip
LEADS = [
    *[""] * 10, "- ", "* ", "• ", "1. ", "2) ", "   ", "\t", "### ", "## ", "+ ", "\u00a0", "– ",
    "#", "(1) ", "→ ", "✅ ",
]  # fmt: skip


def cased(rng: random.Random, name: str) -> str:
    return rng.choice([name, name, name, name.lower(), name.upper()])


def worded(rng: random.Random, value: Value) -> str:
    if isinstance(value, Orientation):
        return rng.choice(ORIENTATIONS[value])
    return rng.choice(RATINGS[value])


def dressed(rng: random.Random, value: Value) -> str:
    written = rng.choice(DRESSES).format(worded(rng, value))
    if rng.random() < 0.12 and not re.search(r"[.,;!。]\**$", written):
        written += rng.choice(REMARKED).format(remark(rng, value))
    if rng.random() < 0.05:
        written += rng.choice(ENDS)
    return written


def remark(rng: random.Random, value: Value) -> str:
    return rng.choice(REMARKS if value in (2, BOTH) else REMARKS + SHORTCOMINGS)


def beginning_a_line(rng: random.Random, value: Value) -> str:
    """Write a value, but not as what could be the first item of a list ("1. It is vague.")."""
    while re.match(r"\d\. ", written := dressed(rng, value)):
        pass
    return written


def labelled(rng: random.Random, name: str) -> str:
    return rng.choice(LABELS).format(cased(rng, name))


def in_a_line(rng: random.Random, name: str, value: Value) -> str:
    lead = rng.choice(LEADS)
    if rng.random() < 0.15:
        return f"{lead}**{cased(rng, name)}:** {dressed(rng, value)}"
    if rng.random() < 0.1:
        return f"{lead}**{cased(rng, name)}: {worded(rng, value)}**"
    return lead + labelled(rng, name) + rng.choice(SIGNS) + dressed(rng, value)


def on_the_next_line(rng: random.Random, name: str, value: Value) -> str:
    return f"{labelled(rng, name)}:{rng.choice(['', ' ', '  '])}\n{beginning_a_line(rng, value)}"


def below_a_heading(rng: random.Random, name: str, value: Value) -> str:
    heading = rng.choice(["# {}", "### {}", "## **{}**", "### {}:", "**{}**", "**{}:**"])
    gap = rng.choice(["\n", "\n\n"])
    return f"\n{heading.format(cased(rng, name))}{gap}{beginning_a_line(rng, value)}\n"


def in_a_row(rng: random.Random, name: str, value: Value) -> str:
    row = rng.choice(["| {} | {} |", "| **{}** | **{}** |", "|{}|{}|", "| {}: | {} |"])
    row = row.format(cased(rng, name), worded(rng, value))
    head = rng.choice(
        ["", "", "| Criterion | Value |\n|---|---|\n", "| Field | Verdict |\n| :-- | --: |\n"]
    )
    return f"\n{head}{row}\n"


def in_an_object(rng: random.Random, name: str, value: Value) -> str:
    return as_json(rng, {name: value})


def as_json(rng: random.Random, values: dict[str, Value]) -> str:
    quote = rng.choice(['"', '"', '"', "'"])
    members = []
    for number, (name, value) in enumerate(values.items(), start=1):
        if rng.random() < 0.5:
            text = rng.choice(["the answer mirrors it", "it rests on rain, wind (and 2 birds)"])
            members.append(f"{quote}Explanation{number}{quote}: {quote}{text}{quote}")
        written = worded(rng, value)
        if isinstance(value, Orientation) or rng.random() < 0.2:
            written = f"{quote}{written}{quote}"
        elif "/" in written or "of" in written:
            written = str(value)
        members.append(f"{quote}{cased(rng, name)}{quote}{rng.choice([': ', ':', ' : '])}{written}")
    style = rng.randrange(4)
    if style == 0:
        return "{\n  " + ",\n  ".join(members) + "\n}"
    text = "{" + ", ".join(members) + "}"
    if style == 1:
        return f"```json\n{text}\n```"
    if style == 2:
        return rng.choice(["Here is my verdict: {}", "My answer: {}", "JSON: {}", "{}"]).format(
            text
        )
    return text


def in_an_element(rng: random.Random, name: str, value: Value) -> str:
    tag = name.lower()
    return f"<{tag}>{worded(rng, value)}</{tag}>"


STATEMENTS: list[Write] = [
    *[in_a_line] * 10, on_the_next_line, on_the_next_line, below_a_heading, in_a_row, in_an_object,
    in_an_element,
]  # fmt: skip

# Plain enough to contradict, in words of its own; too informal for a verdict to rest on it.
INFORMAL = [
    "My {} is {}.", "The {} is {}", "So my final {} is {}.", "{} is {}", "{} - {}", "{} – {}",
    "(My {}: {})", "Therefore, the {} should be {}.", "On reflection, the {} is {}.",
    "On second thought, no. {}: {}", "Correction: the {} is {}.", "I would now give a {} of {}.",
    "[{}: {}]", "My {}: {}", "However, {}: {}", "I would rather say {}: {}", "EDIT: {}: {}",
    "P.S. {}: {}", "My {} is {}. It is what the cues say.", "No, wait, the {} is {}.",
]  # fmt: skip


def informally(rng: random.Random, name: str, value: Value) -> str:
    return rng.choice(INFORMAL).format(cased(rng, name), worded(rng, value))


# --- whole answers ---


def as_a_table(rng: random.Random, values: dict[str, Value]) -> str:
    names = list(values)
    rng.shuffle(names)
    cells = [worded(rng, values[name]) for name in names]
    rule = rng.choice(["---", ":---:", "-----", ":--"])
    rows = [names, [rule] * len(names), cells]
    if rng.random() < 0.3:
        for row, cell in zip(rows, ("Explanation", rule, "it mirrors the reference"), strict=True):
            row.append(cell)
    edge = rng.choice(["| {} |", "{}"])
    return "\n" + "\n".join(edge.format(" | ".join(row)) for row in rows) + "\n"


def in_one_line(rng: random.Random, values: dict[str, Value]) -> str:
    between = rng.choice([", ", "; ", " | ", " / ", " ", " and ", " - ", ". "])
    return between.join(f"{name}: {worded(rng, value)}" for name, value in values.items())


SENTENCES = [
    "The provided audio sound is [rain], the spoken text is [run!], the reference is [they flee].",
    "I think it could be Neither, or Good.", "Rating it 2 would be wrong: Orientation matters.",
    "The model says \"Rating: 2\" and means nothing by it.", "It is one of 0, 1 and 2.",
    "I choose among Audio-Oriented/Speech-Oriented/Both/Neither.",
    "雨が降っているので、走っている。",
    "Der Satz „lauf!“ passt zum Regen – das Urteil folgt.", "Le modèle dit : « ils courent ».",
    "It costs $2, or 50 % of it; see `x = 1`.", "¿Qué hacen? ¡Corren!", "They say: go (now).",
    "Score0 is for answers that miss, Score1 for those that are near.",
    "模型的回答是：他们在跑步。",
    "A | B, or {a: 1}.", "He said ~5 words > 3 words.", "The key words are 'sandcastle, beach'.",
    "\ud83d and other lone surrogates occur.",
    "A rating of 1 would be harsh, as would an orientation.",
    "That prediction mentions both the sound and the speech.", "\\(x^2\\) is not at issue.",
]  # fmt: skip


def explained(rng: random.Random, number: int) -> str:
    text = " ".join(rng.choice(SENTENCES) for _ in range(rng.randint(1, 3)))
    head = rng.choice(
        ["Explanation{}: ", "**Explanation{}:** ", "Explanation{}:\n", "explanation{}: "]
    )
    return head.format(number) + text


def answer(rng: random.Random, values: dict[str, Value]) -> list[str]:
    """Write both values: a list of blocks of lines."""
    style = rng.random()
    opening = [rng.choice(["[Task1]", "Sure! Here is my assessment.", "---", "### Evaluation"])]
    blocks = opening if rng.random() < 0.2 else []
    if style < 0.1:
        return [*blocks, as_json(rng, values)]
    if style < 0.15:
        return [*blocks, as_a_table(rng, values)]
    if style < 0.2:
        return [*blocks, explained(rng, 1), in_one_line(rng, values)]
    for number, (name, value) in enumerate(values.items(), start=1):
        if rng.random() < 0.7:
            blocks.append(explained(rng, number))
        blocks.append(rng.choice(STATEMENTS)(rng, name, value))
        if rng.random() < 0.05:
            blocks.append(rng.choice(STATEMENTS)(rng, name, value))
    if rng.random() < 0.05:
        blocks = ["```", *blocks, "```"]
    return blocks


# --- what means nothing ---

ECHOES = {
    "Rating": [
        "Rating: (int)",
        "Rating: <int>",
        "Rating: (int) as follows",
        "Rating: 0/1/2",
        "Rating: [0, 1, 2]",
        "Rating: (int) will be given below",
        "**Rating**: (integer)",
    ],
    "Orientation": [
        "Orientation: Audio-Oriented/Speech-Oriented/Both/Neither",
        "Orientation: Audio-Oriented/Speech-Oriented/Good/Neither.",
        "Orientation: (your choice)",
        "Orientation: [Audio-Oriented/Speech-Oriented/Both/Neither]",
        "Orientation: Audio-Oriented | Speech-Oriented | Both | Neither",
    ],
}


def quoted(rng: random.Random, name: str, value: Value) -> str:
    lines = rng.choice(STATEMENTS)(rng, name, value).strip("\n").split("\n")
    mark = rng.choice(["> ", ">", ">> ", "> > ", " > ", "- > ", "\u00a0> "])
    return "\n".join(mark + line for line in lines)


def struck(rng: random.Random, name: str, value: Value) -> str:
    line = f"{labelled(rng, name)}: {worded(rng, value)}"
    return rng.choice(
        ["~~{}~~", "- ~~{}~~", "**~~{}~~**", "~~{}~~ (struck out)", "<del>{}</del>"]
    ).format(line)


def echoed(rng: random.Random, name: str, value: Value) -> str:
    return rng.choice(ECHOES[name])


NOTHING: list[Write] = [quoted, struck, echoed]

# --- what hedges ---

HEDGES = [
    "{0} (?)", "{0}?", "maybe {0}", "{0} or {1}", "{0} (or {1})", "{0} (wrong)", "{0} (not sure)",
    "{0} (could be {1})", "{0}, maybe {1}", "~{0}", "{0} (probably)", "about {0}",
    "{0} / {1} / {0}", "{0} (not {1})", "{0} & {1}", "not {0}", "{0} (possibly {1})",
    "{0} - or {1}", "{0} [?]", "{0} (I guess)", "{0}, I think", "{0} (unsure)", "{0} ({1})",
    "({0} or {1})", "{0} → {1}", "{0} (perhaps)", "probably {0}", "{0} (tentative)",
    "{0}, although {1} was considered", "{0} (but {1} is possible)", "{0} vs {1}",
    "{0} (I'm not certain)", "{0} (isn't clear)", "{0} (uncertain)", "{0}...", "{0} (…)",
    "{0} (most likely)", "{0} (borderline)", "{0} (roughly)", "{0} (arguably)",
    "{0} (to be revised)", "{0} (mistake)", "{0} (previously {1})", "{0} (was {1})", "{0}*",
    "{0} (？)", "{0} (doubtful)", "{0} – maybe", "{0}; {1}", "{0} ({1}?)", "{0} (ignore this)",
    "{0} (hard to tell)", "{0} (either that or {1})", "{0}, {1}", "**{0}** (?)", "**{0} (maybe)**",
    "[{0}] [{1}]", "({0}) ({1})", "{0} (if anything)", "{0} (vielleicht)", "{0} (peut-être)",
    "{0} (不确定)", "{0} {1}", "{0}-ish", "{0} (~{1})", "{0} (cannot tell)", "“{0}”?",
    "{0} (unless {1})", "{0} (not {0})", "{0} (estimate)", "{0} (rounded up)",
    "{0} (low confidence)", "{0} (to be confirmed)", "{0} 🤔", "{0} (🤷)", "{0} instead of {1}",
    "{0} (no)", "{0} (incorrect)",
]  # fmt: skip
RATING_HEDGES = [
    "{0}.5", "{0}/10", "{0} out of 10", "{0}-{1}", "{0}±1", "{0}%", "{0}+", ">{0}", "{0} of 5",
    "{0} (3)", "{0} (out of ten)", "{0} (½)", "1{0}", "{0}, out of 5", "{0}\u00bd", "{0} (10 %)",
    "-{0}.", "{0}/5", "{0} (two thirds)", "0.{0}5", "{0}e1", "{0}/{1}/{0}",
]  # fmt: skip
ORIENTATION_HEDGES = [
    "{0}/{1}", "mostly {0}", "{0} (mainly)", "{0} and {1}", "{0}, mostly speech", "{0} with {1}",
    "{0} rather than {1}", "leaning {0}", "Neither {0} nor {1}", "{0} (partly {1})", "non-{0}",
]  # fmt: skip


def hedged(rng: random.Random, name: str, value: Value) -> str:
    forms = HEDGES + (RATING_HEDGES if name == "Rating" else ORIENTATION_HEDGES)
    one, other = (str(each) for each in (value, other_than(rng, name, value)))
    form = rng.choice(forms).format(one, other)
    if form.startswith(">"):  # would be a quotation in a line of its own
        return f"{labelled(rng, name)}{rng.choice(SIGNS)}{form}"
    below = rng.choice(
        ["(?)", "(maybe)", "maybe", "?", f"or {other}", "I guess.", "(wrong)", "..."]
    )
    return rng.choice(
        [
            f"{name}: {one}\n{below}",
            f"{labelled(rng, name)}{rng.choice(SIGNS)}{form}",
            f"{rng.choice(LEADS)}**{name}:** {form}",
            f"{name}:\n{form}",
            f"### {name}\n{form}",
            f"| {name} | {form} |",
        ]
    )


def other_than(rng: random.Random, name: str, value: Value) -> Value:
    return rng.choice([each for each in NAMES[name] if each != value])


# --- texts ---


@dataclass(frozen=True)
class Case:
    """A text, what it says, and in which kinds that was contradicted or hedged."""

    text: str
    values: dict[str, Value]
    spoilt: frozenset[str]
    planted: tuple[str, ...]


def contradicting(rng: random.Random, name: str, value: Value) -> str:
    other = other_than(rng, name, value)
    if rng.random() < 0.05:
        return f'{{"{name}": "{value}", "{name}": "{other}"}}'
    return rng.choice([*STATEMENTS, informally, informally])(rng, name, other)


def case(rng: random.Random) -> Case:
    """Write a text, and plant what spoils a kind, and what should not."""
    values: dict[str, Value] = {name: rng.choice(of) for name, of in NAMES.items()}
    blocks = answer(rng, values)
    planted = []
    spoilt = set()
    for name, value in values.items():
        if rng.random() < 0.15:
            noise = rng.choice(NOTHING)
            insert(rng, blocks, noise(rng, name, rng.choice(NAMES[name])))
            planted.append(noise.__name__)
        chance = rng.random()
        if chance < 0.4:
            spoil = contradicting if chance < 0.25 else hedged
            insert(rng, blocks, spoil(rng, name, value))
            planted.append(spoil.__name__)
            spoilt.add(name)
    if rng.random() < 0.1:
        name = rng.choice(list(NAMES))
        thought = in_a_line(rng, name, rng.choice(NAMES[name]))
        blocks.insert(0, f"<think>\n{thought}\nWait, no.\n</think>")
        planted.append("thought")
    text = disguised(rng, rng.choice(["\n", "\n", "\n\n"]).join(blocks))
    return Case(text, values, frozenset(spoilt), tuple(planted))


def insert(rng: random.Random, blocks: list[str], block: str) -> None:
    fenced = blocks[0] == "```"
    blocks.insert(rng.randint(fenced, len(blocks) - fenced), block)


INVISIBLE = "\u200b\u200d\ufeff\u2060\xad\u200e\ufe0f"


def disguised(rng: random.Random, text: str) -> str:
    """Change what cannot be seen, or means the same."""
    chance = rng.random()
    if chance < 0.1:
        text = text.replace("\n", "\r\n")
    elif chance < 0.13:
        text = text.replace("\n", "\r")
    elif chance < 0.2:
        for _ in range(rng.randint(1, 5)):
            place = rng.randint(0, len(text))
            text = text[:place] + rng.choice(INVISIBLE) + text[place:]
    elif chance < 0.25:
        text = text.replace(" ", rng.choice("\u00a0\u202f\u2007"), rng.randint(1, 9))
    elif chance < 0.3:
        text = rng.choice(["\ufeff", "\n\n", " "]) + text + rng.choice(["\n", "\n\n", " \n"])
    if rng.random() < 0.1:
        text += rng.choice(ENDS)
    return text


def mangled(rng: random.Random, text: str) -> str:
    """Cut a text somewhere, repeat a piece of it, or turn it round."""
    start, end = sorted((rng.randint(0, len(text)), rng.randint(0, len(text))))
    return rng.choice(
        [text[:end], text[start:], text[start:end] * 3, text[::-1], text[:start] + text[end:]]
    )


def cases(seed: int, count: int) -> Iterator[Case]:
    rng = random.Random(seed)
    for _ in range(count):
        yield case(rng)


@dataclass
class Tally:
    """What became of the cases: counts, and those that went wrong."""

    counts: Counter[str] = field(default_factory=Counter)
    accepted_though_spoilt: list[Case] = field(default_factory=list)
    misread: list[Case] = field(default_factory=list)
    refused_though_plain: list[Case] = field(default_factory=list)

    def add(self, case: Case, verdict: Verdict) -> None:
        self.counts.update(case.planted)
        readings = {"Rating": verdict.rating, "Orientation": verdict.orientation}
        for name, reading in readings.items():
            spoilt = name in case.spoilt
            self.counts[f"{name} {'spoilt' if spoilt else 'plain'}"] += 1
            if spoilt and reading is not None:
                self.accepted_though_spoilt.append(case)
            if not spoilt and reading is None:
                self.refused_though_plain.append(case)
            if not spoilt and reading not in (None, case.values[name]):
                self.misread.append(case)


def check(seed: int, count: int) -> None:
    rng = random.Random(-seed)
    tally = Tally()
    for number, each in enumerate(cases(seed, count)):
        tally.add(each, read_verdict(each.text))
        if number % 5 == 0:  # whatever becomes of it
            read_verdict(mangled(rng, each.text))
            read_repair(each.text)
    sys.stdout.write(f"{count} texts: {dict(tally.counts)}\n")
    assert tally.accepted_though_spoilt == []
    assert tally.misread == []
    assert tally.refused_though_plain == []
    assert (
        len(tally.counts) == 10
    )  # of all that is planted, spoils or is left plain, there was some
    assert min(tally.counts.values()) > count // 100


def test_a_few_thousand_answers_are_read_as_they_were_meant() -> None:
    check(seed=0, count=4_000)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 7))
def test_three_hundred_thousand_answers_are_read_as_they_were_meant(seed: int) -> None:
    check(seed, count=50_000)


# --- replies to the repair prompt ---


@pytest.mark.parametrize("seed", range(3))
def test_repair_replies_are_read_as_they_were_meant(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(2_000):
        label = rng.choice(NAMES["Orientation"])
        other = other_than(rng, "Orientation", label)
        reply = rng.choice([dressed(rng, label), rng.choice(STATEMENTS)(rng, "Orientation", label)])
        plain = rng.choice(
            ["{}", "{}\n", "The cues decide.\n\n{}", "> Neither\n\n{}", "~~Both~~\n{}"]
        )
        assert read_repair(disguised(rng, plain.format(reply))) == label, reply
        contradicted = [dressed(rng, other), informally(rng, "Orientation", other)]
        assert read_repair(f"{reply}\n\n{rng.choice(contradicted)}") is None
        form = rng.choice(HEDGES + ORIENTATION_HEDGES).format(label, other)
        assert read_repair(form) is None, form


# --- forms that the protocol does not name ---

BEYOND = [
    "My {0}: {1}", "{0} is {1}.", "The {0} is {1}.", "{0} - {1}", "{0} {1}", "{0}:\n\n{1}",
    "{0}\n{1}", "So {0}: {1}", "({0}: {1})", "[{0}: {1}]", "{0} -> {1}", "I rate the {0} {1}.",
    "{1} ({0})", "{0}: {1} (not badly aligned)", "{0}: {1} (aligned, but vague)", "{0}: it is {1}",
    "\"{0}: {1}\"", "{0}: {1} as it fits", "{0}: {1} overall", "First {0}: {1}",
    "{0} for task1: {1}", "{0}:: {1}",
]  # fmt: skip


def test_what_the_protocol_does_not_name_is_read_rightly_or_not_at_all() -> None:
    rng = random.Random(0)
    for _ in range(4_000):
        rating, orientation = rng.choice(NAMES["Rating"]), rng.choice(NAMES["Orientation"])
        blocks = [
            explained(rng, 1),
            rng.choice(BEYOND).format("Rating", worded(rng, rating)),
            explained(rng, 2),
            rng.choice(BEYOND).format("Orientation", worded(rng, orientation)),
        ]
        verdict = read_verdict(disguised(rng, "\n".join(blocks)))
        assert verdict.rating in (None, rating)
        assert verdict.orientation in (None, orientation)
