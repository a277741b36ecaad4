"""Validation: everything that can be wrong with a workflow, found before anything is stored."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from jobmon.client.bind import duplicates
from jobmon.client.clusters import Clusters
from jobmon.client.columns import texts
from jobmon.client.dag import Gates, check_acyclic
from jobmon.client.resolved import Resolver
from jobmon.core.exceptions import EmptyWorkflowError

if TYPE_CHECKING:
    from jobmon.client.workflow import Workflow

_BLOCK = 20_000


def problems(workflow: Workflow, strict: bool, raise_on_error: bool) -> list[str]:
    """One sentence for each thing that is wrong; with `raise_on_error` the first one is raised."""
    tasks = workflow.task_list
    resolver = Resolver(workflow, Clusters(workflow.connection), strict)
    checks: list[Callable[[], object]] = [
        lambda: _check_not_empty(workflow),
        lambda: check_acyclic(Gates(tasks, workflow), tasks),
        lambda: _check_texts(workflow),
    ]
    checks += [partial(resolver.__getitem__, options) for options in dict.fromkeys(t._options for t in tasks)]
    found: list[str] = []
    for check in checks:
        try:
            check()
        except (ValueError, TypeError, EmptyWorkflowError) as error:
            if raise_on_error:
                raise
            found.append(str(error))
    return list(dict.fromkeys(found))


def _check_not_empty(workflow: Workflow) -> None:
    if not workflow.task_list:
        raise EmptyWorkflowError(f"{workflow!r} has no tasks: add some with add_tasks")


def _check_texts(workflow: Workflow) -> None:
    """Every name and command can be made, and no two tasks are the same."""
    tasks = workflow.task_list
    hashes = [
        node_hash
        for first in range(0, len(tasks), _BLOCK)
        for node_hash in texts(tasks[first : first + _BLOCK]).node_hash
    ]
    if len(set(hashes)) < len(hashes):
        raise duplicates(tasks, hashes)
