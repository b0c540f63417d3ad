"""Build the documentation: ``make docs``."""

import sys
from pathlib import Path

from sphinx.application import Sphinx

import jasco

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "jasco"
author = "the jasco contributors"
copyright = author  # noqa: A001
version = release = jasco.__version__

extensions = [
    "myst_nb",  # Markdown pages, and the notebook, which is executed
    "sphinx.ext.autodoc",
    "numpydoc",
    "command_reference",
]
exclude_patterns = ["_build", "_extensions"]
smartquotes = False  # options keep their two hyphens

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 4  # links to headings, as GitHub names them
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_execution_in_temp = True
nb_merge_streams = True

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
numpydoc_show_class_members = False
maximum_signature_line_length = 80
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = f"jasco {version}"
html_copy_source = False


def setup(app: Sphinx) -> None:
    """Show no module docstrings, which are for developers, no private parameters, no name twice."""
    app.connect("autodoc-skip-member", _skip_name_of_jasco)
    app.connect("autodoc-process-docstring", _drop_module_docstring, priority=0)
    app.connect("autodoc-process-signature", _hide_private_signature)


def _skip_name_of_jasco(
    app: Sphinx, what: str, name: str, thing: object, skip: bool, options: object
) -> bool | None:
    is_plugin_page = app.env.current_document.docname == "plugins-api"
    return True if is_plugin_page and what == "module" and name in jasco.__all__ else None


def _drop_module_docstring(
    app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]
) -> None:
    if what == "module":
        lines.clear()


def _hide_private_signature(
    app: Sphinx, what: str, name: str, thing: object, options: object, signature: str, returns: str
) -> tuple[str, str] | None:
    is_private = what == "class" and ", _" in (signature or "")
    return ("", "") if is_private else None
