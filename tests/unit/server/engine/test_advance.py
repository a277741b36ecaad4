"""One step of a run: what it answers, when it wants to be asked again, and how a run comes to its end."""

import pytest

from faults.world import Node, World
from jobmon.core import wire
from jobmon.core.exceptions import LeaseLost, NotFound
from jobmon.server.engine import advance as engine
from jobmon.server.engine.advance import Step

ONE = (Node(),)


def step(world: World, **parts: object) -> Step:
    """A step that nobody's books are kept of."""
    one = world.distributors[-1]
    request = wire.AdvanceRequest(fence=one.fence, in_hand=list(one.hand), **parts)
    return world.write(lambda c, at: engine.advance(c, one.run_id, request, at))


def run(world: World, column: str) -> object:
    return world.column(f"SELECT {column} FROM workflow_run ORDER BY id DESC LIMIT 1")[0]


def test_a_step_answers_with_the_batches_to_submit_until_they_are_reported(make_world) -> None:
    world = make_world((Node(), Node(array=1)))
    one = world.distributors[0]
    first = [batch.batch_id for batch in one.hand.values()]
    one.hand.clear()

    again = step(world)
    one.hand = {batch.batch_id: batch for batch in again.answer.submit}
    held = step(world)

    assert [batch.batch_id for batch in again.answer.submit] == first
    assert again.urgent
    assert held.answer.submit == []
    assert not held.urgent


def test_without_the_newest_fence_nothing_is_done(make_world) -> None:
    world = make_world()
    one = world.distributors[0]
    audit = world.column("SELECT COUNT(*) FROM audit")

    for fence in (one.fence - 1, one.fence + 1, -1):
        one.fence = fence
        with pytest.raises(LeaseLost, match="workflow run 1"):
            step(world)
    assert world.column("SELECT COUNT(*) FROM audit") == audit


@pytest.mark.promise("F65")
def test_a_run_that_nobody_took_the_lease_of_cannot_be_driven(make_world) -> None:
    world = make_world(driven=False)
    world.start_run(resume=False)
    fence = run(world, "fence")

    with pytest.raises(LeaseLost):
        world.write(lambda c, at: engine.advance(c, world.runs[0], wire.AdvanceRequest(fence=fence), at))
    assert (run(world, "status"), world.column("SELECT status FROM task")) == ("B", ["G"])


def test_a_run_that_does_not_exist_is_not_found(make_world) -> None:
    world = make_world()

    with pytest.raises(NotFound, match="no workflow run 99"):
        world.write(lambda c, at: engine.advance(c, 99, wire.AdvanceRequest(fence=1), at))


def test_a_step_after_the_end_only_tells_the_status(make_world) -> None:
    world = make_world()
    world.drain()
    request = wire.AdvanceRequest(fence=run(world, "fence"))

    late = world.write(lambda c, at: engine.advance(c, world.runs[0], request, at))

    assert late.answer == wire.AdvanceAnswer(status="D")
    assert late.urgent


def test_each_step_renews_the_lease_and_keeps_the_notice(make_world) -> None:
    world = make_world()
    world.at += 50

    step(world, notice="the queue is full")

    assert run(world, "deadline_at") == world.at + 60
    assert run(world, "notice") == "the queue is full"


def test_a_run_is_error_when_tasks_failed_for_good_and_says_how_many_wait_for_them(make_world) -> None:
    world = make_world((Node(max_attempts=1), Node(frozenset({0}))))
    one = world.distributors[0]
    world.cooperate(one, finish=False)
    world.finish(world.runners[0], "E")
    world.report(world.runners[0])

    world.advance(one)

    assert (one.status, world.status()) == ("E", "F")
    assert run(world, "reason") == "1 tasks failed for good, 1 wait for them"


def test_time_that_is_up_ends_the_run_when_its_attempts_are_gone(make_world) -> None:
    world = make_world(driven=False)
    world.start_run(resume=False, seconds=100)
    world.take_lease()
    one = world.distributors[0]
    world.advance(one)
    world.cooperate(one, finish=False)
    assert step(world).wake_in_seconds == 100

    world.at += 100
    world.advance(one)
    assert (one.status, [job.instance_id for job in one.cancel]) == ("O", [1])
    world.cooperate(one)
    world.advance(one)

    assert (one.status, world.status(), world.column("SELECT status FROM task")) == ("E", "F", ["Q"])
    assert run(world, "reason") == "timeout: seconds_until_timeout went by, 100 s after the run began"


def test_a_run_that_waits_for_its_kills_after_its_time_is_not_asked_again_at_once(make_world) -> None:
    world = make_world(driven=False)
    world.start_run(resume=False, seconds=100)
    world.take_lease()
    one = world.distributors[0]
    world.advance(one)
    world.cooperate(one, finish=False)
    world.at += 200
    world.advance(one)

    waiting = step(world)

    assert [job.instance_id for job in waiting.answer.cancel] == [1]
    assert not waiting.urgent
    assert waiting.wake_in_seconds == engine.CHECK_SECONDS


def test_a_stopped_run_with_nothing_to_look_at_again_waits_for_news(make_world) -> None:
    world = make_world((Node(), Node(frozenset({0}))))
    one = world.distributors[0]
    world.advance(one)

    assert step(world).wake_in_seconds > 1000


@pytest.mark.parametrize("end", ["timeout", "stop"])
def test_a_run_told_to_end_when_all_tasks_are_done_already_is_done(make_world, end: str) -> None:
    world = make_world()
    one = world.distributors[0]
    world.cooperate(one)
    if end == "stop":
        world.stop_run()
    else:
        world.at += 2e6

    world.advance(one)

    assert (one.status, world.status()) == ("D", "D")
    assert run(world, "reason") == ""


def test_fail_fast_kills_what_runs_and_leaves_the_rest_for_a_resume(make_world) -> None:
    world = make_world((Node(max_attempts=1), Node(), Node(frozenset({1}))), driven=False)
    world.start_run(resume=False, fail_fast=True)
    world.take_lease()
    one = world.distributors[0]
    world.advance(one)
    world.cooperate(one, finish=False)
    world.finish(world.runners[0], "E")
    world.report(world.runners[0])

    world.advance(one)
    wanted = [job.instance_id for job in one.cancel]
    world.cooperate(one)
    world.advance(one)

    assert wanted == [world.runners[1].instance_id]
    assert one.status == "E"
    assert world.column("SELECT status FROM task ORDER BY id") == ["F", "Q", "G"]


def test_a_stop_before_anything_was_submitted_needs_no_submission(make_world) -> None:
    world = make_world()
    one = world.distributors[0]
    world.stop_run()

    world.advance(one)
    world.cooperate(one)
    world.advance(one)

    assert (one.status, world.batches) == ("S", {})
    assert world.column("SELECT status FROM task") == ["Q"]


@pytest.mark.promise("F46")
def test_batches_of_an_earlier_holder_are_to_be_looked_for_first(make_world) -> None:
    world = make_world()
    own = [batch.look_first for batch in world.distributors[0].hand.values()]
    world.at += 100
    world.take_lease()

    adopted = step(world).answer.submit

    assert own == [False]
    assert [batch.look_first for batch in adopted] == [True]


def test_a_batch_of_which_nothing_is_left_to_start_is_offered_to_nobody(make_world) -> None:
    world = make_world()
    first = world.distributors[0]
    (batch,) = first.hand.values()
    world.submit(first, batch, answered=False)
    runner = world.start_process((batch.batch_id, 0))
    world.claim(runner)
    world.finish(runner, "E")
    world.report(runner)
    world.at += 100
    world.take_lease()

    answer = step(world).answer

    assert [one.first_instance_id for one in answer.submit] == [2]


@pytest.mark.promise("F75")
def test_limits_changed_while_running_hold_from_the_next_step_on(make_world) -> None:
    world = make_world((Node(),) * 6, limit=2)
    one = world.distributors[0]
    assert sum(batch.size for batch in one.hand.values()) == 2

    world.set_limit(3, "array0")
    raised = step(world).answer.active
    world.set_limit(0)
    for _ in range(3):
        world.cooperate(one)
        world.advance(one)
    paused = (one.status, world.column("SELECT COUNT(*) FROM task WHERE status = 'Q'"))
    world.set_limit(1)
    world.advance(one)

    assert raised == 3
    assert paused == ("R", [3])
    assert world.column("SELECT COUNT(*) FROM task WHERE status = 'I'") == [1]


def test_large_steps_come_in_portions_and_ask_to_be_repeated_at_once(
    make_world, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "PASS_AT_MOST", 2)
    monkeypatch.setattr(engine, "START_AT_MOST", 2)
    monkeypatch.setattr(engine, "ABSORB_AT_MOST", 2)
    world = make_world((*(Node() for _ in range(5)), Node(frozenset(range(5)))), driven=False)
    world.start_run(resume=False)
    world.take_lease()
    one = world.distributors[0]
    steps = [step(world) for _ in range(4)]

    assert [one.answer.more for one in steps] == [True, True, False, False]
    assert [one.answer.active for one in steps] == [2, 4, 5, 5]

    world.advance(one)
    world.cooperate(one)
    absorbed = [step(world).answer.active for _ in range(3)]

    assert absorbed == [3, 1, 1]  # the sixth task came in with the last portion


def test_a_failed_attempt_waits_for_its_time_and_the_step_says_when_that_is(make_world) -> None:
    world = make_world()
    one = world.distributors[0]
    world.cooperate(one, finish=False)
    world.finish(world.runners[0], "X", "infrastructure")
    world.report(world.runners[0])
    world.advance(one)

    waits = step(world)
    world.at += waits.wake_in_seconds
    world.advance(one)

    assert waits.wake_in_seconds == 1
    assert world.column("SELECT status FROM task") == ["I"]
