"""Tasks of a workflow: the list that `jobmon workflow tasks` prints."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from jobmon.core.constants import TaskStatus
from jobmon.core.exceptions import InvalidRequest
from jobmon.core.ids import TaskId, WorkflowId
from jobmon.core.wire import TaskList, TaskQuery, TaskSummary
from jobmon.server import tables
from jobmon.server.db import among, chunked, now
from jobmon.server.store.outputs import last_line, tail_of
from jobmon.server.store.status import check_limit, find_workflow
from jobmon.server.store.waits import reasons

_LABELS = TaskStatus.LABEL_DICT


def letters(asked: Sequence[str]) -> list[str]:
    """The statuses meant by words (PENDING, ...) or letters, in either case.

    Raises InvalidRequest naming the words that exist.
    """
    found: set[str] = set()
    for text in asked:
        word = text.upper()
        meant = {letter for letter, label in _LABELS.items() if word in (letter, label)}
        if not meant:
            words = ", ".join(dict.fromkeys(_LABELS.values()))
            raise InvalidRequest(f"there is no task status {text!r}; there are {words}")
        found |= meant
    return sorted(found)


def tasks(connection: Connection, workflow_id: WorkflowId, query: TaskQuery, errors: bool = True) -> TaskList:
    """Tasks of a workflow in the asked statuses (none: all), newest first, with their newest `errors` or without.

    Raises NotFound for the workflow, InvalidRequest for a status that does not exist.
    """
    check_limit(query.limit)
    workflow = find_workflow(connection, workflow_id)
    where = _where(connection, workflow, letters(query.status))
    rows = _newest(connection, where, query.limit)
    messages = newest_errors(connection, [row.id for row in rows if row.attempts and errors])
    waits = reasons(connection, workflow, rows, now(connection))
    return TaskList(
        tasks=[
            TaskSummary(
                task_id=TaskId(row.id),
                name=row.name,
                status=row.status,
                attempts=row.attempts,
                retries=max(row.attempts - 1, 0),
                message=messages.get(row.id, ""),
                waits_for=waits.get(row.id, ""),
            )
            for row in rows
        ],
        matching=connection.execute(sa.select(sa.func.count()).select_from(tables.task).where(where)).scalar_one(),
    )


def _where(
    connection: Connection, workflow: Row[*tuple[Any, ...]], wanted: Sequence[str]
) -> sa.ColumnElement[bool]:
    """All tasks of a workflow have ids that follow one another; those in a status stand in ix_task_pick."""
    task, array = tables.task, tables.array
    if not wanted:
        return task.c.id.between(workflow.first_task_id, workflow.first_task_id + workflow.task_count - 1)
    ids = connection.execute(sa.select(array.c.id).where(array.c.workflow_id == workflow.id)).scalars().all()
    return sa.and_(task.c.array_id.in_(ids), task.c.status.in_(wanted))


def _newest(connection: Connection, where: sa.ColumnElement[bool], limit: int) -> Sequence[Row[*tuple[Any, ...]]]:
    """Chosen first and joined then: a join of a million done tasks for the newest five would take a second."""
    task, spec, gate = tables.task, tables.task_spec, tables.gate
    chosen = sa.select(task.c.id).where(where).order_by(task.c.id.desc()).limit(limit).subquery()
    rows = (
        sa.select(task, spec.c.name, gate.c.remaining)
        .join_from(task, chosen, chosen.c.id == task.c.id)
        .join(spec, spec.c.task_id == task.c.id)
        .join(gate, gate.c.id == task.c.gate_id)
        .order_by(task.c.id.desc())
    )
    return connection.execute(rows).all()


def newest_errors(connection: Connection, task_ids: Sequence[int]) -> dict[int, str]:
    """The last line of each task's newest error. ix_instance_task, ix_error_instance."""
    instance, error = tables.task_instance, tables.error_log
    found: dict[int, str] = {}
    for ids in chunked(task_ids):
        newest = (
            sa.select(sa.func.max(error.c.id).label("id"))
            .join_from(instance, error, error.c.task_instance_id == instance.c.id)
            .where(among(instance.c.task_id, ids))
            .group_by(instance.c.task_id)
            .subquery()
        )
        rows = sa.select(error.c.task_id, tail_of(error.c.description)).join(newest, newest.c.id == error.c.id)
        found.update({task_id: last_line(text) for task_id, text in connection.execute(rows)})
    return found
