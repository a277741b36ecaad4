"""Whose a workflow, a run or a task is."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jobmon.core.exceptions import NotFound
from jobmon.server.db import among, chunked
from jobmon.server.tables import task, task_instance, workflow, workflow_run


def of_workflow(connection: Connection, workflow_id: int) -> str:
    """The owner's name. Raises NotFound."""
    return _found(
        connection, sa.select(workflow.c.owner).where(workflow.c.id == workflow_id), "workflow", workflow_id
    )


def of_run(connection: Connection, run_id: int) -> str:
    """The name of the owner of the run's workflow. Raises NotFound."""
    of = sa.select(workflow.c.owner).join(workflow_run, workflow_run.c.workflow_id == workflow.c.id)
    return _found(connection, of.where(workflow_run.c.id == run_id), "workflow run", run_id)


def of_task(connection: Connection, task_id: int) -> str:
    """The name of the owner of the task's workflow. Raises NotFound."""
    of = sa.select(workflow.c.owner).join(task, task.c.workflow_id == workflow.c.id)
    return _found(connection, of.where(task.c.id == task_id), "task", task_id)


def of_attempt(connection: Connection, instance_id: int) -> str:
    """The name of the owner of the attempt's workflow, "" when there is no such attempt."""
    of = sa.select(workflow.c.owner).join(task_instance, task_instance.c.workflow_id == workflow.c.id)
    return connection.execute(of.where(task_instance.c.id == instance_id)).scalar() or ""


def of_tasks(connection: Connection, task_ids: Sequence[int]) -> dict[str, int]:
    """Owners of the workflows of these tasks, each with one of the tasks. Raises NotFound."""
    owners: dict[str, int] = {}
    there = 0
    wanted = sorted(set(task_ids))
    for ids in chunked(wanted):
        of = sa.select(workflow.c.owner, sa.func.min(task.c.id), sa.func.count())
        of = of.join(task, task.c.workflow_id == workflow.c.id).where(among(task.c.id, ids))
        for owner, task_id, count in connection.execute(of.group_by(workflow.c.owner)):
            owners[owner] = task_id
            there += count
    if there < len(wanted):
        raise NotFound("not all of these tasks exist; `jobmon workflow tasks -w ID` lists the tasks of a workflow")
    return owners


def _found(connection: Connection, query: sa.Select[Any], what: str, id: int) -> str:
    owner: str | None = connection.execute(query).scalar()
    if owner is None:
        raise NotFound(f"there is no {what} {id}; `jobmon workflow status` lists workflows")
    return owner
