"""What tasks of a template really used."""

import pytest
from sqlalchemy.engine import Connection

from fakes.stored_workflow import StoredWorkflow
from jobmon.core.exceptions import InvalidRequest, NotFound
from jobmon.core.wire import UsageAnswer, UsageQuery
from jobmon.server import tables
from jobmon.server.store.usage import usage

NOTHING = UsageAnswer(node_args=[], peak_memory_bytes=[], wall_seconds=[], requested_memory_bytes=[])


def done_task(stored: StoredWorkflow, array: int, memory: int) -> int:
    task = stored.task(array, "D")
    stored.attempt(task, "Z", result={"peak_memory_bytes": 1, "wall_seconds": 1.0})
    stored.attempt(task, "D", result={"peak_memory_bytes": memory, "wall_seconds": 2.5})
    return task


def test_usage_is_that_of_the_attempts_that_succeeded(stored: StoredWorkflow) -> None:
    array = stored.array("fit", key="k")
    task = done_task(stored, array, 700)
    stored.attempt(stored.task(array, "F"), "E", result={"peak_memory_bytes": 9, "wall_seconds": 9.0})

    assert usage(stored.connection, UsageQuery(template_version_key="k")) == UsageAnswer(
        node_args=[f'{{"n":{task}}}'],
        peak_memory_bytes=[700],
        wall_seconds=[2.5],
        requested_memory_bytes=[1024**3],
    )


def test_usage_is_chosen_by_workflow_and_by_template_id(connection: Connection) -> None:
    one, two = StoredWorkflow(connection), StoredWorkflow(connection)
    for stored, memory in ((one, 1), (two, 2)):
        done_task(stored, stored.array("fit", key="k"), memory)
    template = connection.execute(tables.template_version.select()).first()
    assert template is not None

    def memory(**query: object) -> list[int | None]:
        return usage(connection, UsageQuery(**query)).peak_memory_bytes  # type: ignore[arg-type]

    assert memory(template_version_key="k") == [1, 2]
    assert memory(template_version_key="k", workflow_id=[two.id]) == [2]
    assert memory(template_version_id=template.id) == [1]


def test_a_template_that_never_ran_has_no_usage(connection: Connection) -> None:
    assert usage(connection, UsageQuery(template_version_key="new")) == NOTHING


def test_an_unknown_template_and_no_template_are_refused(connection: Connection) -> None:
    with pytest.raises(NotFound, match="no template version 12"):
        usage(connection, UsageQuery(template_version_id=12))
    with pytest.raises(InvalidRequest, match="give its id or its key"):
        usage(connection, UsageQuery())
