"""Tasks with their attempts, and the errors of a workflow."""

import pytest
from sqlalchemy.engine import Connection

from fakes.stored_workflow import StoredWorkflow
from jobmon.core.exceptions import InvalidRequest, NotFound
from jobmon.core.wire import ErrorQuery, TaskDetail, TaskDetailQuery
from jobmon.server import tables
from jobmon.server.store.attempts import errors, task_details


def ask(stored: StoredWorkflow, *task_ids: int, status: tuple[str, ...] = ()) -> list[TaskDetail]:
    query = TaskDetailQuery(task_id=list(task_ids), status=list(status))
    return task_details(stored.connection, query).tasks


def test_a_task_has_all_its_attempts_oldest_first(stored: StoredWorkflow) -> None:
    task = stored.task(stored.array("fit"), "D", name="fit_usa")
    usage = {"exit_code": 137, "peak_memory_bytes": 900, "cpu_seconds": 3.0, "wall_seconds": 4.0}
    first = stored.attempt(task, "Z", error="out of memory", result=usage)
    second = stored.attempt(task, "D")

    [found] = ask(stored, task)

    assert (found.name, found.status, found.command) == ("fit_usa", "D", f"run {task}")
    assert (found.workflow_id, found.max_attempts) == (stored.id, 3)
    assert [attempt.task_instance_id for attempt in found.attempts] == [first, second]
    attempt = found.attempts[0]
    assert (attempt.number, attempt.status, attempt.exit_code) == (1, "Z", 137)
    assert (attempt.peak_memory_bytes, attempt.cpu_seconds, attempt.wall_seconds) == (900, 3.0, 4.0)
    assert (attempt.cluster, attempt.job_id, attempt.node) == ("local", f"job{first}", "n1")
    assert attempt.workflow_run_id == stored.run_id
    assert (attempt.requested.memory_bytes, attempt.requested.runtime_seconds) == (1024**3, 60)
    assert [error.description for error in attempt.errors] == ["out of memory"]
    assert found.attempts[1].errors == []
    assert found.attempts[1].exit_code is None


def test_an_attempts_times_are_what_its_row_can_tell(stored: StoredWorkflow) -> None:
    array = stored.array("fit")
    running, waiting, ended, lost = (stored.task(array, status) for status in "ROFE")
    stored.attempt(running, "R")
    stored.attempt(waiting, "O")
    stored.attempt(ended, "E", result={"wall_seconds": 5.0})
    stored.attempt(lost, "X")

    times = [
        (row.attempts[0].started_at, row.attempts[0].ended_at) for row in ask(stored, *range(running, lost + 1))
    ]

    at = stored.at
    assert times == [(at, None), (None, None), (at - 5, at), (None, at)]


def test_output_stands_where_the_task_asked(stored: StoredWorkflow) -> None:
    array = stored.array("fit")
    plain, chosen = stored.task(array, "R", name="a"), stored.task(array, "R", name="b")
    first = stored.attempt(plain, "R", requested="{}")
    second = stored.attempt(chosen, "R", requested='{"options":{"stdout":"/logs"}}')

    attempts = [row.attempts[0] for row in ask(stored, plain, chosen)]

    assert attempts[0].stdout_path.startswith(f"/runs/workflow-{stored.id}/batch-")
    assert attempts[0].stdout_path.endswith(f"/a.o{first}")
    assert attempts[1].stdout_path == f"/logs/b.o{second}"
    assert attempts[1].stderr_path.startswith(f"/runs/workflow-{stored.id}/")


def test_an_attempt_in_a_job_array_has_its_place_in_it(stored: StoredWorkflow) -> None:
    task = stored.task(stored.array("fit"), "R")
    instance = stored.attempt(task, "R")
    [batch] = stored.connection.execute(tables.batch.select()).all()
    stored.set(tables.batch, batch.id, job_id="5012", size=10, first_instance_id=instance - 7)

    assert ask(stored, task)[0].attempts[0].job_id == "5012_7"


def test_tasks_come_in_the_order_of_their_ids_and_once(stored: StoredWorkflow) -> None:
    array = stored.array("fit")
    first, second = stored.task(array, "G"), stored.task(array, "D")

    assert [row.task_id for row in ask(stored, second, first, second)] == [first, second]
    assert [row.task_id for row in ask(stored, second, first, status=("done",))] == [second]


def test_unknown_tasks_are_all_named(stored: StoredWorkflow) -> None:
    task = stored.task(stored.array("fit"), "G")

    with pytest.raises(NotFound, match=r"no task 1, 2; `jobmon workflow tasks -w ID`"):
        ask(stored, 2, task, 1)


def test_a_wrong_status_is_refused(stored: StoredWorkflow) -> None:
    with pytest.raises(InvalidRequest, match="no task status 'X'"):
        ask(stored, status=("X",))


def test_errors_are_those_of_the_newest_attempt_that_failed_newest_task_first(stored: StoredWorkflow) -> None:
    array = stored.array("fit")
    a, b, done = stored.task(array, "F"), stored.task(array, "R"), stored.task(array, "D")
    stored.attempt(a, "E", error="a, first")
    newest = stored.attempt(b, "E", error="b, first")
    stored.attempt(b, "R")
    stored.attempt(done, "E", error="passing")
    second = stored.attempt(a, "E", error="a, second")
    stored.error(a, second, "a, second, more")

    found = errors(stored.connection, stored.id, ErrorQuery()).tasks

    assert [(row.task_id, row.task_instance_id) for row in found] == [(a, second), (b, newest)]
    assert [entry.description for entry in found[0].errors] == ["a, second", "a, second, more"]
    assert found[0].errors[0].error_time == pytest.approx(stored.at)


def test_errors_stop_at_the_limit(stored: StoredWorkflow) -> None:
    array = stored.array("fit")
    for _ in range(4):
        stored.attempt(stored.task(array, "F"), "E", error="boom")

    assert len(errors(stored.connection, stored.id, ErrorQuery(limit=3)).tasks) == 3


def test_errors_of_an_unknown_workflow_are_refused(connection: Connection) -> None:
    with pytest.raises(NotFound, match="no workflow 3"):
        errors(connection, 3, ErrorQuery())
