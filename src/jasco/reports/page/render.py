"""The templates filled in: the page as one file, which loads nothing else.

Its policy allows only its own style, script, pictures and sounds: even if a text got into it as
markup, it could not run, load or send anything.
"""

import base64
import hashlib
import unicodedata
from collections.abc import Mapping
from importlib.resources import files

from jinja2 import BaseLoader, ChoiceLoader, Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from jasco.reports.page.content import Shown, content_of, packed, sounds_of
from jasco.reports.page.sections import sections_of

_FOLDER = files("jasco.reports.page")
_LONGEST = 10_000


def visible(text: str) -> str:
    """Format characters that are invisible, or would turn a text around, by their number."""
    cut = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text):,} characters)"
    return "".join(
        f"\\u{ord(character):04x}"
        if unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp") and character not in "\n\t"
        else character
        for character in cut
    )


def static(name: str) -> str:
    """Read a style sheet or a script of the page."""
    return (_FOLDER / "static" / name).read_text("utf-8")


def environment(*more: BaseLoader) -> Environment:
    """Return the templates' environment: every text is made visible and escaped.

    A name that is missing raises.
    """
    own = FileSystemLoader(str(_FOLDER / "templates"))
    return Environment(
        loader=ChoiceLoader([own, *more]), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, finalize=_finalized,
    )  # fmt: skip


def _finalized(value: object) -> object:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def render_page(shown: Mapping[str, Shown], *, audio: bool) -> str:
    """Return the page.

    Parameters
    ----------
    shown : mapping of str to Shown
        By the name that a model is to have; at least one, all about the same clips.
    audio : bool
        Whether the clips can be played.

    Raises
    ------
    InputError
        The results are about different data or protocols.
    """
    sounds = sounds_of(shown, audio=audio)
    style, script = static("page.css"), static("page.js")
    content = packed(content_of(shown, sounds))
    return environment().get_template("page.html").render(
        page=sections_of(shown, sounds),
        # Our own files, word for word: the policy knows them by their hashes.
        style=Markup(style),  # noqa: S704
        script=Markup(script),  # noqa: S704
        packed=Markup(base64.b64encode(content).decode()),  # noqa: S704
        policy=_policy(style, script),
    )  # fmt: skip


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; "
        "img-src data:; media-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
