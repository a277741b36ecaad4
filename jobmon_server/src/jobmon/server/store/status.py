"""Lists: workflows, the identities of a workflow's tasks."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from jobmon.core.exceptions import InvalidRequest, NotFound
from jobmon.core.ids import TaskId, WorkflowId
from jobmon.core.wire import (
    ArrayProgress,
    TaskIdentities,
    TaskPage,
    WorkflowList,
    WorkflowQuery,
    WorkflowSummary,
)
from jobmon.server import tables
from jobmon.server.store.progress import progress_by_workflow, summed


def find_workflow(connection: Connection, workflow_id: WorkflowId) -> Row[*tuple[Any, ...]]:
    """The row of a workflow. Raises NotFound."""
    workflow = tables.workflow
    found = connection.execute(sa.select(workflow).where(workflow.c.id == workflow_id)).one_or_none()
    if found is None:
        raise unknown_workflows([workflow_id])
    return found


def unknown_workflows(ids: Sequence[int]) -> NotFound:
    """The error for workflows that do not exist."""
    named = ", ".join(map(str, ids))
    return NotFound(f"there is no workflow {named}; `jobmon workflow status -u USER` lists the workflows of USER")


def check_limit(limit: int) -> None:
    """Refuse a number of rows that cannot be."""
    if limit < 0:
        raise InvalidRequest(f"limit is {limit}; it is the most rows to list, 0 or more")


def workflows(connection: Connection, query: WorkflowQuery) -> WorkflowList:
    """Workflows by id and by owner, newest first. Raises NotFound for an id that does not exist."""
    check_limit(query.limit)
    _check_known(connection, query.workflow_id)
    workflow, version, tool = tables.workflow, tables.tool_version, tables.tool
    rows = (
        sa.select(workflow, tool.c.name.label("tool"))
        .join_from(workflow, version, version.c.id == workflow.c.tool_version_id)
        .join(tool, tool.c.id == version.c.tool_id)
        .order_by(workflow.c.id.desc())
        .limit(query.limit)
    )
    if query.workflow_id:
        rows = rows.where(workflow.c.id.in_(query.workflow_id))
    if query.user:
        rows = rows.where(workflow.c.owner.in_(query.user))
    found = connection.execute(rows).all()
    progress = progress_by_workflow(connection, [row.id for row in found])
    return WorkflowList(workflows=[_summary(row, progress.get(row.id, [])) for row in found])


def _check_known(connection: Connection, ids: Sequence[WorkflowId]) -> None:
    if not ids:
        return
    column = tables.workflow.c.id
    known = set(connection.execute(sa.select(column).where(column.in_(ids))).scalars())
    if unknown := sorted(set(ids) - known):
        raise unknown_workflows(unknown)


def _summary(row: Row[*tuple[Any, ...]], arrays: Sequence[ArrayProgress]) -> WorkflowSummary:
    return WorkflowSummary(
        workflow_id=row.id,
        name=row.name,
        args=row.args,
        tool=row.tool,
        owner=row.owner,
        status=row.status,
        workflow_run_id=row.current_run_id,
        created_at=row.created_at,
        counts=summed(arrays),
    )


def identities(connection: Connection, workflow_id: WorkflowId, page: TaskPage) -> TaskIdentities:
    """Ids, node hashes and statuses of the tasks after `page.after`, in the order of their ids."""
    check_limit(page.limit)
    found = find_workflow(connection, workflow_id)
    task, spec = tables.task, tables.task_spec
    first = max(page.after + 1, found.first_task_id)
    rows = (
        sa.select(task.c.id, spec.c.node_hash, task.c.status)
        .join_from(task, spec, spec.c.task_id == task.c.id)
        .where(task.c.id.between(first, found.first_task_id + found.task_count - 1))
        .order_by(task.c.id)
        .limit(page.limit)
    )
    tasks = connection.execute(rows).all()
    return TaskIdentities(
        task_ids=[TaskId(row.id) for row in tasks],
        node_hashes=[row.node_hash for row in tasks],
        statuses=[row.status for row in tasks],
    )
