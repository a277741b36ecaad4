"""One attempt from its grant to its outcome, and what the attempts of one grant have in common."""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobmon.core.ids import BatchId, TaskId, TaskInstanceId
from jobmon.core.wire import Grant

if TYPE_CHECKING:
    import resource

    from jobmon.distributor.local.memory import Cgroup


@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """What holds for all attempts of one grant, worked out once."""

    workflow_id: int
    workflow_run_id: int
    stdout_dir: str
    stderr_dir: str
    shell: str
    working_dir: str
    slots: int
    memory_bytes: int | None
    runtime_seconds: int | None

    @classmethod
    def of(cls, grant: Grant, parallelism: int) -> "Order":
        """Read the resources of a grant; relative folders are below the present working directory."""
        resources = grant.resources
        return cls(
            workflow_id=grant.workflow_id,
            workflow_run_id=grant.workflow_run_id,
            stdout_dir=os.path.abspath(grant.stdout_dir),  # noqa: PTH100  # resolve() asks the file system
            stderr_dir=os.path.abspath(grant.stderr_dir),  # noqa: PTH100
            shell=str(resources.options.get("shell") or "bash"),
            working_dir=str(resources.options.get("working_dir") or ""),
            slots=min(resources.cores, parallelism),
            memory_bytes=resources.memory_bytes,
            runtime_seconds=resources.runtime_seconds,
        )


class Attempt:
    """A granted attempt, and when it was started its process, and when that ended how.

    stop      why it was told to end: "" (it was not), "cancel", "runtime", "memory", "executor"
    kill_at   when it is killed for good, if it was told to end (monotonic)
    """

    __slots__ = (
        "batch_id", "cgroup", "command", "deadline", "index", "instance_id", "kill_at", "name",
        "order", "peak_bytes", "pid", "script", "started", "status", "stderr", "stop", "task_id", "token",
        "usage", "wall_seconds", "warning",
    )  # fmt: skip

    def __init__(
        self,
        order: Order,
        batch_id: BatchId,
        index: int,
        instance_id: TaskInstanceId,
        task_id: TaskId,
        name: str,
        command: str,
        token: str,
    ) -> None:
        """As granted."""
        self.order = order
        self.batch_id = batch_id
        self.index = index
        self.instance_id = instance_id
        self.task_id = task_id
        self.name = name
        self.command = command
        self.token = token
        self.pid = 0
        self.started = 0.0
        self.deadline: float | None = None
        self.stderr = ""
        self.warning = ""
        self.script = ""
        self.cgroup: Cgroup | None = None
        self.peak_bytes = 0
        self.stop = ""
        self.kill_at = 0.0
        self.status: int | None = None
        self.usage: resource.struct_rusage | None = None
        self.wall_seconds = 0.0


def attempts(grant: Grant, parallelism: int) -> list[Attempt]:
    """The attempts of a grant."""
    order = Order.of(grant, parallelism)
    batch_id = grant.batch_id
    columns = zip(
        grant.index, grant.instance_id, grant.task_id, grant.name, grant.command, grant.token, strict=True
    )
    return [Attempt(order, batch_id, *row) for row in columns]
