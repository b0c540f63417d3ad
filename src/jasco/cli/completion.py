"""Shell completion: values of arguments, and the command that prints the completion script."""

import os
from collections.abc import Callable, Iterable

import click
from click.shell_completion import CompletionItem, get_completion_class, shell_complete

from jasco.cli.options import choice

VARIABLE = "_JASCO_COMPLETE"
"""The environment variable through which a shell asks for completions."""
_SHELLS = ("bash", "zsh", "fish")

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


@click.command("completion")
@click.argument("shell", type=choice(*_SHELLS), metavar="|".join(_SHELLS))
def completion_command(shell: str) -> None:
    """Print the completion script of a shell.

    To enable completion, add this line to ~/.bashrc: eval "$(jasco completion bash)", or to
    ~/.zshrc: eval "$(jasco completion zsh)". For fish: jasco completion fish >
    ~/.config/fish/completions/jasco.fish
    """
    completion = get_completion_class(shell)
    assert completion
    print(completion(click.Group("jasco"), {}, "jasco", VARIABLE).source())


def completed(group: click.Group) -> int | None:
    """Print completions if a shell requests them, and return the exit status; else None."""
    instruction = os.environ.get(VARIABLE)
    return shell_complete(group, {}, "jasco", VARIABLE, instruction) if instruction else None


def models(_ctx: click.Context, _parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    """Return completions for the provider of a model."""
    from jasco.backends.specs import providers

    return _items(providers("model"), typed)


def judges(_ctx: click.Context, _parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    """Return completions for the provider of a judge, or a panel."""
    from jasco.backends.specs import providers
    from jasco.judges.panel import PANELS

    return _items([*providers("judge"), *PANELS], typed)


def data_sets(_ctx: click.Context, _parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    """Return completions for a data set: its name or folder."""
    from jasco.data.dataset import MINI, PUBLISHED

    return [*_items((PUBLISHED, MINI), typed), CompletionItem(typed, type="dir")]


def _items(names: Iterable[str], typed: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(typed)]
