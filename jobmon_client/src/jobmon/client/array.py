"""An array: the tasks of one template in a workflow, which share a limit of how many run at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

from jobmon.client.command_template import CommandTemplate
from jobmon.client.defaults import checked_settings
from jobmon.client.options import Options, ResourcesCallable
from jobmon.client.task import Attributes, Task, checked_attributes, checked_tasks
from jobmon.core.constants import MAX_CONCURRENTLY_RUNNING
from jobmon.core.hashing import canonical

if TYPE_CHECKING:
    from jobmon.client.task_template_version import TaskTemplateVersion
    from jobmon.client.workflow import Workflow


class Array:
    """Made by `TaskTemplate.create_tasks`; in a workflow it is `workflow.arrays[<template name>]`.

    Several calls for one template give one array in the workflow, unless they name different ones.
    """

    def __init__(
        self,
        task_template_version: TaskTemplateVersion,
        task_args: Mapping[str, Any],
        op_args: Mapping[str, Any],
        cluster_name: str = "",
        max_concurrently_running: int = MAX_CONCURRENTLY_RUNNING,
        upstream_tasks: Iterable[Task] | None = None,
        compute_resources: Mapping[str, Any] | None = None,
        compute_resources_callable: ResourcesCallable | None = None,
        resource_scales: Mapping[str, Any] | None = None,
        name: str | None = None,
        requester: object = None,
        max_attempts: int | None = None,
        fallback_queues: Sequence[str] | None = None,
    ) -> None:
        """`name` is the array's name, or a pattern for the names of its tasks when it has {fields}."""
        self.task_template_version = task_template_version
        self.task_args, self.op_args = dict(task_args), dict(op_args)
        self.max_concurrently_running = checked_limit(max_concurrently_running)
        pattern = CommandTemplate(name) if name and "{" in name else None
        self.name = name if name and pattern is None else task_template_version.name
        self._upstreams = checked_tasks(upstream_tasks or ())
        self._workflow: Workflow | None = None
        self._made: list[Task] = []
        self._check(pattern)
        self._options = Options(
            task_template_version,
            cluster_name,
            compute_resources,
            compute_resources_callable,
            resource_scales,
            fallback_queues,
            max_attempts,
            self,
            pattern,
        )

    def create_tasks(
        self,
        upstream_tasks: Iterable[Task] | None = None,
        task_attributes: Attributes | None = None,
        max_attempts: int | None = None,
        resource_scales: Mapping[str, Any] | None = None,
        **node_kwargs: Any,
    ) -> list[Task]:
        """One task for each combination of the node arguments, the last one varying fastest.

        An argument is one value or an iterable of values; a text is one value.
        """
        version = self.task_template_version
        version.check_arguments({**node_kwargs, **self.task_args, **self.op_args})
        columns = [_values(node_kwargs[name]) for name in version.node_args]
        options = self._options
        if max_attempts is not None or resource_scales is not None:
            own = {**options.resource_scales, **(resource_scales or {})}
            options = options.changed(
                max_attempts=options.max_attempts if max_attempts is None else max_attempts, resource_scales=own
            )
        upstreams = self._upstreams if upstream_tasks is None else checked_tasks(upstream_tasks)
        shared = (options, version.pick_task(self.task_args), version.pick_op(self.op_args), upstreams)
        made = _make(product(*columns), *shared, checked_attributes(task_attributes))
        self._made += made
        return made

    @staticmethod
    def expand_dict(**kwargs: Any) -> list[dict[str, Any]]:
        """All combinations of the arguments, as one dict each."""
        columns = [_values(value) for value in kwargs.values()]
        return [dict(zip(kwargs, values, strict=True)) for values in product(*columns)]

    @property
    def tasks(self) -> list[Task]:
        """Its tasks: those of its workflow, or those it made when it is in none."""
        if self._workflow is None:
            return list(self._made)
        return [task for task in self._workflow.task_list if self._workflow.array_of(task) is self]

    @property
    def is_bound(self) -> bool:
        """Whether the server knows it."""
        return self._workflow is not None and self._workflow.is_bound

    @property
    def array_id(self) -> int:
        """Its id. Raises AttributeError before the workflow is bound."""
        if self._workflow is None:
            raise AttributeError(f"array {self.name!r} has no id yet: bind (or run) its workflow first")
        return self._workflow.array_id_of(self)

    def get_tasks_by_node_args(self, **kwargs: Any) -> list[Task]:
        """The tasks with these node arguments; an argument may be a list of values, one left out is any."""
        return matching(self.tasks, self.task_template_version, kwargs)

    def validate(self) -> list[str]:
        """What is wrong with it; an empty list if nothing is."""
        return [] if self._workflow is None else self._workflow.validate()

    def bind(self) -> None:
        """Bind the workflow it is in."""
        if self._workflow is None:
            raise ValueError(f"array {self.name!r} is in no workflow; add its tasks to one and bind that")
        self._workflow.bind()

    @property
    def workflow(self) -> Workflow | None:
        """The workflow in which it is."""
        return self._workflow

    @classmethod
    def like(cls, version: TaskTemplateVersion, other: Array | None) -> Array:
        """An array for tasks that `create_task` made, or for tasks of an array that is in another workflow."""
        array = cls.__new__(cls)
        array.task_template_version = version
        array.name = other.name if other else version.name
        array.task_args = dict(other.task_args) if other else {}
        array.op_args = dict(other.op_args) if other else {}
        array.max_concurrently_running = other.max_concurrently_running if other else MAX_CONCURRENTLY_RUNNING
        array._upstreams, array._made, array._options = (), [], version.plain_options
        return array

    def merge_limit(self, limit: int) -> None:
        """Take over the limit of another call of `create_tasks`. Raises ValueError when each has its own."""
        if limit == MAX_CONCURRENTLY_RUNNING:
            return
        if self.max_concurrently_running not in (limit, MAX_CONCURRENTLY_RUNNING):
            raise ValueError(
                f"two calls of create_tasks for {self.name!r} give max_concurrently_running "
                f"{self.max_concurrently_running} and {limit}; give one, or give the calls a name= each"
            )
        self.max_concurrently_running = limit

    def join(self, workflow: Workflow) -> None:
        """Become the array of that name in the workflow."""
        self._workflow = workflow
        self._made = []

    def _check(self, pattern: CommandTemplate | None) -> None:
        version = self.task_template_version
        if wrong := self.task_args.keys() ^ set(version.task_args):
            raise ValueError(f"task template {version.name!r} has other task_args; see {', '.join(sorted(wrong))}")
        if wrong := self.op_args.keys() ^ set(version.op_args):
            raise ValueError(f"task template {version.name!r} has other op_args; see {', '.join(sorted(wrong))}")
        if pattern is not None and (unknown := pattern.arguments - version.arguments):
            raise ValueError(f"name {pattern.text!r} has {', '.join(sorted(unknown))}, which is no argument")
        if pattern is None:
            checked_array_name(self.name)


def checked_limit(value: object) -> int:
    """A limit of how many run at a time; 0 lets nothing start. Raises ValueError."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or value.__index__() < 0:
        raise ValueError(f"max_concurrently_running is {value!r}; it must be a whole number, 0 or more")
    return min(int(value.__index__()), MAX_CONCURRENTLY_RUNNING)


def checked_array_name(name: str) -> str:
    """The name of an array or template. Raises ValueError."""
    if not isinstance(name, str) or not name or len(name) > 255 or not name.isprintable():
        raise ValueError(f"{name!r} is not a name for a task template: give 1 to 255 printable characters")
    return name


def matching(tasks: Iterable[Task], version: TaskTemplateVersion, wanted: Mapping[str, Any]) -> list[Task]:
    """The tasks whose node arguments are among those wanted. Raises ValueError for an unknown argument."""
    if unknown := sorted(wanted.keys() - set(version.node_args)):
        raise ValueError(
            f"{', '.join(unknown)}: no node argument of task template {version.name!r}; "
            f"it has {', '.join(version.node_args) or 'none'}"
        )
    checks = [
        (version.node_args.index(name), {canonical(value) for value in _values(values)})
        for name, values in checked_settings(wanted, "node arguments").items()
    ]
    return [task for task in tasks if all(canonical(task._node[at]) in allowed for at, allowed in checks)]


def _make(
    combinations: Iterable[tuple[Any, ...]],
    options: Options,
    task_values: tuple[Any, ...],
    op_values: tuple[Any, ...],
    upstreams: tuple[Task, ...],
    attributes: dict[str, str | None] | None,
) -> list[Task]:
    made: list[Task] = []
    new, append = Task.__new__, made.append
    for values in combinations:
        task = new(Task)
        task._options = options
        task._node = values
        task._task = task_values
        task._op = op_values
        task._name = ""
        task._upstreams = upstreams
        task._workflow = None
        task._position = -1
        task._attributes = attributes
        append(task)
    return made


def _values(value: Any) -> Sequence[Any]:
    if isinstance(value, str | bytes | bytearray | Mapping) or not isinstance(value, Iterable):
        return (value,)
    return value if isinstance(value, Sequence) else list(value)
