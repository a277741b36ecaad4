"""Lists of workflows, and of the identities of tasks."""

import pytest
from sqlalchemy.engine import Connection

from fakes.stored_workflow import StoredWorkflow
from jobmon.core.exceptions import InvalidRequest, NotFound
from jobmon.core.wire import Counts, TaskPage, WorkflowQuery
from jobmon.server.store.status import identities, workflows


def listed(connection: Connection, **query: object) -> list[int]:
    found = workflows(connection, WorkflowQuery(**query))  # type: ignore[arg-type]
    return [row.workflow_id for row in found.workflows]


def test_workflows_of_a_user_come_newest_first_and_at_most_the_limit(connection: Connection) -> None:
    ids = [StoredWorkflow(connection, owner="ann").id for _ in range(4)]
    StoredWorkflow(connection, owner="bob")

    assert listed(connection, user=["ann"], limit=3) == ids[:0:-1]


def test_workflows_by_id_are_anybodys(connection: Connection) -> None:
    ann, bob = (StoredWorkflow(connection, owner=owner).id for owner in ("ann", "bob"))
    StoredWorkflow(connection)

    assert listed(connection, workflow_id=[ann, bob]) == [bob, ann]
    assert listed(connection, workflow_id=[ann, bob], user=["ann"]) == [ann]


def test_a_workflow_has_its_counts_its_tool_and_its_run(stored: StoredWorkflow) -> None:
    array = stored.array("fit")
    stored.task(array, "D")
    stored.attempt(stored.task(array, "R"), "R")
    StoredWorkflow(stored.connection).array("other")

    [row] = workflows(stored.connection, WorkflowQuery(workflow_id=[stored.id])).workflows

    assert row.counts == Counts(total=2, running=1, done=1)
    assert (row.name, row.args, row.owner, row.status) == ("study", "a", "ann", "R")
    assert (row.tool, row.workflow_run_id) == (f"tool{stored.number}", stored.run_id)
    assert row.created_at == pytest.approx(stored.at)


def test_unknown_workflows_are_all_named(stored: StoredWorkflow) -> None:
    with pytest.raises(NotFound, match=r"no workflow 77, 88; `jobmon workflow status -u USER`"):
        workflows(stored.connection, WorkflowQuery(workflow_id=[88, stored.id, 77]))


def test_nobodys_workflows_are_an_empty_list(connection: Connection) -> None:
    assert listed(connection, user=["carl"]) == []


def test_a_negative_limit_is_refused(connection: Connection) -> None:
    with pytest.raises(InvalidRequest, match="limit is -1"):
        listed(connection, limit=-1)


def test_identities_come_in_pages_in_the_order_of_ids(stored: StoredWorkflow) -> None:
    array = stored.array("fit")
    tasks = [stored.task(array, status) for status in "DGF"]
    other = StoredWorkflow(stored.connection)
    other.task(other.array("fit"), "G")

    first = identities(stored.connection, stored.id, TaskPage(limit=2))
    second = identities(stored.connection, stored.id, TaskPage(after=first.task_ids[-1], limit=2))
    third = identities(stored.connection, stored.id, TaskPage(after=second.task_ids[-1], limit=2))

    assert first.task_ids + second.task_ids == tasks
    assert first.statuses + second.statuses == ["D", "G", "F"]
    assert first.node_hashes == [f"{task:032x}" for task in tasks[:2]]
    assert third.task_ids == []


def test_identities_of_an_unknown_workflow_are_refused(connection: Connection) -> None:
    with pytest.raises(NotFound, match="no workflow 5"):
        identities(connection, 5, TaskPage())
