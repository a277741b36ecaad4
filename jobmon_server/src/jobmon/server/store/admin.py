"""What people may change on a bound workflow: its limits, and attributes of it and of its tasks."""

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jobmon.core.exceptions import InvalidRequest, NotFound
from jobmon.core.ids import TaskId, WorkflowId
from jobmon.core.wire import AttributesRequest, LimitRequest
from jobmon.server import tables
from jobmon.server.db import insert
from jobmon.server.store.status import find_workflow, unknown_workflows

LONGEST = 255
LARGEST_LIMIT = 2**63 - 1


def set_limit(connection: Connection, workflow_id: WorkflowId, request: LimitRequest) -> None:
    """Change how many tasks may be active at once, of the workflow or of one of its arrays; 0 is a pause.

    Raises NotFound for the workflow or the array, InvalidRequest for a limit below zero.
    """
    limit = request.max_concurrently_running
    if not 0 <= limit <= LARGEST_LIMIT:
        raise InvalidRequest(f"max_concurrently_running is {limit}; it is 0 (a pause) or more")
    workflow, array = tables.workflow, tables.array
    find_workflow(connection, workflow_id)
    if not request.array:
        change = sa.update(workflow).where(workflow.c.id == workflow_id)
    else:
        change = sa.update(array).where(array.c.id == _array_id(connection, workflow_id, request.array))
    connection.execute(change.values(max_concurrently_running=limit))


def _array_id(connection: Connection, workflow_id: WorkflowId, name: str) -> int:
    array = tables.array
    rows = sa.select(array.c.name, array.c.id).where(array.c.workflow_id == workflow_id).order_by(array.c.id)
    ids: dict[str, int] = dict(connection.execute(rows).all())
    if name not in ids:
        raise NotFound(f"workflow {workflow_id} has no template {name!r}; it has {', '.join(ids) or 'none'}")
    return ids[name]


def set_workflow_attributes(connection: Connection, workflow_id: WorkflowId, request: AttributesRequest) -> None:
    """Set attributes of a workflow; others stay. Raises NotFound, InvalidRequest."""
    if not _lock(connection, tables.workflow, workflow_id):
        raise unknown_workflows([workflow_id])
    _set_attributes(connection, tables.workflow_attribute, "workflow_id", workflow_id, request.attributes)


def set_task_attributes(connection: Connection, task_id: TaskId, request: AttributesRequest) -> None:
    """Set attributes of a task; others stay. Raises NotFound, InvalidRequest."""
    if not _lock(connection, tables.task, task_id):
        raise NotFound(f"there is no task {task_id}; `jobmon workflow tasks -w ID` lists the tasks of a workflow")
    _set_attributes(connection, tables.task_attribute, "task_id", task_id, request.attributes)


def _lock(connection: Connection, table: sa.Table, id: int) -> bool:
    """Take the owner's row, so that two who set the same new attribute come one after the other."""
    return connection.execute(sa.select(table.c.id).where(table.c.id == id).with_for_update()).first() is not None


def _set_attributes(
    connection: Connection, table: sa.Table, owner: str, id: int, attributes: Mapping[str, str | None]
) -> None:
    """Away with the old values, in with the new ones: an upsert that every database understands."""
    for name, value in attributes.items():
        if not 0 < len(name) <= LONGEST or len(value or "") > LONGEST:
            raise InvalidRequest(
                f"attribute {name[:40]!r}: a name has 1 to {LONGEST} characters, a value at most {LONGEST}"
            )
    connection.execute(sa.delete(table).where(table.c[owner] == id, table.c.name.in_(list(attributes))))
    insert(connection, table, (owner, "name", "value"), [(id, *item) for item in attributes.items()])
