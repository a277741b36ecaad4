"""The functions behind the command line, under the name that scripts import."""

from jobmon.client.resume import resume_workflow_from_id
from jobmon.client.status import task_status, workflow_status, workflow_tasks

__all__ = ["resume_workflow_from_id", "task_status", "workflow_status", "workflow_tasks"]
