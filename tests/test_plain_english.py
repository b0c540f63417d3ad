"""Messages, docstrings and documents are written in plain technical English.

Each phrase is a regular expression with what to write instead. Words of a phrase may be separated
by a line break, also within a comment or between the parts of a string.
"""

import re

import pytest

from places import ROOT

CLEAN = (
    "README.md",
    "docs",
    "src/jasco",
)
"""Files and folders that are checked."""
SUFFIXES = {".html", ".js", ".md", ".py"}

PHRASES = {
    r"(?:goes|go|going|went) on (?:from (?:here|there)|with (?:it|this)\b)": "continues, resumes",
    r"the same command goes on": "run the same command again to resume",
    r"(?:what|that) (?:is|was) (?:done|paid for) is kept": "completed work is saved",
    r"(?:take|takes) another (?:--|run\b|model\b|judge\b|name\b|port\b)": "use a different ...",
    r"(?:tell|tells|telling|told) (?:\w+ ){1,4}apart": "distinguishes",
    r"(?:the )?machine (?:for|to) itself": "runs alone on this machine",
    r"(?:get|gets|got|getting) through\b": "succeeds, passes",
    r"to no avail": "without success",
    r"(?:is|are|be|was|were) of no use": "cannot be used",
    r"(?:lie|lies|lay) (?:in|beside|there)\b": "is in, is next to",
    r"there (?:is|are|was) no such": "no such ..., ... not found",
    r"(?:is|are) one of (?:its|their) own": "has its own ...",
    r"of one's own": "separate, own",
    r"(?:as it|as they|as it all) (?:is|are|stands|stand)\b": "unchanged",
    r"(?:mend|mends|mended|mending)\b": "fix, resolve",
    r"anew\b": "again",
    r"(?:come|comes|came|coming) about\b": "happens, is created",
    r"(?:put|puts) (?:that one|it|them) back": "restore",
    r"(?:deserve|deserves|deserved) nothing\b": "should score 0",
    r"whose reason is": "because of ...",
    r"(?:is|are) made of (?:it|them|what)": "is computed from",
    r"(?:it|they) said:": "last output:",
    r"(?:is|are|was) handed on": "is passed on",
    r"(?:a|one) (?:whole )?number of at least \d": "a number >= N",
    r"(?:is|are) none of (?:the|these|those|\{)": "is not one of",
    r"(?<!there\s)is no (?:\w+ )?(?:file|folder|function|judge|model|number|text)\b": "is not a",
    r"(?:is|are) there (?:already|twice)\b": "already exists, duplicate",
    r"(?:whole) or not at all": "atomically",
    r"(?:free some|make|makes) room\b": "free some space",
    r"(?:go|goes) online\b": "connect to the internet",
    r"is this machine offline": "check the internet connection",
    r"(?:break|breaks|broke|broken) off\b": "ends early",
    r"(?:best of (?:\S+ ){1,3}prompts|eight prompts|prompts? per clip|mean by prompt)\b": (
        "instruction"
    ),
}
SEPARATOR = r"""(?:\ ?["']?\s*\n\s*(?:\#\ |//\ |\*\ )?(?:f?["'])?|\ )"""
PATTERNS = [
    (re.compile(r"\b" + phrase.replace(" ", SEPARATOR), re.IGNORECASE), instead)
    for phrase, instead in PHRASES.items()
]


def files_to_check() -> list[str]:
    paths = [path for place in CLEAN for path in (ROOT / place, *(ROOT / place).rglob("*"))]
    return [
        str(path.relative_to(ROOT))
        for path in sorted(paths)
        if path.suffix in SUFFIXES and "_build" not in path.parts
    ]


def findings(text: str) -> list[str]:
    """Return the line, the phrase and its replacement for each phrase in a text."""
    found = [
        (text.count("\n", 0, match.start()) + 1, " ".join(match[0].split()), instead)
        for pattern, instead in PATTERNS
        for match in pattern.finditer(text)
    ]
    return [f"{line}: {phrase!r}; write: {instead}" for line, phrase, instead in sorted(found)]


def test_texts_are_in_plain_english() -> None:
    files = files_to_check()
    assert len(files) > 50
    found = [
        f"{file}:{finding}"
        for file in files
        for finding in findings((ROOT / file).read_text("utf-8"))
    ]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize(
    "text",
    [
        "the same command goes on from here",
        'first\n    f"stop; the same command goes "\n    "on from there"',
        "# To no\n# avail.",
        "Mended anew.",
    ],
)
def test_a_phrase_is_found_across_lines(text: str) -> None:
    assert findings(text)


@pytest.mark.parametrize("text", ["amended", "is not a file", "which one is used", "recommend"])
def test_other_words_are_not_found(text: str) -> None:
    assert not findings(text)
