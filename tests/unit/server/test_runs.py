"""Runs: who may begin one, what a resume does to the older one, who holds the lease."""

import os
import subprocess
from collections.abc import Iterator

import pytest

from faults.world import HOST, Node, World
from jobmon.core import wire
from jobmon.core.exceptions import (
    Conflict,
    LeaseLost,
    NotFound,
    RunInProgress,
    WorkflowAlreadyComplete,
    WorkflowAlreadyExists,
    WorkflowRunStateError,
)
from jobmon.server.store import runs


def start(world: World, workflow_id: int | None = None, **parts: object) -> wire.StartRunAnswer:
    fields = {"request_id": "r", "user": "eve", "host": "login2", "pid": 7, "version": "4", **parts}
    request = wire.StartRunRequest(**fields)  # type: ignore[arg-type]
    return world.write(lambda c, at: runs.start(c, workflow_id or world.workflow_id, request, at))


def lease(world: World, holder: str, host: str = HOST, pid: int = 2) -> wire.LeaseAnswer:
    request = wire.LeaseRequest(holder=holder, host=host, pid=pid, version="4")
    return world.write(lambda c, at: runs.take_lease(c, world.runs[-1], request, at))


def statuses(world: World, table: str = "task_instance") -> list[str]:
    return world.column(f"SELECT status FROM {table} ORDER BY id")


@pytest.fixture
def dead_pid() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


@pytest.fixture
def zombie_pid() -> Iterator[int]:
    with subprocess.Popen(["true"]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        yield process.pid


def test_a_run_begins_bound_with_the_workflow_queued_and_tells_what_is_before_it(make_world) -> None:
    world = make_world((Node(), Node()), driven=False)

    answer = start(world)

    assert (answer.previously_complete, answer.total) == (0, 2)
    assert (statuses(world, "workflow_run"), world.status()) == (["B"], "Q")
    assert world.column("SELECT current_run_id FROM workflow") == [answer.workflow_run_id]


@pytest.mark.promise("F08")
def test_a_repeated_start_is_the_same_run_even_when_it_is_over(make_world) -> None:
    world = make_world(driven=False)
    first = start(world)
    again = start(world)
    world.runs.append(first.workflow_run_id)
    world.drain()
    late = start(world)

    assert again == first == late
    assert statuses(world, "workflow_run") == ["D"]


def test_a_workflow_that_does_not_exist_is_not_found(make_world) -> None:
    with pytest.raises(NotFound, match="no workflow 55"):
        start(make_world(), workflow_id=55)


@pytest.mark.promise("F65")
def test_a_second_run_beside_a_live_one_is_refused_with_who_and_since_when(make_world) -> None:
    world = make_world()

    with pytest.raises(RunInProgress, match=r"since 1970-01-12T13:46:40\+00:00 by ann@login1 \(pid 1\)"):
        start(world)
    assert statuses(world, "workflow_run") == ["I"]


def test_a_workflow_that_ran_before_is_only_resumed(make_world) -> None:
    world = make_world()
    world.stop_run()
    world.drain()

    with pytest.raises(WorkflowAlreadyExists, match="resume=True"):
        start(world)
    assert start(world, resume=True).workflow_run_id == 2


def test_a_done_workflow_is_not_run_again(make_world) -> None:
    world = make_world()
    world.drain()

    for resume in (False, True):
        with pytest.raises(WorkflowAlreadyComplete):
            start(world, resume=resume, request_id=f"again {resume}")


@pytest.mark.promise("F63")
def test_a_hot_resume_adopts_what_runs_and_voids_the_older_lease(make_world) -> None:
    world = make_world((Node(), Node()))
    older = world.distributors[0]
    world.cooperate(older, finish=False)
    world.advance(older)

    world.start_run(resume=True, cold=False)
    world.take_lease()
    with pytest.raises(LeaseLost):
        world.sent[-3]()  # the older one's last question, delivered again

    assert statuses(world, "workflow_run") == ["T", "I"]
    assert statuses(world) == ["R", "R"]
    world.drain()
    assert statuses(world, "workflow_run") == ["T", "D"]
    assert world.column("SELECT attempts FROM task") == [1, 1]


def test_a_cold_resume_wants_what_runs_gone_and_runs_it_again(make_world) -> None:
    world = make_world((Node(), Node()))
    world.cooperate(world.distributors[0], finish=False)

    world.start_run(resume=True, cold=True)

    assert statuses(world) == ["K", "K"]
    world.drain()
    assert statuses(world) == ["F", "F", "D", "D"]
    assert world.column("SELECT failures + system_failures FROM task") == [0, 0]


@pytest.mark.promise("F64")
def test_a_second_resume_goes_on_with_a_first_that_was_cut_off(make_world) -> None:
    world = make_world((Node(), Node()))
    world.cooperate(world.distributors[0], finish=False)
    world.start_run(resume=True, cold=True)
    world.start_run(resume=True, cold=False)

    assert statuses(world, "workflow_run") == ["T", "T", "B"]
    world.drain()
    assert (world.status(), statuses(world)) == ("D", ["F", "F", "D", "D"])


def test_a_resume_gives_failed_tasks_their_attempts_back_and_leaves_done_ones_alone(make_world) -> None:
    world = make_world((Node(), Node(max_attempts=1)))
    one = world.distributors[0]
    world.cooperate(one, finish=False)
    world.finish(world.runners[0], "D")
    world.finish(world.runners[1], "E")
    for runner in world.runners:
        world.report(runner)
    world.advance(one)
    assert statuses(world, "task") == ["D", "F"]

    answer = start(world, resume=True)

    assert answer.previously_complete == 1
    assert statuses(world, "task") == ["D", "Q"]
    assert world.column("SELECT failures FROM task") == [0, 0]


def test_a_task_in_its_back_off_is_queued_at_once_by_a_resume(make_world) -> None:
    world = make_world()
    one = world.distributors[0]
    world.cooperate(one, finish=False)
    world.finish(world.runners[0], "X", "infrastructure")
    world.report(world.runners[0])
    world.advance(one)
    assert statuses(world, "task") == ["E"]

    world.start_run(resume=True)

    assert statuses(world, "task") == ["Q"]


def test_a_failure_that_no_run_has_absorbed_is_left_to_the_next_one(make_world) -> None:
    world = make_world((Node(max_attempts=2),))
    world.cooperate(world.distributors[0], finish=False)
    world.finish(world.runners[0], "E")
    world.report(world.runners[0])

    world.start_run(resume=True)
    after_resume = statuses(world, "task")
    world.take_lease()
    world.advance(world.distributors[-1])

    assert after_resume == ["E"]
    assert statuses(world, "task") == ["I"]


def test_a_run_of_a_half_bound_workflow_is_a_conflict(make_world) -> None:
    world = make_world(driven=False)
    world.write(lambda c, at: c.exec_driver_sql("UPDATE workflow SET bound_at = NULL"))

    with pytest.raises(Conflict, match="not bound completely yet"):
        start(world)
    world.write(lambda c, at: c.exec_driver_sql("UPDATE workflow SET bound_at = 1"))


@pytest.mark.promise("F65")
def test_the_lease_belongs_to_one_holder_until_it_is_over(make_world) -> None:
    world = make_world(driven=False)
    world.start_run(resume=False)
    first = lease(world, "a")
    again = lease(world, "a")
    with pytest.raises(LeaseLost, match="distributor 2 on login1"):
        lease(world, "b")
    world.at += runs.LEASE_SECONDS
    second = lease(world, "b")
    with pytest.raises(LeaseLost):
        lease(world, "a")

    assert (first.fence, again.fence, second.fence) == (1, 1, 2)
    assert (statuses(world, "workflow_run"), world.status()) == (["I"], "I")


def test_a_holder_seen_dead_on_this_machine_has_lost_the_lease(make_world, dead_pid: int) -> None:
    world = make_world(driven=False)
    world.start_run(resume=False)
    lease(world, "a", os.uname().nodename, dead_pid)

    assert lease(world, "b").fence == 2


def test_a_holder_that_ended_and_that_nobody_collected_is_dead(make_world, zombie_pid: int) -> None:
    world = make_world(driven=False)
    world.start_run(resume=False)
    lease(world, "a", os.uname().nodename, zombie_pid)

    assert lease(world, "b").fence == 2


def test_a_holder_that_lives_here_or_elsewhere_keeps_the_lease(make_world, dead_pid: int) -> None:
    world = make_world(driven=False)
    world.start_run(resume=False)
    for host, pid in ((os.uname().nodename, os.getpid()), ("elsewhere", dead_pid)):
        lease(world, host, host, pid)
        with pytest.raises(LeaseLost):
            lease(world, "b")
        world.at += runs.LEASE_SECONDS


def test_a_run_that_is_over_has_no_lease_to_give(make_world) -> None:
    world = make_world()
    world.drain()

    with pytest.raises(WorkflowRunStateError, match=r"over \(D"):
        lease(world, "b")
    with pytest.raises(NotFound, match="no workflow run 9"):
        request = wire.LeaseRequest(holder="x", host=HOST, pid=1, version="4")
        world.write(lambda c, at: runs.take_lease(c, 9, request, at))


def test_the_first_order_to_end_stays_and_an_order_after_the_end_changes_nothing(make_world) -> None:
    world = make_world()
    world.write(lambda c, at: runs.end(c, 1, "S", "first"))
    world.write(lambda c, at: runs.end(c, 1, "E", "second"))
    told = world.column("SELECT goal FROM workflow_run") + world.column("SELECT reason FROM workflow_run")
    world.drain()
    world.write(lambda c, at: runs.end(c, 1, "S", "third"))

    assert told == ["S", "first"]
    assert world.column("SELECT reason FROM workflow_run") == ["first"]
    with pytest.raises(NotFound, match="no workflow run 9"):
        world.write(lambda c, at: runs.end(c, 9, "S", ""))
