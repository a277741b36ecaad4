"""The functions behind the command line, under the name that scripts import."""

from jobmon.client.status import task_status, workflow_status, workflow_tasks

__all__ = ["task_status", "workflow_status", "workflow_tasks"]
