"""A task: one command to be run once all of its upstream tasks are done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobmon.client import defaults
from jobmon.client.defaults import Defaults, Settings
from jobmon.client.naming import check_task_name, clean
from jobmon.client.options import Options, ResourcesCallable, checked_scales
from jobmon.core import routes, wire
from jobmon.core.constants import TaskStatus
from jobmon.core.ids import TaskId

if TYPE_CHECKING:
    from jobmon.client.array import Array
    from jobmon.client.node import Node
    from jobmon.client.workflow import Workflow

Attributes = Mapping[str, Any] | Sequence[str]
LONGEST_ATTRIBUTE = 255


class Task:
    """One command with its place in the graph. Made by `TaskTemplate.create_task` and `create_tasks`.

    A million of these fit into memory: values are tuples in the order of the template's argument names, what
    tasks share is one object, names and commands are rendered when somebody asks.
    """

    __slots__ = (
        "_attributes",
        "_name",
        "_node",
        "_op",
        "_options",
        "_position",
        "_task",
        "_upstreams",
        "_workflow",
    )

    _attributes: dict[str, str | None] | None
    _name: str
    _node: tuple[Any, ...]
    _task: tuple[Any, ...]
    _op: tuple[Any, ...]
    _options: Options
    _position: int
    _upstreams: tuple[Task, ...] | list[Task]
    _workflow: Workflow | None

    def __init__(
        self,
        node: Node,
        task_args: Mapping[str, Any],
        op_args: Mapping[str, Any],
        array: Array | None = None,
        cluster_name: str = "",
        compute_resources: Mapping[str, Any] | None = None,
        compute_resources_callable: ResourcesCallable | None = None,
        resource_scales: Mapping[str, Any] | None = None,
        fallback_queues: Sequence[str] | None = None,
        name: str | None = None,
        max_attempts: int | None = None,
        upstream_tasks: Iterable[Task] | None = None,
        task_attributes: Attributes | None = None,
        requester: object = None,
    ) -> None:
        """Raises ValueError for an illegal name, argument or option."""
        version = node.task_template_version
        given = {**node.node_args, **task_args, **op_args}
        version.check_arguments(given)
        if name:
            check_task_name(name)
        self._options = Options(
            version,
            cluster_name,
            compute_resources,
            compute_resources_callable,
            resource_scales,
            fallback_queues,
            max_attempts,
            array,
        )
        self._node, self._task, self._op = (
            version.pick_node(given),
            version.pick_task(given),
            version.pick_op(given),
        )
        self._name = name or ""
        self._upstreams = checked_tasks(upstream_tasks or ())
        self._workflow = None
        self._position = -1
        self._attributes = checked_attributes(task_attributes)

    @staticmethod
    def is_valid_job_name(name: str) -> bool:
        """True for a name that a task may have; raises ValueError, saying why, for any other."""
        check_task_name(name)
        return True

    # --- the graph ------------------------------------------------------------------------------------------

    def add_upstream(self, ancestor: Task) -> None:
        """Let this task wait for `ancestor`."""
        self.add_upstreams((ancestor,))

    def add_upstreams(self, ancestors: Iterable[Task]) -> None:
        """Let this task wait for all `ancestors`."""
        added = checked_tasks(ancestors)
        if self.is_bound:
            raise ValueError(f"{self!r} is bound: what it waits for cannot change any more. Make a new workflow")
        if isinstance(self._upstreams, tuple):  # it may be shared with thousands of tasks
            self._upstreams = list(self._upstreams)
        self._upstreams += added

    def add_downstream(self, descendent: Task) -> None:
        """Let `descendent` wait for this task."""
        descendent.add_upstreams((self,))

    def add_downstreams(self, descendents: Iterable[Task]) -> None:
        """Let all `descendents` wait for this task."""
        for descendent in descendents:
            descendent.add_upstreams((self,))

    @property
    def upstream_tasks(self) -> set[Task]:
        """The tasks that this one waits for."""
        return set(self._upstreams)

    @property
    def downstream_tasks(self) -> set[Task]:
        """The tasks of the workflow that wait for this one; found by looking through all of them."""
        if self._workflow is None:
            return set()
        return {task for task in self._workflow.task_list if self in task._upstreams}

    # --- what it is -----------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The name it was given, or `<template>_<arg>-<value>_...`."""
        if self._name:
            return self._name
        options = self._options
        if options.name_pattern is not None:
            return clean(options.name_pattern.render(self.arguments))
        return clean(options.version.default_name(*self._node))

    @property
    def command(self) -> str:
        """The command with all arguments put in."""
        return self._options.version.command.render(self.arguments)

    @property
    def arguments(self) -> dict[str, Any]:
        """All arguments by name."""
        return {**self.node_args, **self.task_args, **self.op_args}

    @property
    def node_args(self) -> dict[str, Any]:
        """The arguments that tell this task apart within the workflow."""
        return dict(zip(self._options.version.node_args, self._node, strict=True))

    @property
    def task_args(self) -> dict[str, Any]:
        """The arguments that say which data it works on."""
        return dict(zip(self._options.version.task_args, self._task, strict=True))

    @property
    def op_args(self) -> dict[str, Any]:
        """The arguments that may change without making it another task."""
        return dict(zip(self._options.version.op_args, self._op, strict=True))

    @property
    def node(self) -> Node:
        """Template version and node arguments."""
        from jobmon.client.node import Node

        return Node(self._options.version, self.node_args)

    @property
    def array(self) -> Array | None:
        """The tasks of its template in its workflow; before it is in one, what `create_tasks` made it with."""
        return self._options.array if self._workflow is None else self._workflow.array_of(self)

    @property
    def workflow(self) -> Workflow | None:
        """The workflow it was added to."""
        return self._workflow

    @property
    def is_bound(self) -> bool:
        """Whether the server knows it."""
        return self._workflow is not None and self._workflow.is_bound

    @property
    def task_id(self) -> TaskId:
        """Its id. Raises AttributeError before the workflow is bound."""
        if self._workflow is None or not self._workflow.is_bound:
            raise AttributeError(f"task {self.name!r} has no id yet: bind (or run) its workflow first")
        return self._workflow.task_id_at(self._position)

    @property
    def task_attributes(self) -> dict[str, str | None]:
        """The attributes given so far."""
        return dict(self._attributes or {})

    def add_attribute(self, attribute: str, value: Any) -> None:
        """Label the task; `value` is kept as text."""
        added = checked_attributes({attribute: value})
        if self._workflow is not None and self._workflow.is_bound:
            sent = wire.AttributesRequest(attributes=added or {})
            self._workflow.server.call(routes.TASK_ATTRIBUTES, sent, task_id=self.task_id)
        self._attributes = {**(self._attributes or {}), **(added or {})}

    # --- resources ------------------------------------------------------------------------------------------

    @property
    def cluster_name(self) -> str:
        """Where it runs."""
        return defaults.cluster_name_of(self._options.cluster_name, self._levels())

    @property
    def compute_resources(self) -> Settings:
        """What it asks for, all defaults merged in."""
        return defaults.compute_resources_of(self._options.compute_resources, self._levels(), self.cluster_name)

    requested_resources = compute_resources
    original_task_resources = compute_resources

    @property
    def resource_scales(self) -> Settings:
        """By how much resources grow after a resource error, all defaults merged in."""
        return defaults.resource_scales_of(self._options.resource_scales, self._levels(), self.cluster_name)

    @property
    def max_attempts(self) -> int:
        """How often it is tried."""
        return defaults.max_attempts_of(self._options.max_attempts, self._levels())

    @property
    def queue_name(self) -> str:
        """The queue it asks for; empty: the cluster's default."""
        return str(self.compute_resources.get("queue", ""))

    @property
    def fallback_queues(self) -> list[str]:
        """The queues that are tried in turn when scaled resources do not fit its own."""
        return list(self._options.fallback_queues)

    @property
    def compute_resources_callable(self) -> ResourcesCallable | None:
        """What computes its resources when it becomes ready."""
        return self._options.compute_resources_callable

    def update_compute_resources(self, **kwargs: Any) -> None:
        """Change what it asks for, key by key."""
        self._change(compute_resources=self._options.compute_resources | kwargs)

    def update_resource_scales(self, **kwargs: Any) -> None:
        """Change by how much its resources grow, key by key."""
        self._change(resource_scales=self._options.resource_scales | checked_scales(kwargs))

    def set_compute_resources_from_yaml(self, cluster: str, file: str | Path) -> None:
        """Take what it asks for from the entry of `cluster` in the file's section `task_resources:`.

        Raises KeyError when there is no such entry.
        """
        self.update_compute_resources(**defaults.read_section(file, "task_resources", cluster)[cluster])

    def _levels(self) -> list[Defaults]:
        version = self._options.version
        if self._workflow is not None:
            return [version.defaults, *self._workflow.default_levels]
        return [version.defaults, *version.template.tool_levels]

    def _change(self, **changes: Any) -> None:
        """Change its own options, not those of others; a bound task has them from the next run on."""
        self._options = self._options.changed(**changes)
        if self._workflow is not None:
            self._workflow.note_change()

    # --- what became of it ----------------------------------------------------------------------------------

    @property
    def initial_status(self) -> str:
        """The status with which it was bound."""
        return TaskStatus.REGISTERING

    @property
    def final_status(self) -> str:
        """Its status now: D or F once it is final."""
        return self._detail().status

    def get_errors(self) -> dict[str, Any] | None:
        """The errors of its newest attempt that failed, or None."""
        if not self.is_bound:
            return None
        for attempt in reversed(self._detail().attempts):
            if attempt.errors:
                return {"task_instance_id": attempt.task_instance_id, "error_log": error_log(attempt.errors)}
        return None

    def resource_usage(self) -> dict[str, Any]:
        """What its successful attempt used: memory in bytes, runtime in seconds, None where not measured."""
        detail = self._detail()
        done = next((attempt for attempt in reversed(detail.attempts) if attempt.status == TaskStatus.DONE), None)
        return {
            "num_attempts": len(detail.attempts),
            "nodename": done.node if done else None,
            "runtime": done.wall_seconds if done else None,
            "memory": done.peak_memory_bytes if done else None,
        }

    def _detail(self) -> wire.TaskDetail:
        task_id = self.task_id
        assert self._workflow is not None
        return self._workflow.server.call(routes.TASK_DETAILS, wire.TaskDetailQuery(task_id=[task_id])).tasks[0]

    def __repr__(self) -> str:
        """Name and place."""
        return f"<Task {self.name!r} of {self._workflow!r}>" if self._workflow else f"<Task {self.name!r}>"


def error_log(errors: Sequence[wire.ErrorEntry]) -> list[dict[str, Any]]:
    """Errors as users get them."""
    return [
        {
            "task_instance_error_log_id": error.task_instance_error_log_id,
            "error_time": error.error_time,
            "description": error.description,
        }
        for error in errors
    ]


def checked_tasks(tasks: Iterable[Task]) -> tuple[Task, ...]:
    """The tasks as a tuple. Raises ValueError for whatever is not a task."""
    found = tuple(tasks)
    for item in found:
        if not isinstance(item, Task):
            raise ValueError(f"an upstream or downstream task is {item!r}; it must be a Task")
    return found


def checked_attributes(attributes: Attributes | None) -> dict[str, str | None] | None:
    """Names and texts. A list of names stands for names without values. Raises ValueError for a long one."""
    if not attributes:
        return None
    if isinstance(attributes, str):
        raise ValueError(f"attributes are {attributes!r}; give a dict, or a list of names")
    pairs = attributes.items() if isinstance(attributes, Mapping) else ((name, None) for name in attributes)
    texts = {str(name): None if value is None else str(value) for name, value in pairs}
    for name, text in texts.items():
        if not 0 < len(name) <= LONGEST_ATTRIBUTE or len(text or "") > LONGEST_ATTRIBUTE:
            raise ValueError(
                f"attribute {name[:40]!r}: its name and its value may have {LONGEST_ATTRIBUTE} characters each, "
                f"they have {len(name)} and {len(text or '')}"
            )
    return texts
