"""What bounds a run: how many tasks at a time, the first failure, its time; and stopping it."""

import pytest

from end_to_end.graphs import holds, template, workflow_of
from jobmon.client.api import Tool
from jobmon.client.workflow import Workflow
from jobmon.core import routes, wire
from jobmon.core.exceptions import RunTimeout
from jobmon_conformance.home import Home, wait_for

PARALLELISM = 6
SHORT = "until [ -e release ]; do sleep 0.05; done; sleep 0.05"
HELD = "until [ -e release ] || rm leave 2> /dev/null; do sleep 0.05; done"  # for a sign that one may end


@pytest.fixture
def wide(here: Home, monkeypatch: pytest.MonkeyPatch) -> Home:
    """More slots than this machine has cores, so that only the limits of the workflow bound it."""
    monkeypatch.setenv("JOBMON__LOCAL__PARALLELISM", str(PARALLELISM))
    return here


def running(home: Home) -> int:
    """How many commands run, as far as they tell."""
    return home.witness.starts().total() - len(home.witness.ends())


def run_released(home: Home, workflow: Workflow, at_once: int) -> None:
    """Run it to its end; the commands that wait (`SHORT`) go on when so many run."""
    workflow.run(wait=False)
    wait_for(lambda: running(home) >= at_once, f"{at_once} at a time")
    (home.folder / "release").touch()
    wait_for(lambda: home.run_status() == "D", "the end of the run")


def let_end(home: Home, count: int = 1) -> None:
    """Let so many of the commands that wait (`HELD`) end, one after another."""
    for done in range(len(home.witness.ends()) + 1, len(home.witness.ends()) + count + 1):
        (home.folder / "leave").touch()
        wait_for(lambda done=done: len(home.witness.ends()) == done, f"end {done}")


@pytest.mark.promise("F75")
def test_the_limit_of_a_workflow_is_never_exceeded(wide: Home) -> None:
    tasks = template(tool := Tool("limit"), command=SHORT).create_tasks(number=range(20))

    run_released(wide, workflow_of(tool, tasks, max_concurrently_running=2), 2)

    assert wide.witness.most_at_once() == 2
    wide.check({"": 2})
    wide.witness.check()


@pytest.mark.promise("F75")
def test_the_limit_of_a_template_holds_for_its_tasks_only(wide: Home) -> None:
    tool = Tool("limit")
    narrow = template(tool, "narrow", SHORT).create_tasks(number=range(10), max_concurrently_running=1)
    free = template(tool, "free", SHORT).create_tasks(number=range(10))
    run_released(wide, workflow_of(tool, [*narrow, *free]), PARALLELISM)

    wide.check({"narrow": 1})
    own = {task.task_id for task in narrow}
    running = 0
    for line in wide.witness.lines():
        running += (line.task in own) * (1 if line.word == "start" else -1)
        assert running <= 1
    assert wide.witness.most_at_once() == PARALLELISM


@pytest.mark.promise("F75")
@pytest.mark.parametrize("which", ["workflow", "template"])
def test_a_limit_may_be_changed_while_the_run_goes_on(wide: Home, which: str) -> None:
    step = template(tool := Tool("live"), command=HELD)
    workflow = workflow_of(tool, step.create_tasks(number=range(40)), max_concurrently_running=5)
    witness = wide.witness

    def set_limit(limit: int) -> None:
        if which == "workflow":
            workflow.set_max_concurrently_running(limit)
        else:
            workflow.set_task_template_max_concurrency_limit("step", limit)

    workflow.run(wait=False)
    wait_for(lambda: running(wide) == 5, "five at a time")
    set_limit(1)
    let_end(wide, 4)
    active = "SELECT COUNT(*) FROM task WHERE status IN ('I', 'O', 'R')"
    wait_for(lambda: wide.value(active) == 1, "the new limit to be felt")
    narrow = witness.count()
    for _ in range(3):
        let_end(wide)
        wait_for(lambda: running(wide) == 1, "the next")
    slow = witness.most_at_once(after=narrow)
    set_limit(4)
    wait_for(lambda: witness.most_at_once(after=narrow) == 4, "four at a time")
    (wide.folder / "release").touch()
    wait_for(lambda: wide.run_status() == "D", "the end")

    assert slow == 1
    assert witness.most_at_once(after=narrow) == 4
    wide.check({"": 5})
    witness.check()


def test_fail_fast_ends_with_the_first_failure_and_leaves_the_rest_for_a_resume(wide: Home) -> None:
    tool = Tool("fast")
    bad = template(tool, "bad", "[ -e mended ]").create_task(number=0, max_attempts=1)
    rest = template(tool, "rest", "until [ -e mended ]; do sleep 0.05; done").create_tasks(number=range(30))
    workflow = workflow_of(tool, [bad, *rest])
    status = workflow.run(fail_fast=True)

    assert status == "E"
    assert "fail_fast" in workflow.result.reason
    assert workflow.result.failed_task_ids == (bad.task_id,)
    assert len(wide.witness.starts()) <= PARALLELISM + 1  # the one that failed has left its slot
    holds(wide)

    (wide.folder / "mended").touch()
    assert workflow.run(resume=True) == "D"
    holds(wide)


def test_a_run_that_takes_too_long_raises_and_its_commands_are_ended(here: Home) -> None:
    step = template(tool := Tool("late"), command="[ -e mended ] || sleep 1000")
    workflow = workflow_of(tool, step.create_tasks(number=range(4)))

    with pytest.raises(RunTimeout, match="seconds_until_timeout"):
        workflow.run(seconds_until_timeout=2)
    assert here.run_status() == "E"
    wait_for(lambda: not {line.pid for line in here.witness.lines()} & here.processes().keys(), "their end")
    holds(here)

    (here.folder / "mended").touch()
    assert workflow.run(resume=True) == "D"
    holds(here)


def test_a_time_out_is_an_error_for_those_who_catch_runtime_errors_too() -> None:
    assert issubclass(RunTimeout, RuntimeError)


@pytest.mark.promise("F64")
def test_a_stopped_run_can_be_resumed(here: Home) -> None:
    step = template(tool := Tool("stopped"), command="[ -e go ] || sleep 1000")
    workflow = workflow_of(tool, step.create_tasks(number=range(4)), workflow_args="stopped")
    workflow.run(wait=False)
    wait_for(lambda: here.witness.count() >= 2, "running commands")
    request = wire.EndRequest(reason="a test stops it")
    workflow.server.call(routes.END, request, run_id=workflow.last_workflow_run_id)
    wait_for(lambda: here.run_status() == "S", "the end of the run")

    assert set(here.column("SELECT status FROM task")) <= {"G", "Q"}
    assert set(here.column("SELECT status FROM task_instance")) == {"F"}
    holds(here)
    (here.folder / "go").touch()
    assert workflow.run(resume=True) == "D"
    holds(here)


def test_a_detached_run_ends_by_itself(here: Home) -> None:
    step = template(tool := Tool("detached"), command="while [ ! -e go ]; do sleep 0.05; done")
    workflow = workflow_of(tool, step.create_tasks(number=range(2)))
    status = workflow.run(wait=False)
    (here.folder / "go").touch()

    assert status in "BIOR"
    wait_for(lambda: here.run_status() == "D", "the end")
    holds(here)
