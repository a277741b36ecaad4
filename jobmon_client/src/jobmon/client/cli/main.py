"""The entry point `jobmon`: every command by its words and, for old scripts, by its flat name.

A command's module is imported when the command is called, so that `jobmon version` starts at once.
"""

import importlib
import logging
from typing import Any

import click

from jobmon.core.exceptions import JobmonError

_HERE = "jobmon.client.cli"
_GROUPS = {
    "workflow": {
        "status": f"{_HERE}.workflow:status",
        "tasks": f"{_HERE}.workflow:tasks",
        "resume": f"{_HERE}.resume:resume",
    },
    "task": {"status": f"{_HERE}.task:status"},
    "cluster": {
        "list": f"{_HERE}.cluster:list_clusters",
        "add": f"{_HERE}.cluster:add",
        "show": f"{_HERE}.cluster_show:show",
        "sync": f"{_HERE}.cluster:sync",
    },
    "queue": {"list": f"{_HERE}.queue:list_queues"},
    "server": {
        "status": f"{_HERE}.server:status",
        "start": f"{_HERE}.server:start",
        "stop": f"{_HERE}.server:stop",
        "logs": f"{_HERE}.server:logs",
    },
}
_ALONE = {
    "login": f"{_HERE}.login:login",
    "logout": f"{_HERE}.login:logout",
    "whoami": f"{_HERE}.login:whoami",
}
_FLAT = {
    "workflow_status": _GROUPS["workflow"]["status"],
    "workflow_tasks": _GROUPS["workflow"]["tasks"],
    "workflow_resume": _GROUPS["workflow"]["resume"],
    "task_status": _GROUPS["task"]["status"],
}
_HELP = {
    "workflow": "Workflows: how far they are, their tasks, going on with them.",
    "task": "Single tasks and their attempts.",
    "cluster": "Clusters: which there are, with which options and queues.",
    "queue": "Queues of clusters and their limits.",
    "server": "The state server of your own.",
}


class LazyGroup(click.Group):
    """A group whose commands are `module:name` until somebody calls them; those of `also` are not listed."""

    def __init__(self, name: str, lazy: dict[str, str], also: dict[str, str] | None = None, **more: Any) -> None:
        """Nothing is imported yet."""
        super().__init__(name, no_args_is_help=True, **more)
        self._lazy = lazy
        self._also = also or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names that the help shows."""
        return sorted([*self.commands, *self._lazy])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now."""
        place = self._lazy.get(cmd_name) or self._also.get(cmd_name)
        if place is None:
            return super().get_command(ctx, cmd_name)
        module, name = place.split(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


class Jobmon(LazyGroup):
    """The root: an error of ours is one clear message and exit code 1; `--debug` shows where it comes from."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except JobmonError as error:
            if ctx.params.get("debug"):
                raise
            raise click.ClickException(str(error)) from error


@click.command("version")
@click.option("--components", is_flag=True, help="Also the versions of the installed parts.")
def version(components: bool) -> None:
    """Print the version."""
    from importlib import metadata

    from jobmon.core import __version__

    click.echo(f"jobmon {__version__}")
    for name in ("jobmon_core", "jobmon_client", "jobmon_server", "jobmon_distributor") if components else ():
        try:
            click.echo(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            click.echo(f"{name} is not installed")


def _set_up(verbose: bool, debug: bool) -> None:
    """What the options of the root do."""
    if verbose or debug:
        logging.basicConfig(level=logging.DEBUG if debug else logging.INFO)


main = Jobmon(
    "jobmon",
    lazy=_ALONE,
    also=_FLAT,
    callback=_set_up,
    help="Jobmon runs workflows of many tasks; these commands show and steer them.",
    params=[
        click.Option(["-v", "--verbose"], is_flag=True, help="Say more about what is being done."),
        click.Option(["--debug"], is_flag=True, help="Say everything, and show where an error comes from."),
    ],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
main.add_command(version)
for _name, _commands in _GROUPS.items():
    main.add_command(LazyGroup(_name, _commands, help=_HELP[_name]))

if __name__ == "__main__":
    main()
