"""Workflows of the shapes that are measured, built as a user's script would."""

from collections.abc import Sequence

from jobmon.client.api import Tool
from jobmon.client.task import Task
from jobmon.client.task_template import TaskTemplate
from jobmon.client.workflow import Workflow
from jobmon.core.constants import MAX_CONCURRENTLY_RUNNING


def build(
    shape: str,
    size: int,
    cluster: str = "dummy",
    command: str = "work --item {i}",
    args: str = "",
    max_concurrently_running: int = MAX_CONCURRENTLY_RUNNING,
) -> Workflow:
    """A workflow of `size` tasks."""
    tool = Tool(name="bench")
    workflow = tool.create_workflow(
        name=shape,
        workflow_args=args,
        default_cluster_name=cluster,
        max_concurrently_running=max_concurrently_running,
    )
    workflow.add_tasks(_SHAPES[shape](tool, size, command))
    return workflow


def _template(tool: Tool, name: str, command: str) -> TaskTemplate:
    return tool.get_task_template(template_name=name, command_template=command, node_args=["i"])


def _independent(tool: Tool, size: int, command: str) -> Sequence[Task]:
    return _template(tool, "work", command).create_tasks(i=range(size))


def _fan_out(tool: Tool, size: int, command: str) -> Sequence[Task]:
    root = _template(tool, "root", command).create_task(i=0)
    return [root, *_template(tool, "work", command).create_tasks(i=range(size - 1), upstream_tasks=[root])]


def _fan_in(tool: Tool, size: int, command: str) -> Sequence[Task]:
    work = _template(tool, "work", command).create_tasks(i=range(size - 1))
    return [*work, _template(tool, "join", command).create_task(i=0, upstream_tasks=work)]


def _map_map_reduce(tool: Tool, size: int, command: str) -> Sequence[Task]:
    first = _template(tool, "first", command).create_tasks(i=range((size - 1) // 2))
    template = _template(tool, "second", command)
    second = [template.create_task(i=i, upstream_tasks=[task]) for i, task in enumerate(first)]
    return [*first, *second, _template(tool, "reduce", command).create_task(i=0, upstream_tasks=second)]


def _all_to_all(tool: Tool, size: int, command: str) -> Sequence[Task]:
    first = _template(tool, "first", command).create_tasks(i=range(size // 2))
    return [
        *first,
        *_template(tool, "second", command).create_tasks(i=range(size - size // 2), upstream_tasks=first),
    ]


def _chain(tool: Tool, size: int, command: str) -> Sequence[Task]:
    template = _template(tool, "link", command)
    tasks = [template.create_task(i=0)]
    for i in range(1, size):
        tasks.append(template.create_task(i=i, upstream_tasks=[tasks[-1]]))
    return tasks


_SHAPES = {
    "independent": _independent,
    "fan-out": _fan_out,
    "fan-in": _fan_in,
    "map-map-reduce": _map_map_reduce,
    "all-to-all": _all_to_all,
    "chain": _chain,
}
