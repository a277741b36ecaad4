"""Places on the cluster that are lent: a worker whose command was short takes further attempts of its batch."""

import pytest

from faults.world import RULES, Distributor, Node, Runner, World
from jobmon.core import wire
from jobmon.server.engine.advance import SPARE_SECONDS, Step, advance
from jobmon.server.store import work

FOUR = (Node(),) * 4


def driver(world: World) -> Distributor:
    return world.distributors[-1]


def launched(world: World) -> Runner:
    """Four attempts are on the cluster as one array; the first is about to end well."""
    one = driver(world)
    (batch,) = one.hand.values()
    world.submit(one, batch)
    world.advance(one)
    runner = world.start_process((batch.batch_id, 0))
    world.claim(runner)
    world.finish(runner, "D")
    return runner


def lent(world: World) -> Runner:
    """The first worker runs the fourth attempt in its own place."""
    runner = launched(world)
    world.report(runner, goes_on=True)
    assert runner.state == "running"
    return runner


def statuses(world: World) -> list[str]:
    return world.column("SELECT status FROM task_instance ORDER BY id")


def places(world: World) -> list[int | None]:
    first = world.column("SELECT MIN(id) FROM task_instance")[0]
    return [place and place - first for place in world.column("SELECT place FROM task_instance ORDER BY id")]


def say(world: World, instance_id: int, state: str, **parts: object) -> None:
    driver(world).observed = [wire.Observed(instance_id=instance_id, state=state, **parts)]
    world.advance(driver(world))


def request(runner: Runner, **parts: object) -> wire.WorkRequest:
    claim = wire.Claim(batch_id=runner.batch_id, start=runner.index, further=True)
    return wire.WorkRequest(runner=runner.id, node="n1", sequence=99, claims=[claim], **parts)


def ask(world: World, sent: wire.WorkRequest) -> wire.WorkAnswer:
    return world.write(lambda c, at: work.work(c, sent, RULES, at))[0]


def suspected(world: World, runner: Runner) -> None:
    """The cluster has the worker's place no more, and the time for another sign of life is over."""
    say(world, runner.instance_id - 3, "ended")
    world.at += 200
    world.advance(driver(world))


def test_a_good_end_is_answered_with_the_last_attempt_that_nobody_has_started(make_world) -> None:
    world = make_world(FOUR)

    runner = lent(world)

    assert statuses(world) == ["D", "O", "O", "R"]
    assert places(world) == [None, None, None, 0]
    assert runner.instance_id == world.column("SELECT MAX(id) FROM task_instance")[0]


def test_it_goes_on_until_none_is_left(make_world) -> None:
    world = make_world(FOUR)
    runner = launched(world)

    for _ in range(3):
        world.report(runner, goes_on=True)
        world.finish(runner, "D")
    answer = ask(world, request(runner, outcomes=[runner.outcome]))

    assert (answer.grants, [one.verdict for one in answer.denials]) == ([], ["gone"])
    assert statuses(world) == ["D"] * 4
    assert len(set(world.witness)) == 8


@pytest.mark.promise("F08 F09")
def test_a_repeated_request_gets_the_same_attempt_again_and_no_other(make_world) -> None:
    world = make_world(FOUR)
    runner = launched(world)
    sent = request(runner, outcomes=[runner.outcome])

    first, second = ask(world, sent), ask(world, sent)

    assert first.grants == second.grants
    assert statuses(world) == ["D", "O", "O", "R"]

    (grant,) = first.grants
    world.witness += [f"{grant.instance_id[0]} {runner.id} {word}" for word in ("start", "end")]
    done = wire.Outcome(instance_id=grant.instance_id[0], token=grant.token[0], status="D")
    ask(world, wire.WorkRequest(runner=runner.id, node="n1", sequence=100, outcomes=[done]))
    late = ask(world, sent)

    assert (late.grants, late.late) == ([], 1)
    assert statuses(world) == ["D", "O", "O", "D"]


@pytest.mark.promise("F28")
def test_a_job_that_starts_in_a_place_that_is_spare_is_told_to_go(make_world) -> None:
    world = make_world(FOUR)
    runner = lent(world)
    late = world.start_process((runner.batch_id, 3))

    world.claim(late)

    assert late.state == "gone"
    assert statuses(world) == ["D", "O", "O", "R"]


def test_attempts_that_are_wanted_gone_or_not_yet_launched_are_not_lent(make_world) -> None:
    world = make_world(FOUR)
    one = driver(world)
    (batch,) = one.hand.values()
    world.submit(one, batch)
    runner = world.start_process((batch.batch_id, 0))
    world.claim(runner)
    world.finish(runner, "D")

    world.report(runner, goes_on=True)

    assert runner.state == "gone"
    assert statuses(world) == ["D", "I", "I", "I"]


def test_a_stopped_run_lends_nothing(make_world) -> None:
    world = make_world(FOUR)
    runner = launched(world)
    world.stop_run()
    world.advance(driver(world))

    world.report(runner, goes_on=True)

    assert runner.state == "gone"
    assert statuses(world) == ["D", "K", "K", "K"]


def test_spare_places_are_told_until_they_were_heard_of(make_world) -> None:
    world = make_world(FOUR)
    runner = lent(world)

    def tell(mark: int) -> Step:
        sent = wire.AdvanceRequest(fence=driver(world).fence, spare_mark=mark)
        return world.write(lambda c, at: advance(c, driver(world).run_id, sent, at))

    at_once = tell(0)
    assert not at_once.urgent
    assert 0 < at_once.wake_in_seconds <= SPARE_SECONDS
    world.at += SPARE_SECONDS
    told = tell(0)

    assert told.urgent
    assert [(job.batch_id, job.index, job.job_id) for job in told.answer.spare] == [(runner.batch_id, 3, "job1")]
    assert tell(0).answer.spare == told.answer.spare
    heard = tell(told.answer.spare_mark)
    assert (heard.answer.spare, heard.urgent) == ([], False)
    assert tell(0).answer.spare == []


def test_the_end_of_a_spare_place_says_nothing_of_its_attempt(make_world) -> None:
    world = make_world(FOUR)
    runner = lent(world)

    say(world, runner.instance_id, "ended")
    say(world, runner.instance_id, "over", status="F", failure_class="fatal", message="it will never start")
    say(world, runner.instance_id, "gone")

    assert statuses(world) == ["D", "O", "O", "R"]


@pytest.mark.promise("F29")
def test_with_the_worker_the_attempt_in_its_place_is_lost_whatever_the_exit_code(make_world) -> None:
    world = make_world(FOUR)
    runner = lent(world)

    suspected(world, runner)

    assert statuses(world) == ["D", "O", "O", "T"]
    (job,) = driver(world).suspects
    assert (job.instance_id, job.index, job.started) == (runner.instance_id, 0, True)

    say(world, job.instance_id, "over", status="D", exit_code=0)

    assert statuses(world)[:4] == ["D", "O", "O", "X"]
    assert "without a word" in world.column("SELECT description FROM error_log ORDER BY id")[-1]


@pytest.mark.promise("F35")
def test_who_cancels_the_place_by_hand_cancels_the_attempt_in_it(make_world) -> None:
    world = make_world(FOUR)
    runner = lent(world)
    suspected(world, runner)

    say(world, runner.instance_id, "over", status="F", failure_class="killed", message="CANCELLED")

    assert statuses(world) == ["D", "O", "O", "F"]
    assert world.column("SELECT failure_class FROM attempt_result ORDER BY task_instance_id") == ["", "cancelled"]


def test_what_is_wanted_gone_is_wanted_gone_where_it_runs(make_world) -> None:
    world = make_world(FOUR)
    runner = lent(world)
    world.stop_run()
    world.advance(driver(world))

    assert sorted((job.instance_id - runner.instance_id, job.index) for job in driver(world).cancel) == [
        (-2, 1),
        (-1, 2),
        (0, 0),
    ]
