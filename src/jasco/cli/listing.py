"""The commands ``models``, ``judges`` and ``doctor``."""

import click


@click.command("models")
def models_command() -> None:
    """List the available models and their options."""
    from jasco.diagnostics.listings import models

    print(*models(), sep="\n")


@click.command("judges")
def judges_command() -> None:
    """List the available judges and their options."""
    from jasco.diagnostics.listings import judges

    print(*judges(), sep="\n")


@click.command("doctor")
def doctor_command() -> None:
    """List what is installed, missing or in conflict on this machine."""
    from jasco.diagnostics.doctor import examine

    for line in examine():
        print(line)
