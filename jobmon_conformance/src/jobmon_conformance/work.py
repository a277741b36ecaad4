"""What the tests have run: tasks of one template, so that one array holds them all."""

import sys
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jobmon.client.api import Tool, task_status
from jobmon.client.task import Task
from jobmon.client.workflow import Workflow
from jobmon.core import routes, wire
from jobmon_conformance.bench import Bench
from jobmon_conformance.home import Home
from jobmon_conformance.until import until
from jobmon_conformance.witness import noted

WAITS = "while [ ! -e release ]; do sleep 0.05; done"
MIB = 2**20
EATS_200_MIB = (  # with a folder `tries`; the first time it keeps them until it is killed
    f'touch tries/$$; {sys.executable} -c \'import os, time; eaten = bytearray(b"x") * (200 * {MIB}); '
    'time.sleep(1000 if len(os.listdir("tries")) == 1 else 1)\''
)
ONCE = "[ -e once ] || { touch once; exec sleep 1000; }"  # the first attempt ends by a limit only, others go on


def workflow_of(bench: Bench, commands: Iterable[str], run: Mapping[str, Any] = {}, **options: Any) -> Workflow:
    """A task for each command, which leaves a witness; `run` is for the workflow, the rest for the tasks."""
    tool = Tool(f"conformance {uuid.uuid4()}")
    step = tool.get_task_template(
        "step", "{command}\n: {number}", node_args=["number"], task_args=["command"], op_args=[]
    )
    workflow = tool.create_workflow(default_cluster_name=bench.cluster, **run)
    for number, command in enumerate(commands):
        workflow.add_task(step.create_task(number=number, command=noted(command), **options))
    return workflow


def to_the_letter(bench: Bench, commands: Mapping[str, str], **options: Any) -> Workflow:
    """A task for each command, which is what it is and nothing more; the keys are the tasks' names."""
    tool = Tool(f"conformance {uuid.uuid4()}")
    step = tool.get_task_template("letter", "{command}", node_args=["command"], task_args=[], op_args=[])
    workflow = tool.create_workflow(default_cluster_name=bench.cluster)
    for name, command in commands.items():
        workflow.add_task(step.create_task(name=name, command=command, **options))
    return workflow


def tasks(workflow: Workflow) -> list[Task]:
    """The tasks in the order in which they were added."""
    return list(workflow.tasks.values())


def attempts(task: Task) -> list[wire.Attempt]:
    """All attempts at a task as the server tells of them."""
    query = wire.TaskDetailQuery(task_id=[task.task_id])
    return task.workflow.server.call(routes.TASK_DETAILS, query).tasks[0].attempts


def output(task: Task, what: str = "STDOUT") -> bytes:
    """What the newest attempt wrote, read from where its status says it is."""
    return Path(task_status(task.task_id)[-1][what]).read_bytes()


def nothing_is_left(bench: Bench, home: Home) -> None:
    """I12: no job of ours is on the cluster, and no process of ours runs but the server."""
    try:
        until(lambda: not bench.alive(home), "the end of all jobs")
    except AssertionError as error:
        raise AssertionError(f"{error}; there are {bench.alive(home)}") from None
    left = home.wait_until_quiet()
    assert not left, f"left running: {left}"
