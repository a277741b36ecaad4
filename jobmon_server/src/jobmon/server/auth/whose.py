"""What a request is about: the things that its path or its body names, with their owners.

Requests about things that only the database can tell are judged where it is asked: BIND in `store.bind.announce`,
WORK in `store.work`, USAGE and TASKS in their views.
"""

from collections.abc import Mapping

from jobmon.core.wire import Request, TaskDetailQuery
from jobmon.server.auth.doorkeeper import Doorkeeper
from jobmon.server.auth.principal import Thing
from jobmon.server.store import owners

_KINDS = {"workflow_id": "workflow", "run_id": "run", "task_id": "task"}


def of_path(doorkeeper: Doorkeeper, ids: Mapping[str, int]) -> list[Thing]:
    """What the path names; asked before the body is read. Raises NotFound."""
    return [doorkeeper.thing(_KINDS[name], id) for name, id in ids.items()] if doorkeeper.site else []


def of_body(doorkeeper: Doorkeeper, sent: Request) -> list[Thing]:
    """What the body names. Raises NotFound."""
    if doorkeeper.site is None or not isinstance(sent, TaskDetailQuery):
        return []
    asked = doorkeeper.ask(lambda connection: owners.of_tasks(connection, sent.task_id))
    return [doorkeeper.owned(f"task {task_id}", owner) for owner, task_id in asked.items()]
