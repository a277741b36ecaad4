"""`jobmon task status`."""

import click

from jobmon.client.cli.options import ListCommand, ListOption, checked, output_options, status_option
from jobmon.client.status import task_status
from jobmon.client.table import Table

_BELOW = ("STDOUT", "STDERR", "ERROR_TRACE")
_ERROR_LINES = 40


@click.command("status", cls=ListCommand)
@click.option(
    "-t",
    "--task-id",
    "--task-ids",
    "--task_id",
    "--task_ids",
    "task_ids",
    cls=ListOption,
    type=int,
    required=True,
    metavar="ID...",
    help="These tasks.",
)
@status_option
@click.option("-l", "--limit", type=int, hidden=True, expose_value=False)  # old scripts give it
@output_options
def status(task_ids: tuple[int, ...], status: tuple[str, ...], output: str) -> None:
    """Show every attempt at these tasks: what it asked for and used, how it ended, where its output is."""
    table = checked(task_status(task_ids, status))
    if output == "json":
        click.echo(table.to_json())
        return
    click.echo(f"TASK_IDS: {list(task_ids)}")
    click.echo(Table([name for name in table.columns if name not in _BELOW], table))
    for row in table:
        if row["TASK_INSTANCE_ID"] is not None:
            click.echo(f"\nTask {row['TASK_ID']}, attempt {row['ATTEMPT']}: {row['STATUS']}")
            click.echo(f"  stdout: {row['STDOUT']}\n  stderr: {row['STDERR']}")
            click.echo(_indented(row["ERROR_TRACE"]), nl=False)


def _indented(text: str) -> str:
    """The end of an error: what is left out stands in the file of standard error."""
    lines = text.splitlines()
    cut = [f"... {len(lines) - _ERROR_LINES} lines before"] if len(lines) > _ERROR_LINES else []
    return "".join(f"    {line}\n" for line in [*cut, *lines[-_ERROR_LINES:]])
