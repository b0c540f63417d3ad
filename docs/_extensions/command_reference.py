"""The directive ``command-reference``, which describes every command from its help."""

import inspect
import re
from collections.abc import Iterator

import click
from docutils.nodes import Node
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from jasco.cli.main import jasco_command


def reference(context: click.Context) -> Iterator[str]:
    """Return the lines, in Markdown, on a command and on those below it."""
    command = context.command
    yield f"## {context.command_path}"
    yield _escape(inspect.cleandoc(command.help or ""))
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    yield f"```text\n{usage}\n```"
    for parameter in command.get_params(context):
        names, text = parameter.get_help_record(context) or ("", "")
        if text and "--help" not in names:
            yield f"`{names}`\n: {_escape(text)}"
    if command.epilog:
        yield _escape(command.epilog)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from reference(_context(below, name, context))


def _escape(text: str) -> str:
    return re.sub(r"([\\`*_<>\[\]])", r"\\\1", text)


def _context(
    command: click.Command, name: str, parent: click.Context | None = None
) -> click.Context:
    return click.Context(command, parent, info_name=name, **command.context_settings)


class CommandReference(SphinxDirective):
    """Describes every command."""

    def run(self) -> list[Node]:
        """Return the nodes of all commands."""
        text = "\n\n".join(reference(_context(jasco_command, "jasco")))
        return self.parse_text_to_nodes(text, allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("command-reference", CommandReference)
    return {"parallel_read_safe": True}
