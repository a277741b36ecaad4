"""Limits and attributes that people change."""

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from fakes.stored_workflow import StoredWorkflow
from jobmon.core.constants import MAX_CONCURRENTLY_RUNNING
from jobmon.core.exceptions import InvalidRequest, NotFound
from jobmon.core.wire import AttributesRequest, LimitRequest
from jobmon.server import tables
from jobmon.server.store.admin import set_limit, set_task_attributes, set_workflow_attributes


def limits(stored: StoredWorkflow) -> list[int]:
    read = stored.connection.execute
    own = sa.select(tables.workflow.c.max_concurrently_running).where(tables.workflow.c.id == stored.id)
    arrays = sa.select(tables.array.c.max_concurrently_running).order_by(tables.array.c.id)
    return [*read(own).scalars(), *read(arrays).scalars()]


def attributes(connection: Connection, table: sa.Table) -> set[tuple[object, ...]]:
    return {tuple(row) for row in connection.execute(sa.select(table))}


def test_a_limit_is_the_workflows_or_one_templates(stored: StoredWorkflow) -> None:
    stored.array("fit")
    stored.array("merge")
    set_limit(stored.connection, stored.id, LimitRequest(max_concurrently_running=50))
    set_limit(stored.connection, stored.id, LimitRequest(max_concurrently_running=0, array="merge"))

    assert limits(stored) == [50, MAX_CONCURRENTLY_RUNNING, 0]


def test_a_limit_may_be_set_again(stored: StoredWorkflow) -> None:
    for _ in range(2):
        set_limit(stored.connection, stored.id, LimitRequest(max_concurrently_running=7))

    assert limits(stored) == [7]


def test_an_unknown_template_names_those_that_exist(stored: StoredWorkflow) -> None:
    stored.array("fit")
    stored.array("merge")

    with pytest.raises(NotFound, match=r"no template 'fits'; it has fit, merge"):
        set_limit(stored.connection, stored.id, LimitRequest(max_concurrently_running=1, array="fits"))


@pytest.mark.parametrize("limit", [-1, 2**63])
def test_an_impossible_limit_is_refused(stored: StoredWorkflow, limit: int) -> None:
    with pytest.raises(InvalidRequest, match="max_concurrently_running is"):
        set_limit(stored.connection, stored.id, LimitRequest(max_concurrently_running=limit))


def test_attributes_are_added_and_replaced_and_others_stay(stored: StoredWorkflow) -> None:
    other = StoredWorkflow(stored.connection)
    set_workflow_attributes(stored.connection, other.id, AttributesRequest(attributes={"a": "other"}))
    set_workflow_attributes(stored.connection, stored.id, AttributesRequest(attributes={"a": "1", "b": "2"}))
    set_workflow_attributes(stored.connection, stored.id, AttributesRequest(attributes={"a": None, "c": "3"}))

    assert attributes(stored.connection, tables.workflow_attribute) == {
        (other.id, "a", "other"),
        (stored.id, "a", None),
        (stored.id, "b", "2"),
        (stored.id, "c", "3"),
    }


def test_tasks_have_attributes_too(stored: StoredWorkflow) -> None:
    task = stored.task(stored.array("fit"), "G")
    for value in ("1", "2"):
        set_task_attributes(stored.connection, task, AttributesRequest(attributes={"rows": value}))
    set_task_attributes(stored.connection, task, AttributesRequest(attributes={}))

    assert attributes(stored.connection, tables.task_attribute) == {(task, "rows", "2")}


@pytest.mark.parametrize("attribute", [{"": "x"}, {"n" * 256: "x"}, {"n": "x" * 256}])
def test_an_attribute_that_no_database_holds_is_refused(
    stored: StoredWorkflow, attribute: dict[str, str | None]
) -> None:
    with pytest.raises(InvalidRequest, match="255 characters"):
        set_workflow_attributes(stored.connection, stored.id, AttributesRequest(attributes=attribute))


def test_whoever_does_not_exist_gets_nothing(connection: Connection) -> None:
    request = AttributesRequest(attributes={"a": "b"})

    with pytest.raises(NotFound, match="no workflow 8"):
        set_workflow_attributes(connection, 8, request)
    with pytest.raises(NotFound, match="no task 8"):
        set_task_attributes(connection, 8, request)
    with pytest.raises(NotFound, match="no workflow 8"):
        set_limit(connection, 8, LimitRequest(max_concurrently_running=1))
    assert attributes(connection, tables.workflow_attribute) == set()
