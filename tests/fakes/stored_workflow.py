"""Rows of a workflow, written straight into the tables: what the functions that only read are tested on."""

import itertools
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jobmon.core.constants import MAX_CONCURRENTLY_RUNNING
from jobmon.server import tables
from jobmon.server.db import now

_PLACES = {"Q": "queued", "E": "delayed", "A": "delayed", "I": "active", "O": "active", "R": "active"}
_PLACES |= {"D": "done", "F": "fatal"}


class StoredWorkflow:
    """A workflow of user `ann` with one run; arrays, tasks and attempts are added one by one.

    The counters of its arrays follow the tasks added, as the engine would keep them.
    """

    _numbers = itertools.count(1)

    def __init__(
        self, connection: Connection, *, name: str = "study", owner: str = "ann", room: int = 1000
    ) -> None:
        self.connection = connection
        self.number = next(self._numbers)
        self.at = now(connection)
        self.first_task_id = self.number * 10_000 + 1
        self.gates = itertools.count(self.number * 10_000 + 1)
        self.instances = itertools.count(self.number * 10_000 + 1)
        self.tool_version_id = self._tool()
        self.id = self._add(
            tables.workflow, tool_version_id=self.tool_version_id, args_hash=str(self.number), args="a", name=name,
            description="", owner=owner, run_dir="/runs", request_id=f"w{self.number}", identity_hash="",
            order_hash="", spec_hash="", status="R", status_at=self.at, created_at=self.at,
            deadline_at=self.at, max_concurrently_running=MAX_CONCURRENTLY_RUNNING,
            first_task_id=self.first_task_id, task_count=room, first_gate_id=0, gate_count=0,
        )  # fmt: skip
        self.run_id = self._add(
            tables.workflow_run, workflow_id=self.id, request_id=f"r{self.number}", status="R",
            status_at=self.at, created_at=self.at - 60, user="ann", host="login1", pid=1, client_version="4",
            fail_fast=False, timeout_at=self.at + 1000, goal="", reason="", notice="", fence=1,
            holder="d1", holder_host="login1", holder_pid=77, deadline_at=self.at + 60,
        )  # fmt: skip
        self.set(tables.workflow, self.id, current_run_id=self.run_id)
        self._tasks = itertools.count(self.first_task_id)

    def set(self, table: sa.Table, id: int, **values: Any) -> None:
        """Change one row."""
        self.connection.execute(sa.update(table).where(table.c.id == id).values(**values))

    def array(self, name: str, *, key: str = "", limit: int = MAX_CONCURRENTLY_RUNNING) -> int:
        """Add a template's array; returns its id."""
        template = self._add(
            tables.template_version, tool_version_id=self.tool_version_id, name=name,
            template_key=key or f"{name}-{self.number}", command_template="", arguments="{}",
        )  # fmt: skip
        return self._add(
            tables.array, workflow_id=self.id, template_version_id=template, name=name,
            max_concurrently_running=limit,
        )  # fmt: skip

    def gate(self, remaining: int = 0, members: tuple[int, ...] = ()) -> int:
        """Add a gate that waits for `members`; returns its id."""
        gate_id = next(self.gates)
        state = "S" if remaining else "O"
        self._add(tables.gate, id=gate_id, workflow_id=self.id, remaining=remaining, state=state)
        for member in members:
            self._add(tables.gate_member, task_id=member, gate_id=gate_id)
        return gate_id

    def task(self, array_id: int, status: str, *, name: str = "", gate: int = 0, **values: Any) -> int:
        """Add a task without attempts; returns its id."""
        task_id = next(self._tasks)
        row = {"max_attempts": 3, "deferred": False, "resources_id": 1, **values}
        self._add(
            tables.task, id=task_id, workflow_id=self.id, array_id=array_id,
            gate_id=gate or self.gate(), status=status, **row,
        )  # fmt: skip
        self._add(
            tables.task_spec, task_id=task_id, name=name or f"t{task_id}", command=f"run {task_id}",
            node_args=f'{{"n":{task_id}}}', node_hash=f"{task_id:032x}",
        )  # fmt: skip
        changes = {"total": 1}
        if status in _PLACES:
            changes[_PLACES[status]] = 1
        self.count(array_id, **changes)
        return task_id

    def count(self, array_id: int, **changes: int) -> None:
        """Add to the counters of an array."""
        column = tables.array.c
        self.set(tables.array, array_id, **{name: column[name] + by for name, by in changes.items()})

    def attempt(
        self,
        task_id: int,
        status: str,
        *,
        error: str = "",
        requested: str = '{"memory_bytes":1073741824,"runtime_seconds":60}',
        result: dict[str, Any] | None = None,
    ) -> int:
        """Add an attempt in a batch of its own; with `error`, its error; returns its id."""
        instance_id = next(self.instances)
        array_id = self._value(tables.task.c.array_id, tables.task.c.id == task_id)
        number = self._value(tables.task.c.attempts, tables.task.c.id == task_id) + 1
        self.set(tables.task, task_id, attempts=number)
        if number > 1:
            self.count(array_id, retries=1)
        resources = self._add(
            tables.resources, workflow_id=self.id, digest=str(instance_id), cluster="local",
            requested=requested, scales="{}", fallback_queues="[]",
        )  # fmt: skip
        batch = self._add(
            tables.batch, workflow_id=self.id, workflow_run_id=self.run_id, array_id=array_id,
            resources_id=resources, name=f"b{instance_id}", status="O", job_id=f"job{instance_id}", size=1,
            first_instance_id=instance_id, fence=1, created_at=self.at,
        )  # fmt: skip
        self._add(
            tables.task_instance, id=instance_id, task_id=task_id, workflow_id=self.id, batch_id=batch,
            attempt=number, status=status, status_at=self.at, deadline_at=self.at + 90, node="n1",
        )  # fmt: skip
        if result is not None:
            self._add(tables.attempt_result, task_instance_id=instance_id, failure_class="", **result)
        if error:
            self.error(task_id, instance_id, error)
        return instance_id

    def error(self, task_id: int, instance_id: int, text: str) -> int:
        """Add an error of an attempt; returns its id."""
        return self._add(
            tables.error_log, workflow_id=self.id, task_id=task_id, task_instance_id=instance_id,
            error_at=self.at, description=text,
        )  # fmt: skip

    def completion(self, task_id: int, instance_id: int, status: str) -> None:
        """Leave the end of an attempt in the outbox, not absorbed yet."""
        self._add(
            tables.completion, workflow_id=self.id, task_id=task_id, task_instance_id=instance_id,
            status=status, failure_class="",
        )  # fmt: skip

    def _tool(self) -> int:
        tool_id = self._add(tables.tool, name=f"tool{self.number}")
        return self._add(tables.tool_version, tool_id=tool_id)

    def _add(self, table: sa.Table, **values: Any) -> int:
        made = self.connection.execute(sa.insert(table).values(**values))
        return int(made.inserted_primary_key[0])

    def _value(self, column: sa.Column[Any], where: sa.ColumnElement[bool]) -> Any:
        return self.connection.execute(sa.select(column).where(where)).scalar_one()
