"""What the cluster says, by way of the distributor, of batches and of attempts that are silent."""

import pytest

from faults.world import RULES, Distributor, Node, Runner, World, refusal
from jobmon.core import wire
from jobmon.server.engine.advance import HEARTBEAT_SECONDS
from jobmon.server.store.reconcile import GRACE_SECONDS, PENDING_SECONDS
from jobmon.server.store.work import work
from unit.server.conftest import MakeWorld

TWO = (Node(), Node())


def statuses(world: World, table: str = "task_instance") -> list[str]:
    return world.column(f"SELECT status FROM {table} ORDER BY id")


def driver(world: World) -> Distributor:
    return world.distributors[-1]


def batch_of(world: World) -> wire.Batch:
    return next(iter(driver(world).hand.values()))


def paced(make_world: MakeWorld, tasks: int, **pace: int) -> World:
    """A driven world of independent tasks on a cluster that takes batches at this pace."""
    world = make_world(tuple(Node() for _ in range(tasks)), driven=False)
    world.paces = [wire.Pace(cluster="toy", **pace)]
    world.start_run(resume=False)
    world.take_lease()
    world.advance(driver(world))
    return world


def launch(world: World) -> wire.Batch:
    batch = batch_of(world)
    world.submit(driver(world), batch)
    world.advance(driver(world))
    return batch


def say(world: World, instance_id: int, state: str, **parts: object) -> None:
    """The distributor reports what it saw."""
    driver(world).observed = [wire.Observed(instance_id=instance_id, state=state, **parts)]
    world.advance(driver(world))


def suspected(world: World, claimed: bool = True) -> None:
    """The first attempt is silent past its deadline."""
    launch(world)
    if claimed:
        world.claim(world.start_process(world.waiting_slots()[0]))
    world.at += RULES.silence_seconds + PENDING_SECONDS
    world.advance(driver(world))
    assert statuses(world)[0] == "T"


def test_a_launched_batch_has_its_job_id_and_its_attempts_wait_on_the_cluster(make_world) -> None:
    world = make_world(TWO)
    launch(world)

    assert statuses(world) == ["O", "O"] == statuses(world, "task")
    assert world.column("SELECT job_id FROM batch") == ["job1"]
    assert (world.run_status(), world.status()) == ("O", "O")


def test_attempts_that_started_before_their_launch_was_reported_go_on(make_world) -> None:
    world = make_world(TWO)
    batch = batch_of(world)
    world.submit(driver(world), batch)
    world.claim(world.start_process((batch.batch_id, 1)))

    world.advance(driver(world))

    assert statuses(world) == ["O", "R"] == statuses(world, "task")


@pytest.mark.promise("F08")
def test_a_repeated_launch_changes_nothing_and_neither_does_a_refusal_after_it(make_world) -> None:
    world = make_world(TWO)
    batch = launch(world)
    one = driver(world)
    audit = world.column("SELECT COUNT(*) FROM audit")

    one.launched = [wire.Launched(batch_id=batch.batch_id, job_id="another")]
    one.refused = [refusal(batch, "fatal")]
    world.advance(one)

    assert world.column("SELECT job_id FROM batch") == ["job1"]
    assert world.column("SELECT COUNT(*) FROM audit") == audit


@pytest.mark.promise("F54")
@pytest.mark.parametrize(
    "failure_class, ended, task, failures",
    [
        ("infrastructure", "W", "E", (0, 1)),
        ("policy", "W", "E", (0, 0)),
        ("fatal", "F", "F", (0, 0)),
        ("resource", "W", "I", (1, 0)),
    ],
)
def test_a_refused_batch_ends_its_attempts_and_its_class_decides(
    make_world, failure_class: str, ended: str, task: str, failures: tuple
) -> None:
    world = make_world(TWO)
    world.refuse(driver(world), batch_of(world), failure_class)

    world.advance(driver(world))

    assert statuses(world)[:2] == [ended, ended]
    assert statuses(world, "task") == [task, task]
    assert world.column("SELECT failures FROM task") + world.column("SELECT system_failures FROM task") == [
        *(failures[0],) * 2,
        *(failures[1],) * 2,
    ]
    assert world.column("SELECT description FROM error_log") == ["no", "no"]


def test_refusal_reaches_only_what_has_not_started_and_the_rest_is_looked_after(make_world) -> None:
    """The cluster said no and took it all the same: what runs is real."""
    world = make_world(TWO)
    batch = batch_of(world)
    world.submit(driver(world), batch, answered=False)
    runner = world.start_process((batch.batch_id, 0))
    world.claim(runner)
    driver(world).refused = [refusal(batch, "infrastructure")]
    driver(world).hand.clear()
    world.advance(driver(world))
    assert statuses(world) == ["R", "W"]

    world.crash(runner)
    world.at += RULES.silence_seconds + 1
    world.advance(driver(world))

    assert [job.instance_id for job in driver(world).suspects] == [1]
    say(world, 1, "gone")
    assert statuses(world)[:2] == ["X", "W"]


def test_reports_about_batches_and_attempts_of_another_workflow_are_not_heard(make_world) -> None:
    world = make_world()
    batch = batch_of(world)
    one = driver(world)
    one.launched = [wire.Launched(batch_id=99, job_id="x")]
    one.refused = [
        refusal(wire.Batch(**{f: getattr(batch, f) for f in batch.__struct_fields__} | {"batch_id": 98}), "fatal")
    ]
    one.observed = [wire.Observed(instance_id=97, state="gone")]

    world.advance(one)

    assert statuses(world) == ["I"]


@pytest.mark.promise("F27")
def test_silence_is_a_suspicion_and_no_verdict(make_world) -> None:
    world = make_world()
    suspected(world)

    for state in ("unknown", "running", "unknown"):
        say(world, 1, state)
        assert (statuses(world), statuses(world, "task")) == (["T"], ["R"])
    assert [job.instance_id for job in driver(world).suspects] == [1]


def test_a_suspected_attempt_that_nobody_claimed_and_that_waits_on_the_cluster_waits_on(make_world) -> None:
    world = make_world()
    suspected(world, claimed=False)

    say(world, 1, "pending")

    assert statuses(world) == ["O"]
    assert world.column("SELECT deadline_at FROM task_instance") == [world.at + PENDING_SECONDS]
    assert driver(world).suspects == []


@pytest.mark.promise("F29")
@pytest.mark.parametrize("state", ["gone", "over"])
def test_an_attempt_proven_gone_is_tried_again_without_costing_one_of_the_users(make_world, state: str) -> None:
    world = make_world((Node(max_attempts=1),))
    suspected(world)
    world.crash(world.runners[0])

    say(world, 1, state, message="NODE_FAIL on n1")

    assert statuses(world) == ["X"]
    assert statuses(world, "task") == ["E"]
    assert world.column("SELECT system_failures FROM task") == [1]
    assert world.column("SELECT description FROM error_log") == ["NODE_FAIL on n1"]


@pytest.mark.parametrize(
    "status, failure_class, kept, task",
    [
        ("Z", "", "resource", "I"),
        ("E", "", "user", "I"),
        ("U", "", "infrastructure", "E"),
        ("F", "cancelled", "cancelled", "F"),
        ("F", "", "fatal", "F"),
        ("D", "", "", "D"),
    ],
)
def test_how_it_ended_is_believed_where_the_worker_said_nothing(
    make_world, status: str, failure_class: str, kept: str, task: str
) -> None:
    world = make_world()
    launch(world)

    say(world, 1, "over", status=status, failure_class=failure_class, exit_code=9, peak_memory_bytes=5)

    assert statuses(world)[0] == status
    assert statuses(world, "task") == [task]
    assert world.column("SELECT failure_class FROM attempt_result") == [kept]
    assert world.column("SELECT exit_code FROM attempt_result") == [9]
    if status == "D":
        world.witness += ["1 x start", "1 x end"]


@pytest.mark.promise("F10")
def test_what_is_over_already_stays_as_the_worker_told_it(make_world) -> None:
    world = make_world()
    launch(world)
    runner = world.start_process(world.waiting_slots()[0])
    world.claim(runner)
    world.finish(runner, "D")
    world.report(runner)

    say(world, 1, "gone")

    assert statuses(world) == ["D"] == statuses(world, "task")


@pytest.mark.promise("F50")
def test_what_is_wanted_gone_is_asked_for_until_it_is_seen_gone(make_world) -> None:
    world = make_world(TWO)
    launch(world)
    world.stop_run()

    for _ in range(3):
        world.advance(driver(world))
        assert [job.instance_id for job in driver(world).cancel] == [1, 2]
    say(world, 1, "gone")

    assert [job.instance_id for job in driver(world).cancel] == [2]
    assert statuses(world) == ["F", "K"]
    assert world.column("SELECT failure_class FROM attempt_result") == ["killed"]


def running(world: World) -> Runner:
    """The first attempt runs, and its worker gave a sign of life just now."""
    launch(world)
    runner = world.start_process(world.waiting_slots()[0])
    world.claim(runner)
    return runner


@pytest.mark.promise("F29")
def test_an_attempt_that_the_cluster_has_no_more_is_asked_about_at_once(make_world) -> None:
    world = make_world()
    running(world)

    say(world, 1, "ended")

    assert statuses(world) == ["T"]
    assert [(job.instance_id, job.started, job.node) for job in driver(world).suspects] == [(1, True, "n1")]


def test_an_attempt_whose_end_is_known_is_not_asked_about_when_the_cluster_has_it_no_more(make_world) -> None:
    world = make_world()
    runner = running(world)
    world.finish(runner, "D")
    world.report(runner)

    say(world, 1, "ended")

    assert statuses(world) == ["D"]
    assert driver(world).suspects == []


@pytest.mark.promise("F27 F28 F29")
def test_a_lost_node_is_believed_when_its_worker_had_time_for_another_sign_of_life(make_world) -> None:
    world = make_world()
    running(world)
    say(world, 1, "ended")
    lost = {"status": "X", "failure_class": "infrastructure", "message": "NODE_FAIL"}

    say(world, 1, "over", **lost)
    assert statuses(world) == ["T"]

    world.at += HEARTBEAT_SECONDS + GRACE_SECONDS + 1
    say(world, 1, "over", **lost)

    assert statuses(world)[0] == "X"


@pytest.mark.promise("F28")
def test_a_worker_that_lives_on_a_node_held_for_dead_goes_on(make_world) -> None:
    world = make_world()
    runner = running(world)
    say(world, 1, "ended")
    say(world, 1, "over", status="X", failure_class="infrastructure", message="NODE_FAIL")

    world.at += HEARTBEAT_SECONDS
    world.heartbeat(runner)

    assert (statuses(world), runner.state) == (["R"], "running")


@pytest.mark.promise("F32 F33 F34")
def test_a_verdict_that_leaves_no_doubt_of_the_end_is_believed_at_once(make_world) -> None:
    world = make_world()
    running(world)
    say(world, 1, "ended")

    say(world, 1, "over", status="Z", failure_class="resource", message="OUT_OF_MEMORY")

    assert statuses(world)[0] == "Z"


@pytest.mark.promise("F35 F36")
def test_a_worker_that_the_cluster_ended_leaves_the_why_to_the_cluster(make_world) -> None:
    world = make_world()
    runner = running(world)
    world.finish(runner, "T")
    world.report(runner)
    world.advance(driver(world))
    assert [job.instance_id for job in driver(world).suspects] == [1]

    say(world, 1, "over", status="F", failure_class="killed", message="CANCELLED by 0")

    assert (statuses(world), statuses(world, "task")) == (["F"], ["F"])
    assert world.column("SELECT description FROM error_log ORDER BY id") == ["it failed", "CANCELLED by 0"]


@pytest.mark.promise("F36")
def test_a_job_that_was_put_back_into_the_queue_becomes_another_attempt(make_world) -> None:
    world = make_world((Node(max_attempts=1),))
    runner = running(world)
    world.finish(runner, "T")
    world.report(runner)
    world.advance(driver(world))

    say(world, 1, "pending")

    assert statuses(world)[0] == "X"
    assert world.column("SELECT system_failures FROM task") == [1]


def test_what_the_cluster_ends_because_we_wanted_it_gone_is_killed(make_world) -> None:
    world = make_world()
    runner = running(world)
    world.stop_run()
    world.advance(driver(world))
    world.finish(runner, "T")

    world.report(runner)

    assert world.column("SELECT failure_class FROM attempt_result") == ["killed"]


@pytest.mark.promise("F56")
def test_what_can_never_be_submitted_is_tried_once_and_not_for_each_batch(make_world) -> None:
    world = paced(make_world, tasks=5, max_batch=2, max_waiting=1)
    [batch] = driver(world).hand.values()
    assert batch.size == 2

    world.refuse(driver(world), batch, "fatal")
    while driver(world).status not in "DE":
        world.advance(driver(world))

    assert driver(world).hand == {}
    assert statuses(world, "task") == ["F"] * 5
    assert world.column("SELECT description FROM error_log") == ["no"] * 5


def test_what_becomes_ready_while_enough_batches_wait_goes_into_the_next_one(make_world) -> None:
    world = paced(make_world, tasks=7, max_batch=2, max_waiting=2)
    assert [batch.size for batch in driver(world).hand.values()] == [2, 2]

    world.paces = [wire.Pace(cluster="toy", max_batch=10, max_waiting=1)]
    for batch in list(driver(world).hand.values()):
        world.submit(driver(world), batch)
    world.advance(driver(world))

    assert [batch.size for batch in driver(world).hand.values()] == [3]


@pytest.mark.promise("F47")
def test_a_batch_whose_commands_are_over_before_anybody_knows_its_job_holds_up_no_other(make_world) -> None:
    world = paced(make_world, tasks=2, max_batch=1, max_waiting=1)
    first = batch_of(world)
    world.submit(driver(world), first, answered=False)
    runner = world.start_process((first.batch_id, 0))
    world.claim(runner)
    world.finish(runner, "D")
    world.report(runner)

    world.advance(driver(world))

    assert [batch.batch_id for batch in driver(world).hand.values() if batch != first] == [first.batch_id + 1]


@pytest.mark.promise("F37 F38")
def test_a_clock_that_jumps_makes_suspects_and_kills_nothing(make_world) -> None:
    world = make_world()
    runner = running(world)
    world.at += 10 * RULES.silence_seconds  # as after a suspended night, or a step of NTP
    world.advance(driver(world))
    assert statuses(world) == ["T"]

    world.heartbeat(runner)
    world.at -= 20 * RULES.silence_seconds
    world.advance(driver(world))
    world.heartbeat(runner)

    assert (statuses(world), runner.state) == (["R"], "running")
    assert driver(world).suspects == []


@pytest.mark.promise("F09 F35")
def test_an_end_that_is_told_twice_in_one_breath_is_one(make_world) -> None:
    world = make_world()
    runner = running(world)
    world.finish(runner, "T")
    request = wire.WorkRequest(runner=runner.id, node="n1", sequence=9, outcomes=[runner.outcome, runner.outcome])

    world.write(lambda c, at: work(c, request, RULES, at))

    assert statuses(world) == ["T"]
    assert world.column("SELECT description FROM error_log") == ["it failed"]
