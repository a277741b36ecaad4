"""Go on with a workflow that is known by its id alone: its script is not needed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from jobmon.client.clusters import Clusters
from jobmon.client.connection import Connection, connect
from jobmon.core import cluster
from jobmon.core.exceptions import InvalidRequest
from jobmon.core.ids import TaskId, WorkflowId, WorkflowRunId
from jobmon.core.routes import TASK_DETAILS, TASKS, WORKFLOWS
from jobmon.core.wire import TaskDetail, TaskDetailQuery, TaskQuery, WorkflowQuery, WorkflowSummary

if TYPE_CHECKING:
    from jobmon.client.result import OrchestratorResult
    from jobmon.client.workflow import Workflow

_UNFINISHED = ["PENDING", "SCHEDULED", "RUNNING", "FATAL"]
_TASKS_LOOKED_AT = 1000
_ATTEMPTS_LOOKED_AT = 50


def resume_workflow_from_id(
    workflow_id: int,
    cluster_name: str,
    reset_if_running: bool = True,
    log: bool = True,
    timeout: int = 180,
    seconds_until_timeout: int = 36000,
    increase_resource: bool = True,
    force_cleanup: bool = False,
) -> str:
    """Run what is not done of a bound workflow, follow it to its end and return the run's status letter.

    cluster_name            where the remaining tasks run: the cluster they are bound to
    reset_if_running        kill what an earlier run still has running; False adopts it
    log                     log what happens to standard error
    timeout                 seconds that an earlier run is given to end
    seconds_until_timeout   stop the run after so many seconds; raises RunTimeout

    `increase_resource` and `force_cleanup` are there for old scripts: tasks keep the resources they have come
    to, and an earlier run gives way at once. Raises NotFound, WorkflowAlreadyComplete, UnknownCluster,
    InvalidRequest when tasks are bound to another cluster, and what `Workflow.run` raises.
    """
    from jobmon.client.run import RunSettings, run

    connection = connect()
    Clusters(connection).find(cluster_name)
    workflow = BoundWorkflow(connection, _find(connection, WorkflowId(int(workflow_id))))
    _check_cluster(connection, workflow.workflow_id, cluster_name)
    settings = RunSettings(
        resume=True,
        reset_running_jobs=reset_if_running,
        resume_timeout=timeout,
        seconds_until_timeout=seconds_until_timeout,
        configure_logging=log,
    )
    return run(cast("Workflow", workflow), settings)


class BoundWorkflow:
    """As much of a `Workflow` as a run of it needs: the server has the rest."""

    needs_binding = False
    is_bound = True
    default_levels: tuple[()] = ()

    def __init__(self, connection: Connection, found: WorkflowSummary) -> None:
        """`found` is what the server says of it."""
        self.connection = connection
        self.workflow_id = found.workflow_id
        self.name = found.name
        self.last_workflow_run_id: WorkflowRunId | None = found.workflow_run_id
        self.result: OrchestratorResult | None = None
        self.arrays: dict[str, Any] = {}

    def task_with_id(self, task_id: TaskId) -> Any:
        """Only a script has its tasks. Raises InvalidRequest."""
        raise InvalidRequest(
            f"task {task_id} of workflow {self.workflow_id} computes its resources in its script "
            "(compute_resources_callable). Go on with the script itself, by run(resume=True)."
        )


def _find(connection: Connection, workflow_id: WorkflowId) -> WorkflowSummary:
    return connection.server.call(WORKFLOWS, WorkflowQuery(workflow_id=[workflow_id], limit=1)).workflows[0]


def _check_cluster(connection: Connection, workflow_id: WorkflowId, name: str) -> None:
    """Refuse a cluster that tasks would not go to. What they are bound to shows in their attempts."""
    query = TaskQuery(status=_UNFINISHED, limit=_TASKS_LOOKED_AT)
    listed = connection.server.call(TASKS, query, workflow_id=workflow_id).tasks
    tried = [task.task_id for task in listed if task.attempts][:_ATTEMPTS_LOOKED_AT]
    if not tried:
        return
    details = connection.server.call(TASK_DETAILS, TaskDetailQuery(task_id=tried)).tasks
    for task, bound in _clusters(details):
        if not _is_same(bound, name):
            raise InvalidRequest(
                f"task {task.task_id} ({task.name}) of workflow {workflow_id} is bound to cluster {bound!r}, and "
                f"a resume cannot move it to {name!r}. Name {bound!r}, or run the script with the other cluster."
            )


def _clusters(tasks: Iterable[TaskDetail]) -> Iterable[tuple[TaskDetail, str]]:
    return ((task, task.attempts[-1].cluster) for task in tasks if task.attempts)


def _is_same(bound: str, name: str) -> bool:
    """Whether two names stand for one cluster, as `local` and `multiprocess` do."""
    kinds = cluster.installed()
    return bound == name or (bound in kinds and name in kinds and cluster.load(bound) is cluster.load(name))
