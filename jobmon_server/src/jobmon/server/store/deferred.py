"""Resources that the client computes when a task becomes ready."""

from collections import defaultdict

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jobmon.core.exceptions import InvalidRequest
from jobmon.core.ids import WorkflowId
from jobmon.core.wire import DeferredResources
from jobmon.server.db import among
from jobmon.server.store.bind import add_resources, resources_by_digest, resources_digest
from jobmon.server.store.counters import Changes
from jobmon.server.store.moves import Stamp, move
from jobmon.server.tables import task, workflow, workflow_run


def supply(connection: Connection, workflow_id: WorkflowId, request: DeferredResources, at: float) -> None:
    """Set the resources of tasks that wait for them and queue these; repeating it changes nothing."""
    if len(request.task_ids) != len(request.resources):
        raise InvalidRequest("deferred resources: task_ids and resources have different lengths")
    current = sa.select(workflow.c.current_run_id).where(workflow.c.id == workflow_id)
    connection.execute(
        sa.select(workflow_run.c.id).where(workflow_run.c.id == current.scalar_subquery()).with_for_update()
    )
    add_resources(connection, workflow_id, request.resources)
    ids = resources_by_digest(connection, workflow_id)
    wanted = {
        task_id: ids[resources_digest(one)]
        for task_id, one in zip(request.task_ids, request.resources, strict=True)
    }
    waiting = sa.select(task.c.id, task.c.array_id).where(
        among(task.c.id, list(wanted)), task.c.workflow_id == workflow_id, task.c.status == "A", task.c.deferred
    )
    groups: defaultdict[int, list[tuple[int, str]]] = defaultdict(list)
    changes = Changes()
    for row in connection.execute(waiting):
        groups[wanted[row.id]].append((row.id, "A"))
        changes.add(row.array_id, delayed=-1, queued=1)
    stamp = Stamp(at, "client", "resources computed")
    for resources_id, rows in groups.items():
        values = {"resources_id": resources_id, "deferred": False}
        move(connection, "task", workflow_id, rows, "Q", stamp, values)
    changes.write(connection)
