"""`jobmon workflow status` and `jobmon workflow tasks`."""

import shutil
import sys

import click

from jobmon.client.cli.options import ListCommand, ListOption, checked, output_options, status_option
from jobmon.client.status import workflow_status, workflow_tasks


@click.command("status", cls=ListCommand)
@click.option(
    "-w", "--workflow-id", "--workflow_id", cls=ListOption, type=int, metavar="ID...", help="These workflows."
)
@click.option(
    "-u", "--user", cls=ListOption, metavar="USER...", help="Workflows of these users; without ids yours."
)
@click.option("-l", "--limit", type=click.IntRange(min=0), default=5, show_default=True, help="At most so many.")
@output_options
def status(workflow_id: tuple[int, ...], user: tuple[str, ...], limit: int, output: str) -> None:
    """Show workflows, newest first, with how many of their tasks are where."""
    table = checked(workflow_status(workflow_id, user, limit=limit))
    click.echo(table.to_json() if output == "json" else table)


@click.command("tasks", cls=ListCommand)
@click.option("-w", "--workflow-id", "--workflow_id", type=int, required=True, help="The workflow.")
@status_option
@click.option("-l", "--limit", type=click.IntRange(min=0), default=5, show_default=True, help="At most so many.")
@output_options
def tasks(workflow_id: int, status: tuple[str, ...], limit: int, output: str) -> None:
    """Show tasks of a workflow, newest first, with their newest error and what they wait for."""
    table = checked(workflow_tasks(workflow_id, status, limit=limit))
    if output == "json":
        click.echo(table.to_json())
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    click.echo(table.text(width, flexible=("ERROR", "WAITS_FOR")))
    if table.matching > len(table):
        click.echo(f"{len(table)} of {table.matching} tasks; -l {table.matching} shows all.", err=True)
