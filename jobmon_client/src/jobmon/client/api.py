"""What most scripts import: `from jobmon.client.api import Tool`."""

from jobmon.client.attributes import add_task_attributes
from jobmon.client.status import task_status, workflow_status, workflow_tasks
from jobmon.client.tool import Tool

__all__ = ["Tool", "add_task_attributes", "task_status", "workflow_status", "workflow_tasks"]
