"""A node: a template version with the arguments that tell its task apart from the template's other tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jobmon.core.hashing import node_hash

if TYPE_CHECKING:
    from jobmon.client.task_template_version import TaskTemplateVersion


class Node:
    """Only `Task(...)` is given one by hand; tasks made by a template do without."""

    __slots__ = ("node_args", "task_template_version")

    def __init__(self, task_template_version: TaskTemplateVersion, node_args: Mapping[str, Any]) -> None:
        """`node_args` has a value for each of the version's node arguments."""
        self.task_template_version = task_template_version
        self.node_args = dict(node_args)

    @property
    def node_hash(self) -> bytes:
        """The node's identity (16 bytes)."""
        return node_hash(self.task_template_version.key, self.node_args)
