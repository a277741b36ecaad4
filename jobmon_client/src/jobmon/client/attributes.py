"""Attributes of a task that is running, set from within its own command."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from jobmon.client.connection import connect
from jobmon.client.task import checked_attributes
from jobmon.core import routes, wire


def add_task_attributes(task_attributes: Mapping[str, Any] | Sequence[str], task_id: int | None = None) -> None:
    """Label a task; without `task_id` the one whose command this is (JOBMON_TASK_ID in the environment).

    Raises ValueError outside a task when no id is given, and for a name or value of more than 255 characters.
    """
    if task_id is None:
        text = os.environ.get("JOBMON_TASK_ID", "")
        if not text.isdecimal():
            raise ValueError("JOBMON_TASK_ID is not set, so this is no task's command; give task_id=")
        task_id = int(text)
    sent = wire.AttributesRequest(attributes=checked_attributes(task_attributes) or {})
    connect().server.call(routes.TASK_ATTRIBUTES, sent, task_id=task_id)
