"""The list of a workflow's tasks, and why they wait."""

import pytest
from sqlalchemy.engine import Connection

from fakes.stored_workflow import StoredWorkflow
from jobmon.core.exceptions import InvalidRequest, NotFound
from jobmon.core.wire import TaskList, TaskQuery
from jobmon.server import tables
from jobmon.server.db import now
from jobmon.server.store.tasks import letters, tasks


def ask(stored: StoredWorkflow, *status: str, limit: int = 100) -> TaskList:
    return tasks(stored.connection, stored.id, TaskQuery(status=list(status), limit=limit))


def wait_of(stored: StoredWorkflow, task_id: int) -> str:
    return next(row.waits_for for row in ask(stored).tasks if row.task_id == task_id)


def test_tasks_come_newest_first_and_are_counted_beyond_the_limit(stored: StoredWorkflow) -> None:
    array = stored.array("fit")
    ids = [stored.task(array, "D", name=f"fit_{n}") for n in range(7)]
    other = StoredWorkflow(stored.connection)
    other.task(other.array("fit"), "D")

    answer = ask(stored, limit=5)

    assert [row.task_id for row in answer.tasks] == ids[:1:-1]
    assert [row.name for row in answer.tasks][:2] == ["fit_6", "fit_5"]
    assert answer.matching == 7


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (["PENDING"], "G"),
        (["scheduled"], "QIOAE"),
        (["Running", "done"], "RD"),
        (["FATAL"], "F"),
        (["r", "D"], "RD"),
        ([], "GQIOREADF"),
    ],
)
def test_statuses_are_words_or_letters_in_either_case(
    stored: StoredWorkflow, asked: list[str], found: str
) -> None:
    array = stored.array("fit")
    for status in "GQIOREADF":
        stored.task(array, status)

    answer = ask(stored, *asked)

    assert sorted(row.status for row in answer.tasks) == sorted(found)
    assert answer.matching == len(found)


def test_a_wrong_status_names_those_that_exist() -> None:
    with pytest.raises(InvalidRequest, match="'DOEN'; there are PENDING, SCHEDULED, RUNNING, DONE, FATAL"):
        letters(["DONE", "DOEN"])


def test_a_task_has_the_last_line_of_its_newest_error_and_its_retries(stored: StoredWorkflow) -> None:
    array = stored.array("fit")
    failed = stored.task(array, "F")
    for n in range(3):
        stored.attempt(failed, "E", error=f"Traceback\nerror {n}")
    stored.task(array, "G")

    rows = {row.task_id: row for row in ask(stored).tasks}

    assert (rows[failed].message, rows[failed].attempts, rows[failed].retries) == ("error 2", 3, 2)
    assert [(row.message, row.retries) for id, row in rows.items() if id != failed] == [("", 0)]


def test_a_pending_task_waits_for_so_many_upstreams(stored: StoredWorkflow) -> None:
    array = stored.array("fit")
    several = stored.task(array, "G", gate=stored.gate(remaining=12))
    one = stored.task(array, "G", gate=stored.gate(remaining=1))

    assert wait_of(stored, several) == "waits for 12 upstream tasks"
    assert wait_of(stored, one) == "waits for 1 upstream task"


def test_a_pending_task_behind_a_failed_one_names_it(stored: StoredWorkflow) -> None:
    array = stored.array("fit")
    upstreams = (stored.task(array, "D"), stored.task(array, "F", name="fit_usa"))
    task = stored.task(array, "G", gate=stored.gate(remaining=1, members=upstreams))
    free = stored.task(array, "G", gate=stored.gate(remaining=1, members=upstreams[:1]))

    assert wait_of(stored, task) == "upstream fit_usa is FATAL"
    assert wait_of(stored, free) == "waits for 1 upstream task"


def test_a_task_in_its_back_off_says_for_how_long(stored: StoredWorkflow) -> None:
    begun = now(stored.connection)
    task = stored.task(stored.array("fit"), "E", due_at=begun + 300.4)
    overdue = stored.task(stored.array("merge"), "E", due_at=stored.at - 30)

    said = wait_of(stored, task)
    passed = now(stored.connection) - begun
    assert said in [f"tries again in {left} s" for left in range(300, 298 - int(passed), -1)]
    assert wait_of(stored, overdue) == "tries again in 0 s"


def test_a_queued_task_names_the_limit_that_holds_it_back(stored: StoredWorkflow) -> None:
    narrow, wide = stored.array("narrow", limit=1), stored.array("wide")
    stored.task(narrow, "R")
    behind, free = stored.task(narrow, "Q"), stored.task(wide, "Q")
    unlimited = wait_of(stored, free)
    stored.set(tables.workflow, stored.id, max_concurrently_running=1)

    assert wait_of(stored, behind) == "waits for a slot (limit 1 of narrow)"
    assert unlimited == "waits for a slot"
    assert wait_of(stored, free) == "waits for a slot (limit 1 of the workflow)"


def test_a_task_without_resources_says_so(stored: StoredWorkflow) -> None:
    assert wait_of(stored, stored.task(stored.array("fit"), "A")) == "waits for its resources"


def test_without_a_run_the_way_on_is_named(stored: StoredWorkflow) -> None:
    task = stored.task(stored.array("fit"), "Q")
    stored.set(tables.workflow, stored.id, status="F")

    assert wait_of(stored, task) == f"no run is under way: jobmon workflow resume -w {stored.id}"


@pytest.mark.parametrize("status", "IORDF")
def test_a_started_task_waits_for_nothing(stored: StoredWorkflow, status: str) -> None:
    assert wait_of(stored, stored.task(stored.array("fit"), status)) == ""


def test_an_unknown_workflow_is_named_with_the_way_to_list(connection: Connection) -> None:
    with pytest.raises(NotFound, match=r"no workflow 4; `jobmon workflow status -u USER`"):
        tasks(connection, 4, TaskQuery())
