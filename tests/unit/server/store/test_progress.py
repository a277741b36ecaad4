"""What somebody who follows a run is told."""

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from fakes.stored_workflow import StoredWorkflow
from jobmon.core.exceptions import NotFound
from jobmon.core.wire import Counts, WatchAnswer, WatchRequest
from jobmon.server import tables
from jobmon.server.store.outputs import last_line
from jobmon.server.store.progress import watch


def ask(stored: StoredWorkflow, after: int = 0) -> WatchAnswer:
    return watch(stored.connection, stored.run_id, WatchRequest(failures_after=after))


def test_counts_are_the_words_of_the_counters_for_each_template_and_in_all(stored: StoredWorkflow) -> None:
    fit, merge = stored.array("fit"), stored.array("merge")
    for status in "GGQEAIODF":
        stored.task(fit, status)
    stored.attempt(stored.task(merge, "R"), "R")

    answer = ask(stored)

    assert [array.name for array in answer.arrays] == ["fit", "merge"]
    assert answer.arrays[0].counts == Counts(total=9, pending=2, scheduled=5, running=0, done=1, fatal=1)
    assert answer.arrays[1].counts == Counts(total=1, running=1)
    assert answer.counts == Counts(total=10, pending=2, scheduled=5, running=1, done=1, fatal=1)


def test_retries_are_attempts_beyond_the_first(stored: StoredWorkflow) -> None:
    task = stored.task(stored.array("fit"), "R")
    stored.attempt(task, "E")
    stored.attempt(task, "R")

    assert ask(stored).counts == Counts(total=1, running=1, retries=1)


def test_attempts_of_another_workflow_are_not_counted(stored: StoredWorkflow) -> None:
    other = StoredWorkflow(stored.connection)
    other.attempt(other.task(other.array("fit"), "R"), "R")

    assert ask(stored).counts == Counts()


def test_counting_looks_at_no_tasks(stored: StoredWorkflow) -> None:
    stored.task(stored.array("fit"), "D")
    asked: list[str] = []
    sa.event.listen(stored.connection, "before_cursor_execute", lambda *event: asked.append(event[2]))

    ask(stored)

    assert len(asked) <= 8
    assert not [text for text in asked if "FROM task " in text and "deferred" not in text]


def test_the_version_stays_while_nothing_changes_and_time_goes_by(stored: StoredWorkflow) -> None:
    stored.task(stored.array("fit"), "Q")
    first = ask(stored)
    stored.set(tables.workflow_run, stored.run_id, created_at=stored.at - 900)

    second = ask(stored)

    assert second.elapsed_seconds > first.elapsed_seconds + 800
    assert second.version == first.version != ""


@pytest.mark.parametrize(
    "change",
    [
        {"status": "D"},
        {"notice": "queue is full"},
        {"reason": "stopped"},
        {"deadline_at": 0.0},
        {"holder_pid": 78},
    ],
)
def test_the_version_changes_with_the_run(stored: StoredWorkflow, change: dict[str, object]) -> None:
    before = ask(stored).version
    stored.set(tables.workflow_run, stored.run_id, **change)

    assert ask(stored).version != before


def test_the_version_changes_with_counts_and_failures_and_deferred_tasks(stored: StoredWorkflow) -> None:
    array = stored.array("fit")
    versions = [ask(stored).version]
    task = stored.task(array, "F")
    versions.append(ask(stored).version)
    stored.attempt(task, "E", error="boom")
    versions.append(ask(stored).version)
    task = stored.task(array, "A", deferred=True)
    versions.append(ask(stored).version)

    assert len(set(versions)) == 4


def test_the_version_does_not_depend_on_what_the_asker_knows(stored: StoredWorkflow) -> None:
    stored.attempt(stored.task(stored.array("fit"), "F"), "E", error="boom")
    answer = ask(stored)

    assert ask(stored, answer.failures_upto).version == answer.version


def test_a_failure_is_told_once_with_its_last_line_and_its_file(stored: StoredWorkflow) -> None:
    task = stored.task(stored.array("fit"), "F", name="fit_usa")
    instance = stored.attempt(task, "E", error="Traceback\n  ...\nValueError: no rows\n\n")

    first = ask(stored)
    second = ask(stored, first.failures_upto)

    [failed] = first.failures
    assert (failed.task_id, failed.name, failed.task_instance_id) == (task, "fit_usa", instance)
    assert failed.message == "ValueError: no rows"
    assert failed.stderr_path.startswith(f"/runs/workflow-{stored.id}/batch-")
    assert failed.stderr_path.endswith(f"/fit_usa.e{instance}")
    assert second.failures == []
    assert second.failures_upto == first.failures_upto


def test_only_the_newest_attempt_of_a_failed_task_is_told_and_one_error_of_it(stored: StoredWorkflow) -> None:
    task = stored.task(stored.array("fit"), "F")
    stored.attempt(task, "E", error="first")
    instance = stored.attempt(task, "E", error="second")
    stored.error(task, instance, "second, again")

    assert [failed.message for failed in ask(stored).failures] == ["second, again"]


def test_a_task_that_will_be_tried_again_is_no_failure(stored: StoredWorkflow) -> None:
    array = stored.array("fit")
    stored.attempt(stored.task(array, "E"), "E", error="passing")
    stored.task(array, "F")

    answer = ask(stored)

    assert answer.failures == []
    assert answer.failures_upto > 0


def test_a_failure_that_the_engine_has_not_absorbed_is_not_skipped(stored: StoredWorkflow) -> None:
    """Otherwise the cursor of a later failure would hide it for ever."""
    array = stored.array("fit")
    late = stored.task(array, "E", name="late")
    stored.completion(late, stored.attempt(late, "E", error="late"), "E")
    stored.attempt(stored.task(array, "F", name="early"), "E", error="early")
    before = ask(stored)
    stored.connection.execute(sa.delete(tables.completion))
    stored.set(tables.task, late, status="F")

    after = ask(stored, before.failures_upto)

    told = [failed.name for answer in (before, after) for failed in answer.failures]
    assert sorted(told) == ["early", "late"]


def test_at_most_twenty_failures_are_told_and_those_are_the_newest(stored: StoredWorkflow) -> None:
    array = stored.array("fit")
    tasks = [stored.task(array, "F") for _ in range(25)]
    for task in tasks:
        stored.attempt(task, "E", error="boom")

    assert [failed.task_id for failed in ask(stored).failures] == tasks[:-21:-1]


def test_a_failure_without_an_attempt_has_no_file(stored: StoredWorkflow) -> None:
    task = stored.task(stored.array("fit"), "F")
    stored.error(task, 0, "the callable returned 3")

    [failed] = ask(stored).failures
    assert (failed.task_instance_id, failed.stderr_path) == (None, "")
    assert failed.message == "the callable returned 3"


def test_deferred_are_the_ready_tasks_whose_resources_nobody_knows(stored: StoredWorkflow) -> None:
    array = stored.array("fit")
    wanted = stored.task(array, "A", deferred=True)
    stored.task(array, "G", deferred=True)
    stored.task(array, "A")

    assert ask(stored).deferred == [wanted]


def test_a_run_that_is_over_asks_for_nothing_and_its_clock_stands(stored: StoredWorkflow) -> None:
    stored.task(stored.array("fit"), "A", deferred=True)
    stored.set(tables.workflow_run, stored.run_id, status="S", status_at=stored.at - 20, reason="stopped")

    answer = ask(stored)

    assert (answer.status, answer.reason) == ("S", "stopped")
    assert answer.deferred == []
    assert not answer.distributor_alive
    assert answer.elapsed_seconds == pytest.approx(40)


def test_a_distributor_whose_lease_ran_out_is_not_alive(stored: StoredWorkflow) -> None:
    alive = ask(stored)
    stored.set(tables.workflow_run, stored.run_id, deadline_at=stored.at - 1)

    assert (alive.distributor_alive, alive.distributor) == (True, "login1 pid 77")
    assert not ask(stored).distributor_alive


def test_notices_are_lines(stored: StoredWorkflow) -> None:
    stored.set(tables.workflow_run, stored.run_id, notice="QOSMaxJobsPerUser\nquota")

    assert ask(stored).notices == ["QOSMaxJobsPerUser", "quota"]


def test_an_unknown_run_is_named_with_the_way_to_list(connection: Connection) -> None:
    with pytest.raises(NotFound, match=r"no workflow run 9; `jobmon workflow status -u USER`"):
        watch(connection, 9, WatchRequest())


@pytest.mark.parametrize(("text", "line"), [("a\nb", "b"), ("a\n \n", "a"), ("", ""), ("\n", "")])
def test_the_last_line_is_the_last_that_says_something(text: str, line: str) -> None:
    assert last_line(text) == line


def test_of_a_long_error_only_the_end_is_read(stored: StoredWorkflow) -> None:
    task = stored.task(stored.array("fit"), "F")
    stored.attempt(task, "E", error="x" * 100_000 + "\nthe end, ü")

    assert ask(stored).failures[0].message == "the end, ü"
