"""Declaration of options and arguments, and those that several commands share."""

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from jasco.errors import did_you_mean

Decorator = Callable[[Any], Any]


class _Option(click.Option):
    """An option that rejects another option as its value, as in ``--run --json``."""

    def process_value(self, ctx: click.Context, value: Any) -> Any:
        for text in value if isinstance(value, tuple | list) else (value,):
            if isinstance(text, str) and re.match("--?[A-Za-z]", text):
                raise click.BadParameter(f"{text} is an option, not a value", ctx, self)
        return super().process_value(ctx, value)


def choice(*names: str) -> Callable[[str], str]:
    """Return a type that accepts the given names and suggests similar ones."""

    def read(text: str) -> str:
        if text not in names:
            hint = did_you_mean(text, names)
            raise click.BadParameter(f"{text!r} (expected one of: {', '.join(names)}){hint}")
        return text

    return read


def option(*names: str, **settings: Any) -> Decorator:
    """Declare an option with a value; settings as in :func:`click.option`."""
    settings.setdefault("metavar", names[0].lstrip("-").upper())
    return click.option(*names, cls=_Option, **settings)


def flag(*names: str, help: str) -> Decorator:  # noqa: A002
    """Declare an option without a value."""
    return click.option(*names, is_flag=True, help=help)


def switch(*names: str, help: str) -> Decorator:  # noqa: A002
    """Declare an option without a value that sets a parameter, by default True, to False."""
    return click.option(
        *names, is_flag=True, flag_value=False, default=True, show_default=False, help=help
    )


def combined(*decorators: Decorator) -> Decorator:
    """Combine declarations; the help shows them in this order."""
    return lambda command: functools.reduce(lambda f, add: add(f), reversed(decorators), command)


def spending(scope: str) -> Decorator:
    """Declare the options for limits and prices; the command receives them parsed."""
    price = "price of a million {} tokens, for all or for one model or judge; may be repeated"
    price_settings = {"multiple": True, "metavar": "[NAME=]PRICE"}
    return combined(
        option("--max-calls", metavar="N", help=f"maximum number of HTTP requests for {scope}"),
        option("--max-tokens", metavar="N", help=f"maximum number of tokens for {scope}"),
        option("--max-cost", metavar="N", help=f"maximum cost of {scope}"),
        option("--price-in", help=price.format("prompt"), **price_settings),
        option("--price-out", help=price.format("completion"), **price_settings),
        _with_spending_read,
    )


def _with_spending_read(command: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(command)
    def read(
        max_calls: str, max_tokens: str, max_cost: str, price_in: Any, price_out: Any, **others: Any
    ) -> Any:
        from jasco.backends.budget import read_limits, read_price_list

        others["limits"] = read_limits(max_calls, max_tokens, max_cost)
        return command(prices=read_price_list(price_in, price_out), **others)

    return read


def _with_tags_read(command: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(command)
    def read(tags: tuple[str, ...], **others: Any) -> Any:
        from jasco.api.arguments import read_tags

        return command(tags=read_tags(tags), **others)

    return read


PATH = click.Path(path_type=Path, readable=False)
POSITIVE = click.IntRange(min=1)
DATA_HELP = "data set: watd, mini, or a folder that contains dataset/v0/v0.csv"

TAGS = combined(
    option(
        "--tag",
        "tags",
        multiple=True,
        metavar="KEY=VALUE",
        help="add a tag to the run; may be repeated",
    ),
    _with_tags_read,
)
AS_JSON = flag("--json", "as_json", help="print a JSON object instead of a table")
PUBLISHED = flag("--published", help="also print the published results")
PROTOCOL = option(
    "--protocol",
    metavar="NAME",
    help="judging protocol: v2 or v1 (default: that of the run, or v2)",
)
CONCURRENCY = option(
    "--concurrency",
    type=POSITIVE,
    default=16,
    metavar="N",
    help="maximum number of concurrent calls",
)
ON = option(
    "--on",
    metavar="EXECUTOR",
    help="use worker processes: local[,workers=N], or jobs of slurm[,partition=P,...], or tasks of "
    "ray[,address=HOST:PORT,...]; options: see docs/scaling.md",
)
TARGETS = click.argument("targets", nargs=-1, required=True, type=PATH, metavar="RUN|JUDGED.csv...")
