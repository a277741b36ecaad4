"""Outcomes: the end of attempts, whoever tells it - a worker, an executor, or the cluster by the distributor.

An outcome touches the attempt, its task and nothing else: one row in the outbox `completion` tells the
engine. So ten thousand workers that finish at once never wait for one another.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jobmon.core.constants import FailureClass
from jobmon.core.transitions import final, is_late
from jobmon.server import tables
from jobmon.server.db import AnyRow, insert, spans, within
from jobmon.server.store.moves import Stamp, move

ENDS = final("task_instance")
_CLASSES = {
    "D": "",
    "E": FailureClass.USER,
    "Z": FailureClass.RESOURCE,
    "F": FailureClass.FATAL,
}


class End(NamedTuple):
    """How one attempt ended."""

    instance_id: int
    status: str
    failure_class: str = ""
    message: str = ""
    exit_code: int | None = None
    peak_memory_bytes: int | None = None
    cpu_seconds: float | None = None
    wall_seconds: float | None = None


def present(connection: Connection, instance_ids: Sequence[int]) -> dict[int, AnyRow]:
    """Attempts with the status of their tasks, locked in the order of their ids."""
    found: dict[int, AnyRow] = {}
    for size, _, where in spans(sorted(instance_ids)):
        found.update((row.id, row) for row in connection.execute(_present(size), where).all())
    return found


@lru_cache
def _present(size: int) -> sa.Select[Any]:
    instance, task = tables.task_instance, tables.task
    return (
        sa.select(
            instance.c.id,
            instance.c.task_id,
            instance.c.workflow_id,
            instance.c.batch_id,
            instance.c.status,
            instance.c.deadline_at,
            instance.c.runner,
            instance.c.place,
            task.c.status.label("task_status"),
        )
        .join(task, task.c.id == instance.c.task_id)
        .where(within(instance.c.id, size))
        .order_by(instance.c.id)
        .with_for_update()
    )


def apply(
    connection: Connection, ends: Sequence[End], rows: Mapping[int, AnyRow], stamp: Stamp
) -> tuple[set[int], int]:
    """Write the ends of attempts; returns the workflows that they belong to and how many came too late.

    An attempt that is wanted gone and ended in any way but well is killed (F), whatever its report says.
    """
    fresh: list[tuple[End, AnyRow]] = []
    seen: set[int] = set()
    for end in ends:
        row = rows.get(end.instance_id)
        if row is None or is_late(row.status, end.status) or end.instance_id in seen:
            continue
        seen.add(end.instance_id)
        fresh.append((_judged(end, row.status), row))
    _move_all(connection, fresh, stamp)
    _keep_results(connection, fresh)
    _keep_errors(connection, fresh, stamp.at)
    insert(
        connection,
        tables.completion,
        ("workflow_id", "task_id", "task_instance_id", "status", "failure_class"),
        [(row.workflow_id, row.task_id, row.id, end.status, _class(end)) for end, row in fresh],
    )
    return {row.workflow_id for _, row in fresh}, len(ends) - len(fresh)


def doubt(connection: Connection, ends: Sequence[End], rows: Mapping[int, AnyRow], stamp: Stamp) -> None:
    """Attempts that the batch system ended, as their workers say: only the batch system knows why.

    They are suspected at once, and what the worker had to say is kept.
    """
    silent = list({end.instance_id: end for end in ends if rows[end.instance_id].status == "R"}.values())
    by_workflow: defaultdict[int, list[tuple[int, str]]] = defaultdict(list)
    for end in silent:
        by_workflow[rows[end.instance_id].workflow_id].append((end.instance_id, "R"))
    for workflow_id, members in sorted(by_workflow.items()):
        move(connection, "task_instance", workflow_id, members, "T", stamp, {"deadline_at": stamp.at})
    _keep_errors(connection, [(end, rows[end.instance_id]) for end in silent], stamp.at)


def _judged(end: End, old: str) -> End:
    """A kill that we asked for is KILLED; one that nobody here asked for was somebody's own doing."""
    if old == "K" and end.status != "D":
        return end._replace(status="F", failure_class=FailureClass.KILLED)
    if end.failure_class == FailureClass.KILLED:
        return end._replace(failure_class=FailureClass.CANCELLED)
    return end


def _cause(end: End) -> str:
    """Every failure has a cause to show, whoever forgot to give one."""
    return end.message.replace("\0", "") or f"attempt ended as {end.status} ({_class(end)}), nothing more is known"


def _class(end: End) -> str:
    return end.failure_class or _CLASSES.get(end.status, FailureClass.INFRASTRUCTURE)


def _move_all(connection: Connection, fresh: Sequence[tuple[End, AnyRow]], stamp: Stamp) -> None:
    instances: defaultdict[tuple[int, str], list[tuple[int, str]]] = defaultdict(list)
    tasks: defaultdict[tuple[int, str], list[tuple[int, str]]] = defaultdict(list)
    for end, row in fresh:
        instances[row.workflow_id, end.status].append((row.id, row.status))
        if row.task_status in "IOR":  # otherwise the task went on without this attempt
            tasks[row.workflow_id, "D" if end.status == "D" else "E"].append((row.task_id, row.task_status))
    for (workflow_id, new), rows in sorted(instances.items()):
        move(connection, "task_instance", workflow_id, rows, new, stamp)
    for (workflow_id, new), rows in sorted(tasks.items()):
        values = {"due_at": None} if new == "E" else None
        move(connection, "task", workflow_id, rows, new, stamp, values)


def _keep_results(connection: Connection, fresh: Sequence[tuple[End, AnyRow]]) -> None:
    insert(
        connection,
        tables.attempt_result,
        (
            "task_instance_id",
            "failure_class",
            "exit_code",
            "peak_memory_bytes",
            "cpu_seconds",
            "wall_seconds",
        ),
        [
            (row.id, _class(end), end.exit_code, end.peak_memory_bytes, end.cpu_seconds, end.wall_seconds)
            for end, row in fresh
        ],
    )


def _keep_errors(connection: Connection, fresh: Sequence[tuple[End, AnyRow]], at: float) -> None:
    insert(
        connection,
        tables.error_log,
        ("workflow_id", "task_id", "task_instance_id", "error_at", "description"),
        [
            (row.workflow_id, row.task_id, row.id, at, _cause(end))
            for end, row in fresh
            if end.status != "D" or end.message
        ],
    )
