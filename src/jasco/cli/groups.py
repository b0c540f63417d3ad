"""Groups of commands."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import click

from jasco.errors import did_you_mean


class CommandGroup(click.Group):
    """A group that imports commands when they are needed, and suggests similar names.

    Parameters
    ----------
    modules : mapping of str to sequence of str
        The names of commands, by the module in ``jasco.cli`` that defines ``NAME_command``.
    *args, **settings
        As in :class:`click.Group`.
    """

    def __init__(self, *args: Any, modules: Mapping[str, Sequence[str]], **settings: Any) -> None:
        super().__init__(*args, **{"no_args_is_help": False, **settings})
        self._modules = {name: module for module, names in modules.items() for name in names}

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names of all commands."""
        return list(self._modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by its name (``click.UsageError`` if it is unknown)."""
        if cmd_name not in self._modules:
            if ctx.resilient_parsing:  # a shell requests completions
                return None
            ctx.fail(f"no such command: {cmd_name!r}{did_you_mean(cmd_name, self._modules)}")
        module = import_module(f"jasco.cli.{self._modules[cmd_name]}")
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command
