"""Workflows: the graph of tasks, its identity, and what a user does with it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobmon.client import defaults
from jobmon.client.array import Array, checked_limit, matching
from jobmon.client.bind import CHUNK_TASKS, Bound, bind
from jobmon.client.columns import texts
from jobmon.client.defaults import Defaults, Settings, checked_attempts
from jobmon.client.options import Options, checked_scales
from jobmon.client.resolved import draw
from jobmon.client.task import Task, checked_attributes, error_log
from jobmon.client.validate import problems
from jobmon.core import routes, wire
from jobmon.core.constants import MAX_CONCURRENTLY_RUNNING
from jobmon.core.ids import ArrayId, TaskId, WorkflowId, WorkflowRunId

if TYPE_CHECKING:
    from jobmon.client.connection import Connection
    from jobmon.client.result import OrchestratorResult
    from jobmon.client.tool import Tool, ToolVersion
    from jobmon.core.http import Server

_DEFAULT_CHUNK = 500


class Workflow:
    """A graph of tasks; `Tool.create_workflow` makes one.

    The same tool version, `workflow_args` and tasks are the same workflow, which `run(resume=True)` goes on with.
    """

    def __init__(
        self,
        tool_version: ToolVersion,
        workflow_args: str = "",
        name: str = "",
        description: str = "",
        workflow_attributes: Mapping[str, Any] | Iterable[str] | None = None,
        max_concurrently_running: int = MAX_CONCURRENTLY_RUNNING,
        requester: Connection | None = None,
        chunk_size: int = _DEFAULT_CHUNK,
    ) -> None:
        """Without `workflow_args` it is a new workflow every time.

        `chunk_size` is how many tasks a request carries; its default leaves that to the library.
        """
        if len(name) > 255:
            raise ValueError(f"workflow name {name[:40]!r}... has {len(name)} characters; 255 is the most")
        if chunk_size < 1:
            raise ValueError(f"chunk_size is {chunk_size!r}; it must be 1 or more")
        self.tool_version = tool_version
        self.connection = requester or tool_version.tool.connection
        self.workflow_args = str(workflow_args) or uuid.uuid4().hex
        self.name = name
        self.description = description
        self.workflow_attributes = checked_attributes(_listed(workflow_attributes)) or {}
        self.max_concurrently_running = checked_limit(max_concurrently_running)
        self.chunk_tasks = CHUNK_TASKS if chunk_size == _DEFAULT_CHUNK else chunk_size
        self.defaults = Defaults()
        self.arrays: dict[str, Array] = {}
        self.task_list: list[Task] = []
        self.last_workflow_run_id: WorkflowRunId | None = None
        self.result: OrchestratorResult | None = None
        self._bound: Bound | None = None
        self._changed = False
        self._drawn: dict[int, tuple[object, list[Any]]] = {}

    # --- tasks ----------------------------------------------------------------------------------------------

    def add_task(self, task: Task) -> Task:
        """Add a task and return it. Adding it twice is the same as once.

        Raises ValueError for a task of another workflow and after the workflow was bound.
        """
        self.add_tasks((task,))
        return task

    def add_tasks(self, tasks: Iterable[Task]) -> None:
        """Add tasks; see `add_task`."""
        last: Options | None = None
        position = len(self.task_list)
        append = self.task_list.append
        for task in tasks:
            if not isinstance(task, Task):
                raise ValueError(f"{task!r} is not a Task; add what create_task or create_tasks returned")
            if task._workflow is not None:
                self._check_own(task)
                continue
            if task._options is not last:
                last = task._options
                self._join(last)
            task._workflow = self
            task._position = position
            append(task)
            position += 1

    def _check_own(self, task: Task) -> None:
        if task._workflow is not self:
            raise ValueError(
                f"task {task.name!r} belongs to {task._workflow!r} already; make another task for {self!r}"
            )

    def _join(self, options: Options) -> None:
        """Find or make the array of these tasks."""
        if self._bound is not None:
            raise ValueError(f"{self!r} is bound: no task can be added any more. Make a new workflow")
        made, version = options.array, options.version
        name = made.name if made else version.name
        array = self.arrays.get(name)
        if array is None:
            free = made is not None and made.workflow is None
            array = made if made is not None and free else Array.like(version, made)
            self.arrays[name] = array
            array.join(self)
        elif array.task_template_version is not version:
            raise ValueError(
                f"{self!r} has tasks of another version (command or arguments) of the task template {name!r}. "
                "Give one of the two another template_name"
            )
        elif made is not None:
            array.merge_limit(made.max_concurrently_running)

    @property
    def tasks(self) -> dict[str, Task]:
        """The tasks by their node's hash (32 hexadecimal digits), in the order in which they were added."""
        hashes = map(bytes.hex, texts(self.task_list).node_hash)
        return dict(zip(hashes, self.task_list, strict=True))

    def array_of(self, task: Task) -> Array:
        """The array in which the task is."""
        made = task._options.array
        return self.arrays[made.name if made else task._options.version.name]

    def get_tasks_by_node_args(self, task_template_name: str, **kwargs: Any) -> list[Task]:
        """The tasks of a template with these node arguments; an argument may be a list of values.

        Raises ValueError for an unknown template or argument.
        """
        versions = {
            array.task_template_version for array in self.arrays.values()
            if array.task_template_version.name == task_template_name
        }  # fmt: skip
        if not versions:
            known = sorted({array.task_template_version.name for array in self.arrays.values()})
            raise ValueError(
                f"{self!r} has no task template {task_template_name!r}; it has {', '.join(known) or 'none'}"
            )
        version = versions.pop()
        return matching((task for task in self.task_list if task._options.version is version), version, kwargs)

    # --- identity -------------------------------------------------------------------------------------------

    @property
    def tool(self) -> Tool:
        """The tool it belongs to."""
        return self.tool_version.tool

    @property
    def server(self) -> Server:
        """The server that knows it."""
        return self.connection.server

    @property
    def is_bound(self) -> bool:
        """Whether the server knows all of it."""
        return self._bound is not None

    @property
    def bound(self) -> Bound:
        """What the server knows it as. Raises AttributeError before it is bound."""
        if self._bound is None:
            raise AttributeError(f"{self!r} has no id yet: bind() or run() it first")
        return self._bound

    @property
    def workflow_id(self) -> WorkflowId:
        """Its id. Raises AttributeError before it is bound."""
        return self.bound.workflow_id

    @property
    def dag_id(self) -> str:
        """The identity of its graph: the same tasks, arguments and dependencies have the same one."""
        from jobmon.client.bind import Graph

        return Graph(self, self.chunk_tasks).identity_hash

    task_hash = dag_id

    def task_id_at(self, position: int) -> TaskId:
        """The id of the task at a position of `task_list`."""
        return TaskId(self.bound.first_task_id + position)

    def order_by(self, task_ids: Sequence[TaskId]) -> None:
        """Take the order in which the server has the tasks: `task_ids` holds each position's id."""
        order = sorted(range(len(task_ids)), key=task_ids.__getitem__)
        self.task_list = [self.task_list[position] for position in order]
        for position, task in enumerate(self.task_list):
            task._position = position

    def task_with_id(self, task_id: TaskId) -> Task:
        """The task with that id."""
        return self.task_list[task_id - self.bound.first_task_id]

    def array_id_of(self, array: Array) -> ArrayId:
        """The id of one of its arrays."""
        return self.bound.array_ids[list(self.arrays).index(array.name)]

    # --- validating, binding, running -----------------------------------------------------------------------

    def validate(self, strict: bool = True, raise_on_error: bool = False) -> list[str]:
        """What is wrong with it, a sentence each; an empty list if nothing is. Nothing is stored.

        strict          more than a queue gives is an error; otherwise it is not looked at
        raise_on_error  raise the first error instead
        """
        return problems(self, strict, raise_on_error)

    def bind(self) -> None:
        """Store it on the server. An interrupted bind goes on where it stopped when it is called again.

        Raises, before anything is stored: EmptyWorkflowError, DuplicateNodeArgsError, CyclicGraphError,
        NodeDependencyNotExistError, UnknownCluster, InvalidResources, ValueError for an impossible command;
        and WorkflowAlreadyExists, WorkflowAlreadyComplete when the server knows it already.
        """
        if self._bound is None:
            self.bind_for(resume=False)

    def bind_for(self, resume: bool, told: Callable[[int, int], None] = lambda sent, total: None) -> None:
        """Bind it, or bind it again for another run; `resume` allows it to exist. `told`: see `bind.bind`."""
        self._bound = bind(self, self.connection.patient, resume, told)
        self._changed = False

    def note_change(self) -> None:
        """Remember that the server knows an older state of the tasks: the next run binds them again."""
        self._changed = True

    def run(
        self,
        fail_fast: bool = False,
        seconds_until_timeout: int = 36000,
        resume: bool = False,
        reset_running_jobs: bool = True,
        distributor_startup_timeout: int = 180,
        resume_timeout: int = 300,
        configure_logging: bool = False,
        *,
        wait: bool = True,
    ) -> str:
        """Run it to its end and return the letter of the run's status: D done, E error, S stopped.

        fail_fast                    end with the first task that failed for good
        seconds_until_timeout        stop the run after so many seconds; raises RunTimeout
        resume                       go on with an earlier run: only tasks that are not done run again
        reset_running_jobs           while resuming: kill what an earlier run still has running; False adopts it
        distributor_startup_timeout  how long the process that submits may take to start
        resume_timeout               how long an earlier run is given to end
        configure_logging            log what happens to standard error
        wait                         False returns at once, with the run going on by itself

        `result` tells more. The first Ctrl-C asks whether to detach (the run goes on), to stop, or to go on.
        Raises what `bind` raises, RunTimeout, ResumeSet when the workflow was resumed elsewhere meanwhile,
        DistributorNotAlive, DistributorStartupTimeout, CallableReturnedInvalidObject.
        """
        from jobmon.client.run import RunSettings, run

        return run(
            self,
            RunSettings(
                fail_fast=fail_fast,
                seconds_until_timeout=seconds_until_timeout,
                resume=resume,
                reset_running_jobs=reset_running_jobs,
                distributor_startup_timeout=distributor_startup_timeout,
                resume_timeout=resume_timeout,
                configure_logging=configure_logging,
                wait=wait,
            ),
        )

    @property
    def needs_binding(self) -> bool:
        """Whether a run has to bind it first: it is new, has run before, or changed since."""
        return self._bound is None or self._changed or self.last_workflow_run_id is not None

    # --- limits ---------------------------------------------------------------------------------------------

    def set_task_template_max_concurrency_limit(self, task_template_name: str, limit: int) -> None:
        """Set how many tasks of a template run at a time, also while it runs. Raises KeyError when unknown."""
        if task_template_name not in self.arrays:
            known = ", ".join(self.arrays) or "none"
            raise KeyError(f"{self!r} has no task template {task_template_name!r}; it has {known}")
        self.arrays[task_template_name].max_concurrently_running = checked_limit(limit)
        self._set_limit(limit, task_template_name)

    def set_max_concurrently_running(self, template: Any = None, n: int | None = None) -> None:
        """Set how many tasks run at a time, also while it runs.

        `set_max_concurrently_running(n)` is for the whole workflow, `set_max_concurrently_running(template, n)`
        for one template, given as such or by name. Raises KeyError when it is unknown.
        """
        if n is None:
            self.max_concurrently_running = checked_limit(template)
            self._set_limit(self.max_concurrently_running, "")
        else:
            self.set_task_template_max_concurrency_limit(getattr(template, "template_name", template), n)

    def _set_limit(self, limit: int, array: str) -> None:
        if self.is_bound:
            sent = wire.LimitRequest(max_concurrently_running=checked_limit(limit), array=array)
            self.server.call(routes.LIMIT, sent, workflow_id=self.workflow_id)

    # --- attributes, errors ---------------------------------------------------------------------------------

    def add_attributes(self, workflow_attributes: Mapping[str, Any] | Iterable[str]) -> None:
        """Label the workflow; values are kept as text."""
        added = checked_attributes(_listed(workflow_attributes)) or {}
        self.workflow_attributes |= added
        if self.is_bound:
            sent = wire.AttributesRequest(attributes=added)
            self.server.call(routes.WORKFLOW_ATTRIBUTES, sent, workflow_id=self.workflow_id)

    def get_errors(self, limit: int = 1000) -> dict[TaskId, dict[str, Any]]:
        """The newest errors by task id, as `Task.get_errors` gives them, of `limit` tasks at most."""
        answer = self.server.call(routes.ERRORS, wire.ErrorQuery(limit=limit), workflow_id=self.workflow_id)
        return {
            task.task_id: {"task_instance_id": task.task_instance_id, "error_log": error_log(task.errors)}
            for task in answer.tasks
        }

    @property
    def task_errors(self) -> dict[TaskId, dict[str, Any]]:
        """The newest errors by task id."""
        return self.get_errors()

    # --- defaults -------------------------------------------------------------------------------------------

    @property
    def default_levels(self) -> list[Defaults]:
        """Its defaults, then its tool's."""
        return [self.defaults, self.tool.defaults]

    @property
    def default_cluster_name(self) -> str:
        """The cluster of tasks that name none."""
        return self.defaults.cluster_name

    @property
    def default_compute_resources_set(self) -> dict[str, Settings]:
        """Default resources by cluster."""
        return self.defaults.compute_resources

    @property
    def default_resource_scales_set(self) -> dict[str, Settings]:
        """Default scales by cluster."""
        return self.defaults.resource_scales

    def set_default_cluster_name(self, cluster_name: str) -> None:
        """Set the cluster of tasks that name none."""
        self.note_change()
        self.defaults.cluster_name = cluster_name

    def set_default_max_attempts(self, value: int) -> None:
        """Set how often tasks are tried that do not say."""
        self.note_change()
        self.defaults.max_attempts = checked_attempts(value)

    def set_default_compute_resources_from_dict(self, cluster_name: str, dictionary: Mapping[str, Any]) -> None:
        """Replace default resources of a cluster."""
        self.note_change()
        self.defaults.set_compute_resources(cluster_name, dictionary)

    def set_default_resource_scales_from_dict(self, cluster_name: str, dictionary: Mapping[str, Any]) -> None:
        """Replace default scales of a cluster."""
        self.note_change()
        self.defaults.set_resource_scales(cluster_name, checked_scales(dictionary))

    def set_default_compute_resources_from_yaml(self, default_cluster_name: str, yaml_file: str | Path) -> None:
        """Take default resources from the file's `workflow_resources: {<cluster>: ...}`.

        Raises KeyError when the section or the cluster is not there.
        """
        self.note_change()
        self.defaults.compute_resources |= defaults.read_section(
            yaml_file, "workflow_resources", default_cluster_name
        )

    def set_default_resource_scales_from_yaml(self, default_cluster_name: str, yaml_file: str | Path) -> None:
        """Take default scales from the file's `workflow_scales: {<cluster>: ...}`; otherwise as for resources."""
        self.note_change()
        self.defaults.resource_scales |= defaults.read_section(yaml_file, "workflow_scales", default_cluster_name)

    def get_cluster_by_name(self, cluster_name: str) -> wire.ClusterInfo:
        """A cluster that the server knows. Raises UnknownCluster."""
        from jobmon.core.exceptions import UnknownCluster

        known = self.server.call(routes.CLUSTERS, wire.Nothing()).clusters
        for cluster in known:
            if cluster.name == cluster_name:
                return cluster
        names = ", ".join(cluster.name for cluster in known) or "none"
        raise UnknownCluster(f"there is no cluster {cluster_name!r}; there are {names}")

    def drawn(self, iterator: Iterator[Any], count: int) -> list[Any]:
        """The first values of an iterator, which may be asked for again and again."""
        _, values = self._drawn.setdefault(id(iterator), (iterator, []))
        return draw(iterator, values, count)

    def __repr__(self) -> str:
        """Its name and id."""
        number = f" {self._bound.workflow_id}" if self._bound else ""
        return f"<Workflow{number} {self.name or self.workflow_args[:40]!r}>"


def _listed(attributes: Mapping[str, Any] | Iterable[str] | None) -> Any:
    return attributes if attributes is None or isinstance(attributes, Mapping | str) else list(attributes)
