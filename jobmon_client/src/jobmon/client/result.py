"""How a run ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from jobmon.core import routes, wire
from jobmon.core.constants import TaskStatus
from jobmon.core.ids import TaskId, WorkflowId
from jobmon.core.wire.base import LONGEST_PAGE

if TYPE_CHECKING:
    from jobmon.core.http import Server


@dataclass(frozen=True)
class OrchestratorResult:
    """Counts are of tasks; `failed_task_ids` are those that failed for good.

    final_status              letter of the run (WorkflowRunStatus)
    elapsed_seconds           from the start of the run to its end; `elapsed_time` is another name for it
    num_previously_complete   tasks that an earlier run had done already; part of `done_count`
    task_final_statuses       letter by task id; asks the server when it is first looked at, as `done_task_ids`
    """

    final_status: str
    elapsed_seconds: float
    total_tasks: int
    done_count: int
    failed_count: int
    num_previously_complete: int
    failed_task_ids: tuple[TaskId, ...] = ()
    reason: str = ""
    _statuses: Callable[[], dict[TaskId, str]] = field(default=dict, repr=False, compare=False)

    @property
    def elapsed_time(self) -> float:
        """Seconds from the start of the run to its end."""
        return self.elapsed_seconds

    @cached_property
    def task_final_statuses(self) -> dict[TaskId, str]:
        """The status letter of every task."""
        return self._statuses()

    @cached_property
    def done_task_ids(self) -> tuple[TaskId, ...]:
        """The tasks that are done."""
        return tuple(task for task, status in self.task_final_statuses.items() if status == TaskStatus.DONE)


def make_result(server: Server, workflow_id: WorkflowId, end: wire.WatchAnswer, before: int) -> OrchestratorResult:
    """The result of a run whose last answer is `end`; `before` tasks were done when it began."""
    return OrchestratorResult(
        final_status=end.status,
        elapsed_seconds=end.elapsed_seconds,
        total_tasks=end.counts.total,
        done_count=end.counts.done,
        failed_count=end.counts.fatal,
        num_previously_complete=before,
        failed_task_ids=_failed(server, workflow_id, end.counts.fatal),
        reason=end.reason,
        _statuses=lambda: task_statuses(server, workflow_id),
    )


def task_statuses(server: Server, workflow_id: WorkflowId) -> dict[TaskId, str]:
    """The status letter of every task of a workflow, by task id."""
    found: dict[TaskId, str] = {}
    after = 0
    while page := server.call(routes.IDENTITIES, wire.TaskPage(after=after), workflow_id=workflow_id):
        if not page.task_ids:
            break
        found.update(zip(page.task_ids, page.statuses, strict=True))
        after = page.task_ids[-1]
    return found


def _failed(server: Server, workflow_id: WorkflowId, count: int) -> tuple[TaskId, ...]:
    if not count:
        return ()
    if count > LONGEST_PAGE:
        statuses = task_statuses(server, workflow_id)
        return tuple(task for task, status in statuses.items() if status == TaskStatus.ERROR_FATAL)
    query = wire.TaskQuery(status=[TaskStatus.ERROR_FATAL], limit=count)
    failed = server.call(routes.TASKS, query, workflow_id=workflow_id).tasks
    return tuple(sorted(task.task_id for task in failed))
