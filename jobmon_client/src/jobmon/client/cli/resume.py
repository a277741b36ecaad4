"""`jobmon workflow resume`."""

import sys

import click

from jobmon.client.resume import resume_workflow_from_id
from jobmon.core.constants import WorkflowRunStatus

_UNDONE = (WorkflowRunStatus.ERROR, WorkflowRunStatus.STOPPED, WorkflowRunStatus.ABORTED)


@click.command("resume")
@click.option("-w", "--workflow-id", "--workflow_id", type=int, required=True, help="The workflow.")
@click.option(
    "-c",
    "--cluster",
    "--cluster_name",
    "--cluster-name",
    "cluster",
    required=True,
    help="The cluster of its tasks.",
)
@click.option(
    "--reset-running",
    "--reset-running-jobs",
    is_flag=True,
    help="Kill what an earlier run still has running; otherwise it is adopted.",
)
@click.option(
    "-t",
    "--timeout",
    type=click.IntRange(min=0),
    default=180,
    show_default=True,
    help="Seconds that an earlier run is given to end.",
)
@click.option(
    "--execution-timeout",
    "--seconds-until-timeout",
    type=click.IntRange(min=1),
    default=36000,
    show_default=True,
    help="Stop the run after so many seconds.",
)
@click.option("--keep-resources", "--use-original-resources", is_flag=True, hidden=True, expose_value=False)
@click.option("--force-cleanup", is_flag=True, hidden=True, expose_value=False)
def resume(workflow_id: int, cluster: str, reset_running: bool, timeout: int, execution_timeout: int) -> None:
    """Run what is not done of a workflow, without its script, and follow it to its end."""
    status = resume_workflow_from_id(
        workflow_id,
        cluster,
        reset_if_running=reset_running,
        log=False,
        timeout=timeout,
        seconds_until_timeout=execution_timeout,
    )
    sys.exit(1 if status in _UNDONE else 0)
