"""What people ask, and the few things they may change."""

from jobmon.core import routes
from jobmon.core.ids import TaskId, WorkflowId
from jobmon.core.wire import (
    AttributesRequest,
    Done,
    ErrorQuery,
    LimitRequest,
    TaskDetailQuery,
    TaskDetails,
    TaskList,
    TaskQuery,
    UsageAnswer,
    UsageQuery,
    WorkflowErrors,
    WorkflowList,
    WorkflowQuery,
)
from jobmon.server.serve import handles
from jobmon.server.service import Service
from jobmon.server.store import admin, attempts, status, tasks, usage


@handles(routes.WORKFLOWS)
def workflows(service: Service, sent: WorkflowQuery) -> WorkflowList:
    """List workflows."""
    return service.read(lambda c: status.workflows(c, sent))


@handles(routes.TASKS)
def list_tasks(service: Service, sent: TaskQuery, workflow_id: WorkflowId) -> TaskList:
    """List tasks of a workflow; their errors are for those who may read them."""
    is_shown = service.caller.may_inspect("workflow", workflow_id)
    return service.read(lambda c: tasks.tasks(c, workflow_id, sent, errors=is_shown))


@handles(routes.TASK_DETAILS)
def details(service: Service, sent: TaskDetailQuery) -> TaskDetails:
    """Show tasks with their attempts."""
    return service.read(lambda c: attempts.task_details(c, sent))


@handles(routes.ERRORS)
def errors(service: Service, sent: ErrorQuery, workflow_id: WorkflowId) -> WorkflowErrors:
    """List errors of a workflow."""
    return service.read(lambda c: attempts.errors(c, workflow_id, sent))


@handles(routes.USAGE)
def measured(service: Service, sent: UsageQuery) -> UsageAnswer:
    """Measured usage of a template's tasks, in workflows that the caller may look into."""
    return service.read(lambda c: usage.usage(c, sent, service.caller.shown_owners(c)))


@handles(routes.LIMIT)
def limit(service: Service, sent: LimitRequest, workflow_id: WorkflowId) -> Done:
    """Change a limit of a live workflow."""
    service.write(lambda c, at: admin.set_limit(c, workflow_id, sent))
    service.signals.tell([workflow_id])
    return Done()


@handles(routes.WORKFLOW_ATTRIBUTES)
def workflow_attributes(service: Service, sent: AttributesRequest, workflow_id: WorkflowId) -> Done:
    """Set attributes of a workflow."""
    service.write(lambda c, at: admin.set_workflow_attributes(c, workflow_id, sent))
    return Done()


@handles(routes.TASK_ATTRIBUTES)
def task_attributes(service: Service, sent: AttributesRequest, task_id: TaskId) -> Done:
    """Set attributes of a task."""
    service.write(lambda c, at: admin.set_task_attributes(c, task_id, sent))
    return Done()
