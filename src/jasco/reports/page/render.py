"""Rendering of the page as a single file that loads nothing else.

Its content security policy allows only its own style, scripts, images and audio: even if a text
were inserted as markup, it could not run scripts or load or send anything.
"""

import base64
import hashlib
import unicodedata
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files

from jinja2 import BaseLoader, ChoiceLoader, Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from jasco.reports.page.cells import CUES, cell_of
from jasco.reports.page.content import content_of, packed, sounds_of
from jasco.reports.page.sections import sections_of
from jasco.reports.page.shown import Shown

SCRIPTS = (
    "vendor/preact.js", "vendor/preact-hooks.js", "vendor/htm.js",
    "tables.js", "clips_data.js", "clips_sound.js", "clips_view.js", "clips.js",
)  # fmt: skip
"""The page's scripts, in the order in which they are run."""
STYLES = ("page.css", "clips.css")
"""The page's style sheets."""
_FOLDER = files("jasco.reports.page")
_LONGEST = 10_000


def visible(text: str) -> str:
    """Replace characters that are invisible or change the text direction by their code points."""
    cut = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text):,} characters)"
    return "".join(
        f"\\u{ord(character):04x}"
        if unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp") and character not in "\n\t"
        else character
        for character in cut
    )


def static(name: str) -> str:
    """Return a style sheet or script of the page."""
    return (_FOLDER / "static" / name).read_text("utf-8")


def environment(*more: BaseLoader) -> Environment:
    """Return the templates' environment, which escapes all texts and shows invisible characters.

    An undefined name raises an error.
    """
    own = FileSystemLoader(str(_FOLDER / "templates"))
    templates = Environment(
        loader=ChoiceLoader([own, *more]), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, finalize=_finalized,
    )  # fmt: skip
    templates.globals |= {
        "scripts": SCRIPTS, "styles": STYLES, "cell_of": cell_of, "cue_names": CUES,
    }  # fmt: skip
    return templates


def _finalized(value: object) -> object:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def render_page(shown: Mapping[str, Shown], *, audio: bool) -> str:
    """Return the page.

    Parameters
    ----------
    shown : mapping of str to Shown
        By the name to show for a model; at least one, all with the same clips.
    audio : bool
        Whether to include the audio of the clips.

    Raises
    ------
    InputError
        The results use different data or protocols.
    """
    sounds = sounds_of(shown, audio=audio)
    with ThreadPoolExecutor() as pool:  # compression leaves room for other threads
        content = pool.submit(lambda: packed(content_of(shown, sounds)))
        page = sections_of(shown, sounds)
    style, scripts = "\n".join(map(static, STYLES)), list(map(static, SCRIPTS))
    return environment().get_template("page.html").render(
        page=page,
        # Files of this package, unchanged: the policy allows them by their hashes.
        style=Markup(style),  # noqa: S704
        inline_scripts=list(map(Markup, scripts)),
        packed=Markup(base64.b64encode(content.result()).decode()),  # noqa: S704
        policy=content_policy(style, *scripts),
    )  # fmt: skip


def content_policy(style: str, *scripts: str) -> str:
    """Return the content security policy of a page with this style and these scripts."""
    allowed = " ".join(map(_hash, scripts)) or "'none'"
    return (
        f"default-src 'none'; style-src {_hash(style)}; script-src {allowed}; "
        "img-src data:; media-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
