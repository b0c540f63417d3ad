"""Random judges' answers by the hundred thousand, with contradictions and hedges in them.

The generator writes known verdicts in many forms, and shares no code or word list with the parser.
A text states a rating and an orientation. For either, a second, different statement or a hedged
value may be inserted; quotations, struck-out lines, reasoning and echoes of the prompt may be
added, which have no meaning.
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
FORMATS = [
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
REMARK_FORMATS = [
    " ({})", " ({})", " [{}]", " ({}).", " - {}", " – {}", " — {}", "; {}", ". {}.", ", because {}",
    " because {}", ": {}", "（{}）", " -- {}",
]  # fmt: skip
END_TOKENS = [
    "<|eot_id|>", "</s>", "<|im_end|>", "<end_of_turn>", "<|endoftext|>", "<|end|>",
    "<|end_of_text|>", "<｜end▁of▁sentence｜>", " <|eot_id|>", "<|im_end|><|endoftext|>",
    "<|eot_id|><|start_header_id|>assistant<|end_header_id|>",
]  # fmt: skip

# --- how statements are written ---

LABELS = [
    *["{}"] * 6, "**{}**", "*{}*", "__{}__", "`{}`", "Final {}", "Revised {}", "Corrected {}",
    "Updated {}", "**Final {}**", "final {}", "FINAL {}", "<b>{}</b>", "***{}***",
]  # fmt: skip
SEPARATORS = [
    *[": "] * 6, ":", " : ", "：", "： ", ":\t", ":\u00a0", " = ", "=", ":  ", ":\u202f", " ＝ ",
    ":\u3000",
]  # fmt: skip
LINE_STARTS = [
    *[""] * 10, "- ", "* ", "• ", "1. ", "2) ", "   ", "\t", "### ", "## ", "+ ", "\u00a0", "– ",
    "#", "(1) ", "→ ", "✅ ",
]  # fmt: skip


def random_case(rng: random.Random, name: str) -> str:
    return rng.choice([name, name, name, name.lower(), name.upper()])


def word_value(rng: random.Random, value: Value) -> str:
    if isinstance(value, Orientation):
        return rng.choice(ORIENTATIONS[value])
    return rng.choice(RATINGS[value])


def format_value(rng: random.Random, value: Value) -> str:
    text = rng.choice(FORMATS).format(word_value(rng, value))
    if rng.random() < 0.12 and not re.search(r"[.,;!。]\**$", text):
        text += rng.choice(REMARK_FORMATS).format(random_remark(rng, value))
    if rng.random() < 0.05:
        text += rng.choice(END_TOKENS)
    return text


def random_remark(rng: random.Random, value: Value) -> str:
    return rng.choice(REMARKS if value in (2, BOTH) else REMARKS + SHORTCOMINGS)


def format_at_line_start(rng: random.Random, value: Value) -> str:
    """Write a value, but not in a form like the first item of a list ("1. It is vague.")."""
    while re.match(r"\d\. ", text := format_value(rng, value)):
        pass
    return text


def format_name(rng: random.Random, name: str) -> str:
    return rng.choice(LABELS).format(random_case(rng, name))


def state_in_line(rng: random.Random, name: str, value: Value) -> str:
    line_start = rng.choice(LINE_STARTS)
    if rng.random() < 0.15:
        return f"{line_start}**{random_case(rng, name)}:** {format_value(rng, value)}"
    if rng.random() < 0.1:
        return f"{line_start}**{random_case(rng, name)}: {word_value(rng, value)}**"
    return line_start + format_name(rng, name) + rng.choice(SEPARATORS) + format_value(rng, value)


def state_on_next_line(rng: random.Random, name: str, value: Value) -> str:
    statement = f"{format_name(rng, name)}:{rng.choice(['', ' ', '  '])}\n"
    return statement + format_at_line_start(rng, value)


def state_below_heading(rng: random.Random, name: str, value: Value) -> str:
    heading = rng.choice(["# {}", "### {}", "## **{}**", "### {}:", "**{}**", "**{}:**"])
    gap = rng.choice(["\n", "\n\n"])
    return f"\n{heading.format(random_case(rng, name))}{gap}{format_at_line_start(rng, value)}\n"


def state_in_row(rng: random.Random, name: str, value: Value) -> str:
    row = rng.choice(["| {} | {} |", "| **{}** | **{}** |", "|{}|{}|", "| {}: | {} |"])
    row = row.format(random_case(rng, name), word_value(rng, value))
    header = rng.choice(
        ["", "", "| Criterion | Value |\n|---|---|\n", "| Field | Verdict |\n| :-- | --: |\n"]
    )
    return f"\n{header}{row}\n"


def state_in_object(rng: random.Random, name: str, value: Value) -> str:
    return state_as_json(rng, {name: value})


def state_as_json(rng: random.Random, values: dict[str, Value]) -> str:
    quote = rng.choice(['"', '"', '"', "'"])
    members = []
    for number, (name, value) in enumerate(values.items(), start=1):
        if rng.random() < 0.5:
            text = rng.choice(["the answer mirrors it", "it rests on rain, wind (and 2 birds)"])
            members.append(f"{quote}Explanation{number}{quote}: {quote}{text}{quote}")
        cell = word_value(rng, value)
        if isinstance(value, Orientation) or rng.random() < 0.2:
            cell = f"{quote}{cell}{quote}"
        elif "/" in cell or "of" in cell:
            cell = str(value)
        members.append(
            f"{quote}{random_case(rng, name)}{quote}{rng.choice([': ', ':', ' : '])}{cell}"
        )
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


def state_in_element(rng: random.Random, name: str, value: Value) -> str:
    tag = name.lower()
    return f"<{tag}>{word_value(rng, value)}</{tag}>"


STATEMENTS: list[Write] = [
    *[state_in_line] * 10, state_on_next_line, state_on_next_line, state_below_heading,
    state_in_row, state_in_object, state_in_element,
]  # fmt: skip

# Clear enough to contradict a verdict, too informal to be one.
INFORMAL_STATEMENTS = [
    "My {} is {}.", "The {} is {}", "So my final {} is {}.", "{} is {}", "{} - {}", "{} – {}",
    "(My {}: {})", "Therefore, the {} should be {}.", "On reflection, the {} is {}.",
    "On second thought, no. {}: {}", "Correction: the {} is {}.", "I would now give a {} of {}.",
    "[{}: {}]", "My {}: {}", "However, {}: {}", "I would rather say {}: {}", "EDIT: {}: {}",
    "P.S. {}: {}", "My {} is {}. It is what the cues say.", "No, wait, the {} is {}.",
]  # fmt: skip


def state_informally(rng: random.Random, name: str, value: Value) -> str:
    return rng.choice(INFORMAL_STATEMENTS).format(random_case(rng, name), word_value(rng, value))


# --- whole answers ---


def state_as_table(rng: random.Random, values: dict[str, Value]) -> str:
    names = list(values)
    rng.shuffle(names)
    cells = [word_value(rng, values[name]) for name in names]
    rule = rng.choice(["---", ":---:", "-----", ":--"])
    rows = [names, [rule] * len(names), cells]
    if rng.random() < 0.3:
        for row, cell in zip(rows, ("Explanation", rule, "it mirrors the reference"), strict=True):
            row.append(cell)
    edge = rng.choice(["| {} |", "{}"])
    return "\n" + "\n".join(edge.format(" | ".join(row)) for row in rows) + "\n"


def state_in_one_line(rng: random.Random, values: dict[str, Value]) -> str:
    between = rng.choice([", ", "; ", " | ", " / ", " ", " and ", " - ", ". "])
    return between.join(f"{name}: {word_value(rng, value)}" for name, value in values.items())


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


def explain(rng: random.Random, number: int) -> str:
    text = " ".join(rng.choice(SENTENCES) for _ in range(rng.randint(1, 3)))
    heading = rng.choice(
        ["Explanation{}: ", "**Explanation{}:** ", "Explanation{}:\n", "explanation{}: "]
    )
    return heading.format(number) + text


def write_answer(rng: random.Random, values: dict[str, Value]) -> list[str]:
    """Write both values; return blocks of lines."""
    style = rng.random()
    opening = [rng.choice(["[Task1]", "Sure! Here is my assessment.", "---", "### Evaluation"])]
    blocks = opening if rng.random() < 0.2 else []
    if style < 0.1:
        return [*blocks, state_as_json(rng, values)]
    if style < 0.15:
        return [*blocks, state_as_table(rng, values)]
    if style < 0.2:
        return [*blocks, explain(rng, 1), state_in_one_line(rng, values)]
    for number, (name, value) in enumerate(values.items(), start=1):
        if rng.random() < 0.7:
            blocks.append(explain(rng, number))
        blocks.append(rng.choice(STATEMENTS)(rng, name, value))
        if rng.random() < 0.05:
            blocks.append(rng.choice(STATEMENTS)(rng, name, value))
    if rng.random() < 0.05:
        blocks = ["```", *blocks, "```"]
    return blocks


# --- text without meaning ---

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


def quote_statement(rng: random.Random, name: str, value: Value) -> str:
    lines = rng.choice(STATEMENTS)(rng, name, value).strip("\n").split("\n")
    prefix = rng.choice(["> ", ">", ">> ", "> > ", " > ", "- > ", "\u00a0> "])
    return "\n".join(prefix + line for line in lines)


def strike_out(rng: random.Random, name: str, value: Value) -> str:
    line = f"{format_name(rng, name)}: {word_value(rng, value)}"
    return rng.choice(
        ["~~{}~~", "- ~~{}~~", "**~~{}~~**", "~~{}~~ (struck out)", "<del>{}</del>"]
    ).format(line)


def echo_prompt(rng: random.Random, name: str, value: Value) -> str:
    return rng.choice(ECHOES[name])


WITHOUT_MEANING: list[Write] = [quote_statement, strike_out, echo_prompt]

# --- hedges ---

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


def hedge_statement(rng: random.Random, name: str, value: Value) -> str:
    hedges = HEDGES + (RATING_HEDGES if name == "Rating" else ORIENTATION_HEDGES)
    one, other = (str(item) for item in (value, other_value(rng, name, value)))
    hedge = rng.choice(hedges).format(one, other)
    if hedge.startswith(">"):  # would be a quotation in a line of its own
        return f"{format_name(rng, name)}{rng.choice(SEPARATORS)}{hedge}"
    remark = rng.choice(
        ["(?)", "(maybe)", "maybe", "?", f"or {other}", "I guess.", "(wrong)", "..."]
    )
    return rng.choice(
        [
            f"{name}: {one}\n{remark}",
            f"{format_name(rng, name)}{rng.choice(SEPARATORS)}{hedge}",
            f"{rng.choice(LINE_STARTS)}**{name}:** {hedge}",
            f"{name}:\n{hedge}",
            f"### {name}\n{hedge}",
            f"| {name} | {hedge} |",
        ]
    )


def other_value(rng: random.Random, name: str, value: Value) -> Value:
    return rng.choice([other for other in NAMES[name] if other != value])


# --- texts ---


@dataclass(frozen=True)
class Case:
    """A text, its values, and the names of those that are contradicted or hedged."""

    text: str
    values: dict[str, Value]
    unclear: frozenset[str]
    insertions: tuple[str, ...]


def contradict(rng: random.Random, name: str, value: Value) -> str:
    other = other_value(rng, name, value)
    if rng.random() < 0.05:
        return f'{{"{name}": "{value}", "{name}": "{other}"}}'
    return rng.choice([*STATEMENTS, state_informally, state_informally])(rng, name, other)


def make_case(rng: random.Random) -> Case:
    """Write a text; make values unclear at random, and add text without meaning."""
    values: dict[str, Value] = {name: rng.choice(allowed) for name, allowed in NAMES.items()}
    blocks = write_answer(rng, values)
    insertions = []
    unclear = set()
    for name, value in values.items():
        if rng.random() < 0.15:
            noise = rng.choice(WITHOUT_MEANING)
            insert(rng, blocks, noise(rng, name, rng.choice(NAMES[name])))
            insertions.append(noise.__name__)
        draw = rng.random()
        if draw < 0.4:
            contradiction = contradict if draw < 0.25 else hedge_statement
            insert(rng, blocks, contradiction(rng, name, value))
            insertions.append(contradiction.__name__)
            unclear.add(name)
    if rng.random() < 0.1:
        name = rng.choice(list(NAMES))
        reasoning = state_in_line(rng, name, rng.choice(NAMES[name]))
        blocks.insert(0, f"<think>\n{reasoning}\nWait, no.\n</think>")
        insertions.append("reasoning")
    text = vary_characters(rng, rng.choice(["\n", "\n", "\n\n"]).join(blocks))
    return Case(text, values, frozenset(unclear), tuple(insertions))


def insert(rng: random.Random, blocks: list[str], block: str) -> None:
    fenced = blocks[0] == "```"
    blocks.insert(rng.randint(fenced, len(blocks) - fenced), block)


INVISIBLE = "\u200b\u200d\ufeff\u2060\xad\u200e\ufe0f"


def vary_characters(rng: random.Random, text: str) -> str:
    """Change invisible characters, line breaks and spaces."""
    chance = rng.random()
    if chance < 0.1:
        text = text.replace("\n", "\r\n")
    elif chance < 0.13:
        text = text.replace("\n", "\r")
    elif chance < 0.2:
        for _ in range(rng.randint(1, 5)):
            position = rng.randint(0, len(text))
            text = text[:position] + rng.choice(INVISIBLE) + text[position:]
    elif chance < 0.25:
        text = text.replace(" ", rng.choice("\u00a0\u202f\u2007"), rng.randint(1, 9))
    elif chance < 0.3:
        text = rng.choice(["\ufeff", "\n\n", " "]) + text + rng.choice(["\n", "\n\n", " \n"])
    if rng.random() < 0.1:
        text += rng.choice(END_TOKENS)
    return text


def mangle(rng: random.Random, text: str) -> str:
    """Cut a text, repeat a part of it, or reverse it."""
    start, end = sorted((rng.randint(0, len(text)), rng.randint(0, len(text))))
    return rng.choice(
        [text[:end], text[start:], text[start:end] * 3, text[::-1], text[:start] + text[end:]]
    )


def make_cases(seed: int, count: int) -> Iterator[Case]:
    rng = random.Random(seed)
    for _ in range(count):
        yield make_case(rng)


@dataclass
class Tally:
    """Counts of cases, and the cases that were read wrongly."""

    counts: Counter[str] = field(default_factory=Counter)
    accepted_though_unclear: list[Case] = field(default_factory=list)
    misread: list[Case] = field(default_factory=list)
    unread_though_clear: list[Case] = field(default_factory=list)

    def add(self, case: Case, verdict: Verdict) -> None:
        self.counts.update(case.insertions)
        readings = {"Rating": verdict.rating, "Orientation": verdict.orientation}
        for name, reading in readings.items():
            unclear = name in case.unclear
            self.counts[f"{name} {'unclear' if unclear else 'clear'}"] += 1
            if unclear and reading is not None:
                self.accepted_though_unclear.append(case)
            if not unclear and reading is None:
                self.unread_though_clear.append(case)
            if not unclear and reading not in (None, case.values[name]):
                self.misread.append(case)


def check(seed: int, count: int) -> None:
    rng = random.Random(-seed)
    tally = Tally()
    for number, case in enumerate(make_cases(seed, count)):
        tally.add(case, read_verdict(case.text))
        if number % 5 == 0:  # they must not raise
            read_verdict(mangle(rng, case.text))
            read_repair(case.text)
    sys.stdout.write(f"{count} texts: {dict(tally.counts)}\n")
    assert tally.accepted_though_unclear == []
    assert tally.misread == []
    assert tally.unread_though_clear == []
    assert len(tally.counts) == 10  # every kind of insertion and value occurs
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
        other = other_value(rng, "Orientation", label)
        reply = rng.choice(
            [format_value(rng, label), rng.choice(STATEMENTS)(rng, "Orientation", label)]
        )
        template = rng.choice(
            ["{}", "{}\n", "The cues decide.\n\n{}", "> Neither\n\n{}", "~~Both~~\n{}"]
        )
        assert read_repair(vary_characters(rng, template.format(reply))) == label, reply
        contradicted = [format_value(rng, other), state_informally(rng, "Orientation", other)]
        assert read_repair(f"{reply}\n\n{rng.choice(contradicted)}") is None
        hedged = rng.choice(HEDGES + ORIENTATION_HEDGES).format(label, other)
        assert read_repair(hedged) is None, hedged


# --- forms that are not in the protocol ---

UNNAMED_FORMS = [
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
            explain(rng, 1),
            rng.choice(UNNAMED_FORMS).format("Rating", word_value(rng, rating)),
            explain(rng, 2),
            rng.choice(UNNAMED_FORMS).format("Orientation", word_value(rng, orientation)),
        ]
        verdict = read_verdict(vary_characters(rng, "\n".join(blocks)))
        assert verdict.rating in (None, rating)
        assert verdict.orientation in (None, orientation)
