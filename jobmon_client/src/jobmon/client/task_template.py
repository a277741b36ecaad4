"""Task templates: a command with holes, from which tasks are made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import is_
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobmon.client import defaults
from jobmon.client.array import Array, checked_array_name
from jobmon.client.defaults import Defaults, Settings, checked_attempts
from jobmon.client.naming import check_task_name
from jobmon.client.options import ResourcesCallable, checked_scales
from jobmon.client.task import Attributes, Task, checked_attributes, checked_tasks
from jobmon.client.task_template_version import TaskTemplateVersion
from jobmon.client.usage import UsageStatistics, usage_statistics
from jobmon.core.constants import MAX_CONCURRENTLY_RUNNING

if TYPE_CHECKING:
    from jobmon.client.tool import ToolVersion


class TaskTemplate:
    """A template and its versions; `Tool.get_task_template` makes one.

    Changing the command or the kinds of its arguments makes a new version, which is then the active one.
    """

    def __init__(self, template_name: str, requester: object = None) -> None:
        """Nothing is sent before a workflow is bound."""
        self.template_name = checked_array_name(template_name)
        self.task_template_versions: list[TaskTemplateVersion] = []
        self._active: TaskTemplateVersion | None = None
        self._tool_version: ToolVersion | None = None
        self._last_upstreams: tuple[Task, ...] = ()

    # --- versions -------------------------------------------------------------------------------------------

    def get_task_template_version(
        self,
        command_template: str,
        node_args: Iterable[str] | None = None,
        task_args: Iterable[str] | None = None,
        op_args: Iterable[str] | None = None,
        default_cluster_name: str = "",
        default_compute_resources: Mapping[str, Any] | None = None,
        default_resource_scales: Mapping[str, Any] | None = None,
        default_max_attempts: int | None = None,
    ) -> TaskTemplateVersion:
        """The version with this command and these arguments, made active. Raises ValueError, naming what is wrong.

        node_args tell a template's tasks apart, task_args say which data they work on, op_args (an
        interpreter, a folder of scripts) may change without making it another task.
        """
        version = TaskTemplateVersion(self, command_template, node_args or (), task_args or (), op_args or ())
        known = [other for other in self.task_template_versions if other.key == version.key]
        if known:
            version = known[0]
        else:
            self.task_template_versions.append(version)
        cluster = default_cluster_name
        if default_compute_resources:
            version.defaults.set_compute_resources(cluster, default_compute_resources)
        if default_resource_scales:
            version.defaults.set_resource_scales(cluster, checked_scales(default_resource_scales))
        if default_cluster_name:
            version.defaults.cluster_name = default_cluster_name
        if default_max_attempts is not None:
            version.defaults.max_attempts = checked_attempts(default_max_attempts)
        self._active = version
        return version

    @property
    def active_task_template_version(self) -> TaskTemplateVersion:
        """The version from which tasks are made. Raises AttributeError when there is none yet."""
        if self._active is None:
            raise AttributeError(
                f"task template {self.template_name!r} has no version yet: call get_task_template_version first"
            )
        return self._active

    def set_active_task_template_version_id(self, task_template_version_id: str = "latest") -> None:
        """Choose the version by its id, or the newest. Raises ValueError for an unknown one."""
        if task_template_version_id == "latest" and self.task_template_versions:
            self._active = self.task_template_versions[-1]
            return
        for version in self.task_template_versions:
            if version.id == task_template_version_id:
                self._active = version
                return
        raise ValueError(
            f"task template {self.template_name!r} has no version {task_template_version_id!r}; it has "
            + (", ".join(version.id for version in self.task_template_versions) or "none")
        )

    def set_active_task_template_version(self, task_template_version: TaskTemplateVersion) -> None:
        """Choose the version."""
        if task_template_version not in self.task_template_versions:
            self.task_template_versions.append(task_template_version)
        self._active = task_template_version

    def load_task_template_versions(self) -> None:
        """Every version made in this script is here already; there is nothing to load."""

    @property
    def id(self) -> str:
        """The identity of the active version."""
        return self.active_task_template_version.id

    @property
    def is_bound(self) -> bool:
        """Whether it belongs to a tool."""
        return self._tool_version is not None

    @property
    def tool_version(self) -> ToolVersion | None:
        """The version of the tool it belongs to."""
        return self._tool_version

    def bind(self, tool_version: ToolVersion) -> None:
        """Make it belong to a tool."""
        self._tool_version = tool_version

    @property
    def tool_levels(self) -> list[Defaults]:
        """The defaults of its tool, for tasks that are in no workflow yet."""
        return [] if self._tool_version is None else [self._tool_version.tool.defaults]

    # --- tasks ----------------------------------------------------------------------------------------------

    def create_task(
        self,
        name: str = "",
        upstream_tasks: Iterable[Task] = (),
        task_attributes: Attributes = {},  # noqa: B006  # never changed; the reference's default
        max_attempts: int | None = None,
        compute_resources: Mapping[str, Any] | None = None,
        compute_resources_callable: ResourcesCallable | None = None,
        resource_scales: Mapping[str, Any] | None = None,
        cluster_name: str = "",
        fallback_queues: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> Task:
        """One task. `kwargs` are the template's arguments, all of them.

        Raises ValueError for a missing or unexpected argument, an illegal name or an option of a wrong kind.
        """
        version = self.active_task_template_version
        if kwargs.keys() != version.arguments:
            version.check_arguments(kwargs)
        task = Task.__new__(Task)
        if (
            compute_resources is None
            and resource_scales is None
            and max_attempts is None
            and compute_resources_callable is None
            and not cluster_name
            and not fallback_queues
        ):
            task._options = version.plain_options
        else:
            task._options = version.options(
                cluster_name,
                compute_resources,
                compute_resources_callable,
                resource_scales,
                fallback_queues,
                max_attempts,
            )
        if name:
            check_task_name(name)
        task._node = version.pick_node(kwargs)
        task._task = version.shared("task", version.pick_task(kwargs)) if version.task_args else ()
        task._op = version.shared("op", version.pick_op(kwargs)) if version.op_args else ()
        task._name = name or ""
        task._upstreams = self._shared_upstreams(upstream_tasks) if upstream_tasks else ()
        task._workflow = None
        task._position = -1
        task._attributes = checked_attributes(task_attributes) if task_attributes else None
        return task

    def create_tasks(
        self,
        max_attempts: int | None = None,
        upstream_tasks: Iterable[Task] | None = None,
        max_concurrently_running: int = MAX_CONCURRENTLY_RUNNING,
        compute_resources: Mapping[str, Any] | None = None,
        compute_resources_callable: ResourcesCallable | None = None,
        resource_scales: Mapping[str, Any] | None = None,
        cluster_name: str = "",
        name: str | None = None,
        fallback_queues: Sequence[str] | None = None,
        task_attributes: Attributes | None = None,
        **kwargs: Any,
    ) -> list[Task]:
        """One task for each combination of the node arguments, which may be iterables; the others are values.

        `name` is the name of the array; with {fields}, as in "fit_{country}", it names each task instead.
        Calls without a name make one array of the workflow, called after the template, whose tasks share
        `max_concurrently_running`. Raises ValueError as `create_task` does.
        """
        version = self.active_task_template_version
        version.check_arguments(kwargs)
        array = Array(
            version,
            {key: kwargs[key] for key in version.task_args},
            {key: kwargs[key] for key in version.op_args},
            cluster_name,
            max_concurrently_running,
            upstream_tasks,
            compute_resources,
            compute_resources_callable,
            resource_scales,
            name,
            max_attempts=max_attempts,
            fallback_queues=fallback_queues,
        )
        node_kwargs = {key: kwargs[key] for key in version.node_args}
        return array.create_tasks(task_attributes=task_attributes, **node_kwargs)

    def _shared_upstreams(self, upstream_tasks: Iterable[Task]) -> tuple[Task, ...]:
        """The tuple that the last task had if it waits for the same ones: an all-to-all is kept once."""
        found, last = tuple(upstream_tasks), self._last_upstreams
        if len(found) == len(last) and all(map(is_, found, last)):
            return last
        self._last_upstreams = found = checked_tasks(found)
        return found

    # --- defaults -------------------------------------------------------------------------------------------

    @property
    def defaults(self) -> Defaults:
        """The defaults of the active version."""
        return self.active_task_template_version.defaults

    @property
    def default_cluster_name(self) -> str:
        """The cluster of tasks that name none."""
        return self.defaults.cluster_name

    @default_cluster_name.setter
    def default_cluster_name(self, value: str) -> None:
        self.defaults.cluster_name = value

    @property
    def default_max_attempts(self) -> int | None:
        """How often tasks are tried that do not say."""
        return self.defaults.max_attempts

    def set_default_max_attempts(self, value: int) -> None:
        """Set how often tasks are tried that do not say."""
        self.defaults.max_attempts = checked_attempts(value)

    @property
    def default_compute_resources_set(self) -> dict[str, Settings]:
        """Default resources by cluster."""
        return self.defaults.compute_resources

    @property
    def default_resource_scales_set(self) -> dict[str, Settings]:
        """Default scales by cluster."""
        return self.defaults.resource_scales

    def update_default_compute_resources(self, cluster_name: str, **kwargs: Any) -> None:
        """Change default resources of a cluster, key by key."""
        self.defaults.update_compute_resources(cluster_name, kwargs)

    def update_default_resource_scales(self, cluster_name: str, **kwargs: Any) -> None:
        """Change default scales of a cluster, key by key."""
        self.defaults.update_resource_scales(cluster_name, kwargs)

    def set_default_compute_resources_from_dict(
        self, cluster_name: str, compute_resources: Mapping[str, Any]
    ) -> None:
        """Replace default resources of a cluster."""
        self.defaults.set_compute_resources(cluster_name, compute_resources)

    def set_default_resource_scales_from_dict(self, cluster_name: str, resource_scales: Mapping[str, Any]) -> None:
        """Replace default scales of a cluster."""
        self.defaults.set_resource_scales(cluster_name, resource_scales)

    def set_default_compute_resources_from_yaml(
        self, yaml_file: str | Path, default_cluster_name: str = "", ignore_missing_keys: bool = False
    ) -> None:
        """Take default resources from the file's `task_template_resources: {<template>: {<cluster>: ...}}`.

        Raises KeyError when the template, or the cluster that is named, is not there.
        """
        self.defaults.compute_resources |= defaults.read_template_section(
            yaml_file, "task_template_resources", self.template_name, default_cluster_name, ignore_missing_keys
        )

    def set_default_resource_scales_from_yaml(
        self, yaml_file: str | Path, default_cluster_name: str = "", ignore_missing_keys: bool = False
    ) -> None:
        """Take default scales from the file's `task_template_scales: {<template>: {<cluster>: ...}}`.

        Raises KeyError when the template, or the cluster that is named, is not there.
        """
        self.defaults.resource_scales |= defaults.read_template_section(
            yaml_file, "task_template_scales", self.template_name, default_cluster_name, ignore_missing_keys
        )

    # --- history --------------------------------------------------------------------------------------------

    def resource_usage(
        self,
        workflows: Sequence[int] | None = None,
        node_args: Mapping[str, Any] | None = None,
        ci: float | None = None,
    ) -> UsageStatistics | None:
        """What successful tasks of the active version used, or None when there are none.

        workflows  only these ids; node_args  only tasks with these values (or one of a list of values);
        ci  0.95 for a 95 % confidence interval of the means. See `usage_statistics` for what comes back.
        """
        from jobmon.client.connection import connect

        connection = self._tool_version.tool.connection if self._tool_version else connect()
        key = self.active_task_template_version.key
        return usage_statistics(connection.server, key, workflows, node_args, ci)

    def __repr__(self) -> str:
        """Its name."""
        return f"<TaskTemplate {self.template_name!r}>"
