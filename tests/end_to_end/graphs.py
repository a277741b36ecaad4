"""Small workflows for tests, of commands that leave a witness."""

import sys
from collections.abc import Iterable
from typing import Any

from jobmon.client.task import Task
from jobmon.client.task_template import TaskTemplate
from jobmon.client.tool import Tool
from jobmon.client.workflow import Workflow
from jobmon.core.exceptions import JobmonError
from jobmon_conformance.home import Home
from jobmon_conformance.witness import noted


def template(tool: Tool, name: str = "step", command: str = "true", **options: Any) -> TaskTemplate:
    """A template whose tasks are told apart by `number`; `command` is plain shell text."""
    body = noted(command).replace("{", "{{").replace("}", "}}") + " # {number}"
    return tool.get_task_template(template_name=name, command_template=body, node_args=["number"], **options)


def workflow_of(tool: Tool, tasks: Iterable[Task], **options: Any) -> Workflow:
    """A workflow of these tasks on the local cluster."""
    workflow = tool.create_workflow(**{"default_cluster_name": "local", **options})
    workflow.add_tasks(tasks)
    return workflow


def run_and_say(workflow: Workflow, resume: str | None) -> None:
    """The end of a script that a test reads: the letter, or what refused it. `resume` is hot, cold or None."""
    try:
        status = workflow.run(resume=resume is not None, reset_running_jobs=resume != "hot")
    except JobmonError as error:
        print(type(error).__name__, error, flush=True)
        sys.exit(3)
    print(workflow.workflow_id, status, flush=True)


def numbers(home: Home, word: str) -> list[str]:
    """The numbers of tasks in the order in which their commands said this word."""
    named = dict(home.query("SELECT task_id, name FROM task_spec"))
    return [named[line.task].rpartition("-")[2] for line in home.witness.lines() if line.word == word]


def holds(home: Home, **limits: int) -> None:
    """All invariants, those of the witness too."""
    home.check(limits or None)
    home.witness.check()
