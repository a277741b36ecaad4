"""Options that several commands share: lists, status words, the form of the output."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import click

from jobmon.client.table import Table
from jobmon.core.constants import TaskStatus

Function = TypeVar("Function", bound=Callable[..., Any])

WORDS = tuple(dict.fromkeys(TaskStatus.LABEL_DICT.values()))


class ListOption(click.Option):
    """An option with any number of values: `-w 1 2` and `-w 1 -w 2` say the same."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        """As `click.Option`; the command must be a `ListCommand`."""
        super().__init__(*arguments, **{**more, "multiple": True})


class ListCommand(click.Command):
    """A command without positional arguments, so that what follows a list option belongs to it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat the flag before every further value of its list; then it is click's own form."""
        flags = {flag for option in self.params if isinstance(option, ListOption) for flag in option.opts}
        return super().parse_args(ctx, list(repeat_flags(args, flags)))


def repeat_flags(args: Sequence[str], flags: set[str]) -> Iterator[str]:
    """`-w 1 2` as `-w 1 -w 2` for each of `flags`."""
    flag, values = "", 0
    for token in args:
        if token.startswith("-") and len(token) > 1:
            flag, values = _flag(token, flags)
        elif flag:
            if values:
                yield flag
            values += 1
        yield token


def _flag(token: str, flags: set[str]) -> tuple[str, int]:
    """The list option that a token names, and how many values it brings along."""
    if token in flags:
        return token, 0
    if (name := token.partition("=")[0]) in flags or (name := token[:2]) in flags:
        return name, 1
    return "", 0


def _status_words(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """The values in capitals, if each is a word of WORDS or a letter of a task's status."""
    for value in values:
        if value.upper() not in (*WORDS, *TaskStatus.LABEL_DICT):
            raise click.BadParameter(f"{value!r} is not a status of tasks; there are {', '.join(WORDS)}.")
    return tuple(value.upper() for value in values)


def output_options(command: Function) -> Function:
    """`-o table|json`, and `-n/--json` for the second."""
    form = click.option(
        "-o", "--output", type=click.Choice(["table", "json"]), default="table", help="Form of the output."
    )
    json = click.option("-n", "--json", "output", flag_value="json", help="The same as -o json.")
    return form(json(command))


def status_option(command: Function) -> Function:
    """`-s`, a list of statuses."""
    return click.option(
        "-s",
        "--status",
        cls=ListOption,
        callback=_status_words,
        metavar="STATUS...",
        help=f"Only tasks in these statuses: {', '.join(WORDS)}.",
    )(command)


def checked(found: Table | str) -> Table:
    """The table that a status function returns when it is not asked for JSON."""
    assert isinstance(found, Table)
    return found
