"""What can be named, and what is installed: ``models``, ``judges`` and ``doctor``."""

import click


@click.command("models")
def models_command() -> None:
    """List the models that can be named, with their options."""
    from jasco.diagnostics.listings import models

    print(*models(), sep="\n")


@click.command("judges")
def judges_command() -> None:
    """List the judges that can be named, with their options."""
    from jasco.diagnostics.listings import judges

    print(*judges(), sep="\n")


@click.command("doctor")
def doctor_command() -> None:
    """List what is installed here, and what is missing."""
    from jasco.diagnostics.doctor import examine

    for line in examine():
        print(line)
