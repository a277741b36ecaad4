"""Follow a run by long polls: show it, compute resources that are asked for, see that it is driven."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from jobmon.client.clusters import Clusters
from jobmon.client.distributor import Distributor
from jobmon.client.progress import Progress
from jobmon.client.resolved import Resolver
from jobmon.core import routes, wire
from jobmon.core.exceptions import CallableReturnedInvalidObject, InvalidRequest
from jobmon.core.ids import TaskId, WorkflowRunId
from jobmon.core.transitions import final

if TYPE_CHECKING:
    from jobmon.client.workflow import Workflow
    from jobmon.core.http import Server

POLL_SECONDS = 2.0  # a dead distributor is seen after that long at the latest
FIRST_POLL_SECONDS = 0.5  # ... and while it starts
_REST_SHARE = 0.05  # of the time the run has taken: for how long changes gather into one answer
_LONGEST_REST_SECONDS = 0.5
OVER = frozenset(final("workflow_run"))


class Watch:
    """One client following one run."""

    def __init__(
        self, workflow: Workflow, run_id: WorkflowRunId, distributor: Distributor, progress: Progress
    ) -> None:
        """Nothing is asked before `follow`."""
        self._workflow = workflow
        self._run_id = run_id
        self._distributor = distributor
        self._progress = progress
        self._server: Server = workflow.connection.patient
        self._version = ""
        self._failures_upto = 0
        self._resolver: Resolver | None = None
        self._began = time.monotonic()
        self._driven = False

    def follow(self) -> wire.WatchAnswer:
        """Follow the run to its end and return the last answer. May be called again after an interrupt.

        Raises what `Distributor.check` raises, and CallableReturnedInvalidObject.
        """
        rest_seconds = 0.0
        while True:
            answer = self.look(POLL_SECONDS if self._driven else FIRST_POLL_SECONDS, rest_seconds)
            self._progress.show(answer)
            if answer.status in OVER:
                return answer
            if answer.deferred:
                self._compute(answer.deferred)
            self._driven = answer.distributor_alive
            self._distributor.check(answer.distributor_alive, answer.distributor)
            rest_seconds = min(_LONGEST_REST_SECONDS, _REST_SHARE * (time.monotonic() - self._began))

    def look(self, wait_seconds: float = 0, rest_seconds: float = 0) -> wire.WatchAnswer:
        """The run as it stands now, or after a change."""
        sent = wire.WatchRequest(
            version=self._version,
            wait_seconds=wait_seconds,
            rest_seconds=rest_seconds,
            failures_after=self._failures_upto,
        )
        answer = self._server.call(routes.WATCH, sent, run_id=self._run_id)
        self._version, self._failures_upto = answer.version, answer.failures_upto
        return answer

    def stop(self, reason: str) -> None:
        """Ask the server to stop the run."""
        self._server.call(routes.END, wire.EndRequest(reason=reason), run_id=self._run_id)

    def _compute(self, task_ids: list[TaskId]) -> None:
        """Call what computes the resources of these tasks, and tell the server."""
        if self._resolver is None:
            self._resolver = Resolver(self._workflow, Clusters(self._workflow.connection))
        computed = [compute_resources(self._workflow, self._resolver, task_id) for task_id in task_ids]
        sent = wire.DeferredResources(task_ids=task_ids, resources=computed)
        self._server.call(routes.DEFERRED, sent, workflow_id=self._workflow.workflow_id)


def compute_resources(workflow: Workflow, resolver: Resolver, task_id: TaskId) -> wire.TaskResources:
    """The resources that a task's callable gives. Raises CallableReturnedInvalidObject when they are none."""
    task = workflow.task_with_id(task_id)
    function = task.compute_resources_callable
    values = function() if function is not None else {}
    if not isinstance(values, dict):
        raise CallableReturnedInvalidObject(
            f"compute_resources_callable of task {task.name!r} returned {values!r} ({type(values).__name__}); "
            "it must return a dict such as {'memory': '2G', 'runtime': '1h'}"
        )
    try:
        return resolver.computed(task._options, values)
    except InvalidRequest as error:
        raise CallableReturnedInvalidObject(
            f"compute_resources_callable of task {task.name!r} returned {values!r}: {error}"
        ) from error
