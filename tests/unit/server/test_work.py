"""Claims, signs of life and outcomes, as they come from whoever runs commands."""

import msgspec
import pytest

from faults.world import RULES, Node, Runner, World
from jobmon.core import wire
from jobmon.core.exceptions import Forbidden, InvalidRequest, InvalidStateTransition
from jobmon.server.store import work
from jobmon.server.store.reconcile import PENDING_SECONDS

TWO = (Node(), Node())


def running(world: World) -> Runner:
    """The first attempt runs; its batch is launched."""
    runner = started(world)
    world.claim(runner)
    return runner


def started(world: World) -> Runner:
    """A process was started for the first attempt and has not claimed it yet."""
    one = world.distributors[0]
    for batch in list(one.hand.values()):
        world.submit(one, batch)
    world.advance(one)
    return world.start_process(world.waiting_slots()[0])


def another(world: World, runner: Runner) -> Runner:
    """A second process for the same attempt."""
    world.requeue(runner)
    return world.start_process((runner.batch_id, runner.index))


def status(world: World, runner: Runner) -> str:
    return world.column(f"SELECT status FROM task_instance WHERE id = {runner.instance_id}")[0]


def deadline(world: World, runner: Runner) -> float:
    return world.column(f"SELECT deadline_at FROM task_instance WHERE id = {runner.instance_id}")[0]


def ask(world: World, runner: str, **parts: object) -> wire.WorkAnswer:
    """Talk with the server under the name of a runner; errors come through."""
    request = msgspec.convert({"runner": runner, "node": "n2", "sequence": 99, **parts}, wire.WorkRequest)
    return world.write(lambda c, at: work.work(c, request, RULES, at))[0]


def claim(runner: Runner) -> dict[str, int]:
    return {"batch_id": runner.batch_id, "start": runner.index}


def test_a_claim_is_granted_with_all_that_is_needed_to_start(make_world) -> None:
    world = make_world()
    runner = started(world)

    answer = ask(world, "r1", claims=[claim(runner)])

    assert answer.denials == []
    (grant,) = answer.grants
    assert (grant.index, grant.instance_id, grant.attempt) == ([0], [runner.instance_id], [1])
    assert (grant.name, grant.command, grant.workflow_id) == (["t0"], ["true"], world.workflow_id)
    assert grant.stdout_dir == f"/runs/workflow-{world.workflow_id}/batch-{runner.batch_id}"
    assert len(grant.token[0]) == 32
    assert status(world, runner) == "R"
    assert world.column("SELECT status FROM task") == ["R"]


@pytest.mark.promise("F08")
def test_a_repeated_claim_of_the_same_runner_is_granted_again_and_changes_nothing(make_world) -> None:
    world = make_world()
    runner = started(world)
    first = ask(world, "r1", claims=[claim(runner)])
    audit = world.column("SELECT COUNT(*) FROM audit")

    again = ask(world, "r1", claims=[claim(runner)])

    assert again.grants == first.grants
    assert world.column("SELECT COUNT(*) FROM audit") == audit


@pytest.mark.promise("F28")
def test_a_second_copy_waits_while_the_first_may_live_and_goes_when_the_attempt_is_over(make_world) -> None:
    world = make_world()
    runner = running(world)
    copy = another(world, runner)

    waits = ask(world, copy.id, claims=[claim(copy)])

    assert [(one.verdict, one.retry_after_seconds > 0) for one in waits.denials] == [("wait", True)]
    assert waits.grants == []

    world.finish(runner, "D")
    world.report(runner)
    gone = ask(world, copy.id, claims=[claim(copy)])

    assert [one.verdict for one in gone.denials] == ["gone"]
    assert gone.grants == []


def test_a_claim_of_an_attempt_that_is_wanted_gone_is_told_to_go(make_world) -> None:
    world = make_world()
    runner = started(world)
    world.stop_run()
    world.advance(world.distributors[0])

    answer = ask(world, runner.id, claims=[claim(runner)])

    assert [one.verdict for one in answer.denials] == ["gone"]


@pytest.mark.promise("F27")
def test_an_attempt_suspected_before_anybody_claimed_it_can_still_be_claimed(make_world) -> None:
    world = make_world()
    runner = started(world)
    world.at += PENDING_SECONDS + 1
    world.advance(world.distributors[0])
    assert status(world, runner) == "T"

    world.claim(runner)

    assert runner.state == "running"
    assert status(world, runner) == "R"


def test_a_suspected_attempt_that_runs_is_not_given_to_a_second_runner(make_world) -> None:
    world = make_world()
    runner = running(world)
    world.at += 300
    world.advance(world.distributors[0])
    assert status(world, runner) == "T"
    copy = another(world, runner)

    answer = ask(world, copy.id, claims=[claim(copy)])

    assert [one.verdict for one in answer.denials] == ["wait"]


@pytest.mark.promise("F28")
def test_a_copy_that_the_cluster_started_after_the_first_fell_silent_makes_room_for_a_new_attempt(
    make_world,
) -> None:
    world = make_world()
    runner = running(world)
    world.at += 300
    world.advance(world.distributors[0])
    copy = another(world, runner)
    world.claim(copy)
    assert (copy.state, status(world, runner)) == ("starting", "T")

    world.at += 31
    world.claim(copy)
    world.heartbeat(runner)
    world.advance(world.distributors[0])

    assert (copy.state, status(world, runner)) == ("gone", "X")
    assert runner.outcome.failure_class == "killed"
    assert world.column("SELECT system_failures FROM task") == [1]
    assert world.column("SELECT status FROM task") == ["E"]


def test_a_claim_outside_of_the_batch_or_of_none_is_refused(make_world) -> None:
    world = make_world(TWO)
    runner = started(world)

    for wrong in ({"start": 2}, {"start": -1}, {"start": 0, "count": 3}, {"start": 0, "count": 0}):
        with pytest.raises(InvalidRequest, match=r"indices 0\.\.1"):
            ask(world, "r1", claims=[{"batch_id": runner.batch_id, **wrong}])
    with pytest.raises(InvalidRequest, match="no batch 77"):
        ask(world, "r1", claims=[{"batch_id": 77, "start": 0}])


def test_a_runner_without_a_name_is_refused(make_world) -> None:
    world = make_world()
    runner = started(world)

    with pytest.raises(InvalidRequest, match="`runner` is empty"):
        ask(world, "", claims=[claim(runner)])


def test_a_token_of_another_runner_or_attempt_is_refused_and_nothing_is_written(make_world) -> None:
    world = make_world(TWO)
    runner = running(world)
    outcome = {"instance_id": runner.instance_id, "token": runner.token, "status": "D"}

    for name, changed in (("other", {}), (runner.id, {"token": "0" * 32}), (runner.id, {"instance_id": 2})):
        with pytest.raises(Forbidden, match="was not granted"):
            ask(world, name, outcomes=[outcome | changed])
    assert status(world, runner) == "R"
    assert world.column("SELECT COUNT(*) FROM completion") == [0]


def test_an_outcome_that_is_no_end_is_refused(make_world) -> None:
    world = make_world()
    runner = running(world)

    with pytest.raises(InvalidRequest, match="'R' is not an end"):
        ask(world, runner.id, outcomes=[{"instance_id": runner.instance_id, "token": runner.token, "status": "R"}])
    with pytest.raises(InvalidStateTransition, match="R to W"):
        ask(world, runner.id, outcomes=[{"instance_id": runner.instance_id, "token": runner.token, "status": "W"}])


@pytest.mark.promise("F09")
def test_a_repeated_outcome_is_counted_as_late_and_has_no_effect(make_world) -> None:
    world = make_world()
    runner = running(world)
    outcome = {"instance_id": runner.instance_id, "token": runner.token, "status": "D", "cpu_seconds": 1.5}

    first = ask(world, runner.id, outcomes=[outcome])
    again = ask(world, runner.id, outcomes=[outcome, outcome | {"status": "E", "message": "no"}])

    assert (first.late, again.late) == (0, 2)
    assert world.column("SELECT status FROM task") == ["D"]
    assert world.column("SELECT COUNT(*) FROM completion") == [1]
    assert world.column("SELECT cpu_seconds FROM attempt_result") == [1.5]
    assert world.column("SELECT COUNT(*) FROM error_log") == [0]
    world.witness.append(f"{runner.instance_id} {runner.id} end")


@pytest.mark.promise("F09")
def test_heartbeats_put_the_deadline_off_and_older_ones_are_ignored(make_world) -> None:
    world = make_world()
    runner = running(world)
    world.at += 100
    ask(world, runner.id, alive=[runner.instance_id], sequence=7)
    put_off = deadline(world, runner)
    world.at += 100

    ask(world, runner.id, alive=[runner.instance_id], sequence=6)

    assert put_off == world.at - 100 + RULES.silence_seconds
    assert deadline(world, runner) == put_off


@pytest.mark.promise("F09")
def test_an_old_heartbeat_does_not_clear_a_suspicion_and_a_new_one_does(make_world) -> None:
    world = make_world()
    runner = running(world)
    ask(world, runner.id, alive=[runner.instance_id], sequence=7)
    world.at += 300
    world.advance(world.distributors[0])

    ask(world, runner.id, alive=[runner.instance_id], sequence=7)
    after_old = status(world, runner)
    ask(world, runner.id, alive=[runner.instance_id], sequence=8)

    assert after_old == "T"
    assert status(world, runner) == "R"
    assert deadline(world, runner) == world.at + RULES.silence_seconds


@pytest.mark.promise("F10")
def test_a_heartbeat_after_the_end_or_of_a_stranger_says_stop_and_changes_nothing(make_world) -> None:
    world = make_world(TWO)
    runner = running(world)
    ended = {"instance_id": runner.instance_id, "token": runner.token, "status": "E", "message": "no"}
    ask(world, runner.id, outcomes=[ended])

    late = ask(world, runner.id, alive=[runner.instance_id])
    strange = ask(world, "stranger", alive=[runner.instance_id, 2, 999])

    assert late.stop == [runner.instance_id]
    assert strange.stop == [runner.instance_id, 2, 999]
    assert world.column("SELECT status FROM task_instance ORDER BY id") == ["E", "O"]


def test_a_runner_learns_by_its_heartbeat_that_its_attempt_must_stop(make_world) -> None:
    world = make_world()
    runner = running(world)
    world.start_run(resume=True, cold=True)

    answer = ask(world, runner.id, alive=[runner.instance_id])

    assert answer.stop == [runner.instance_id]
    assert status(world, runner) == "K"


@pytest.mark.promise("F10")
def test_done_before_anybody_said_that_it_runs_is_believed(make_world) -> None:
    world = make_world()
    runner = started(world)
    one = world.distributors[0]
    one.observed = [wire.Observed(instance_id=runner.instance_id, state="over", status="D")]

    world.advance(one)

    assert status(world, runner) == "D"
    assert one.status == "D"
    world.witness += [f"{runner.instance_id} x start", f"{runner.instance_id} x end"]


def test_a_kill_that_somebody_here_asked_for_queues_the_task_again_and_one_from_outside_does_not(
    make_world,
) -> None:
    world = make_world()
    ours = running(world)
    world.start_run(resume=True, cold=True)
    world.finish(ours, "F", "killed")
    world.report(ours)
    world.take_lease()
    one = world.distributors[-1]
    world.advance(one)
    classes = world.column("SELECT failure_class FROM attempt_result")
    assert (classes, world.column("SELECT status FROM task")) == (["killed"], ["I"])

    world.cooperate(one, finish=False)
    theirs = next(runner for runner in world.runners if runner.state == "running")
    world.finish(theirs, "F", "killed")
    world.report(theirs)
    world.advance(one)

    assert world.column("SELECT failure_class FROM attempt_result ORDER BY task_instance_id") == [
        "killed",
        "cancelled",
    ]
    assert (world.column("SELECT status FROM task"), one.status) == (["F"], "E")


def test_outcomes_are_taken_before_claims_of_the_same_request(make_world) -> None:
    world = make_world(TWO)
    runner = running(world)
    outcome = {"instance_id": runner.instance_id, "token": runner.token, "status": "D"}
    world.witness.append(f"{runner.instance_id} {runner.id} end")

    answer = ask(
        world, runner.id, outcomes=[outcome], claims=[{"batch_id": runner.batch_id, "start": 0, "count": 2}]
    )

    assert [one.verdict for one in answer.denials] == ["gone"]
    assert [grant.index for grant in answer.grants] == [[1]]


def test_a_done_attempt_stays_done_when_the_run_ends_or_is_resumed(make_world) -> None:
    world = make_world(TWO)
    runner = running(world)
    world.finish(runner, "D")
    world.report(runner)
    world.stop_run()
    world.advance(world.distributors[0])
    world.start_run(resume=True, cold=True)

    assert status(world, runner) == "D"
