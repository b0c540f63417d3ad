"""What can be named, and what is installed: ``models``, ``judges`` and ``doctor``."""

from collections.abc import Iterator
from typing import Literal

import click

_PANEL_ADDRESSES = "one address for all, or one each; without, vllm serves them in turn"


@click.command("models")
def models_command() -> None:
    """List the models that can be named, with their options."""
    from jasco.diagnostics.listings import render_models

    print(render_models(), "", *_provider_lines("model"), sep="\n")


@click.command("judges")
def judges_command() -> None:
    """List the judges that can be named, with their options."""
    from jasco.judges.panel import PANELS

    print(*_provider_lines("judge"), sep="\n")
    for name, panel in PANELS.items():
        print(f"{name}\n  The published panel: {', '.join(panel)}.")
        print(f"    base_url=...  {_PANEL_ADDRESSES}")


@click.command("doctor")
def doctor_command() -> None:
    """List what is installed here, and what is missing."""
    from jasco.diagnostics.doctor import examine

    for line in examine():
        print(line)


def _provider_lines(kind: Literal["model", "judge"]) -> Iterator[str]:
    from jasco.backends.options import LABEL
    from jasco.backends.specs import providers

    for name, point in sorted(providers(kind).items()):
        provider = point.load()
        yield f"{name}/{provider.NAME}" if provider.NAME else name
        yield f"  {(provider.__doc__ or '').strip().splitlines()[0]}"
        for item in provider.OPTIONS if provider.raw_name else (*provider.OPTIONS, LABEL):
            key = f"{item.name}.KEY" if item.family else item.name
            yield f"    {key}=...  {item.help}{_default(item.default)}"
        if provider.launches_server:
            yield "    serve.KEY=...  handed on to the server as --KEY; serve.command=PATH names it"


def _default(value: object) -> str:
    if value is None:
        return ""
    return f" (default {str(value).lower() if isinstance(value, bool) else value})"
