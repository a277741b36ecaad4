"""What is overdue and has no owner left."""

import pytest
import sqlalchemy as sa

from fakes.stored_workflow import StoredWorkflow
from faults.world import RULES, Node, World
from jobmon.core import wire
from jobmon.core.resources import Resources
from jobmon.server import downtime, reaper, tables
from jobmon.server.db import Database
from jobmon.server.store import bind, runs

HALF = ("workflow", "task", "task_spec", "gate", "gate_member", "task_array", "resources", "workflow_attribute")


def reap(world: World) -> None:
    """What a server that is alone does in its round."""
    world.write(downtime.forgive)
    world.write(reaper.reap)


def deadlines(world: World, table: str = "task_instance") -> list[float]:
    return world.column(f"SELECT deadline_at FROM {table} ORDER BY id")


def half_bind(world: World) -> int:
    """Announce a workflow of three tasks and send the next one."""
    request = wire.BindRequest(
        request_id="half", tool_name="t", name="half", args="b", args_hash="b", description="", owner="ann",
        attributes={"a": "1"}, run_dir="/runs", arrays=[wire.Array(template=0, name="x")],
        templates=[
            wire.Template(name="x", command_template="", node_args=[], task_args=[], op_args=[], key="half")
        ],
        resources=[wire.TaskResources(cluster="toy", requested=Resources())],
        task_count=3, gate_count=1, identity_hash="i", order_hash="o", spec_hash="s",
    )  # fmt: skip
    bound = world.write(lambda c, at: bind.announce(c, request, at))
    at = bound.next_chunk
    chunk = wire.ChunkRequest(
        index=at, last=False, first=at, array=bound.array_ids, gate=[0], resources=bound.resources_ids,
        max_attempts=[1], name=["n"], command=["true"], node_args=["{}"], node_hash="0" * 32,
        gate_remaining=[0][at:], member_task=[at], member_gate=[0], attribute_task=[at], attribute_name=["k"],
        attribute_value=["v"],
    )  # fmt: skip
    world.write(lambda c, at: bind.add_chunk(c, bound.workflow_id, chunk, at))
    return bound.workflow_id


def rows(world: World) -> dict[str, int]:
    def count(connection: sa.Connection) -> dict[str, int]:
        query = "SELECT COUNT(*) FROM {}"
        return {name: connection.exec_driver_sql(query.format(name)).scalar_one() for name in HALF}

    return world.database.read(count)


@pytest.mark.promise("F62")
def test_a_bind_that_was_given_up_is_removed_after_a_day_with_all_that_came_in(make_world) -> None:
    world = make_world((Node(), Node()))
    before = rows(world)
    reap(world)
    half_bind(world)
    stored = rows(world)

    world.pass_time(bind.BIND_SECONDS)
    kept = rows(world)
    world.pass_time(1)

    assert all(stored[name] > before[name] for name in ("workflow", "task", "gate", "task_array", "resources"))
    assert kept == stored
    assert rows(world) == before


@pytest.mark.promise("F62")
def test_a_bind_that_goes_on_is_kept(make_world) -> None:
    world = make_world()
    half_bind(world)
    world.pass_time(bind.BIND_SECONDS / 2)
    half_bind(world)
    world.pass_time(bind.BIND_SECONDS / 2 + 100)

    assert len(world.column("SELECT id FROM workflow")) == 2


@pytest.mark.promise("F05")
def test_time_in_which_no_server_was_up_does_not_count(make_world) -> None:
    world = make_world((Node(), Node()))
    one = world.distributors[0]
    world.cooperate(one, finish=False)
    reap(world)
    before = deadlines(world), deadlines(world, "workflow_run")
    [timeout_at] = world.column("SELECT timeout_at FROM workflow_run")

    world.at += 5000
    reap(world)
    world.advance(one)

    assert deadlines(world) == [moment + 5000 for moment in before[0]]
    assert world.column("SELECT timeout_at FROM workflow_run") == [timeout_at + 5000]
    assert one.status == "O"
    assert world.column("SELECT status FROM task_instance") == ["R", "R"]


@pytest.mark.promise("F05")
def test_a_half_bound_workflow_does_not_grow_old_while_the_server_is_away(make_world) -> None:
    world = make_world()
    reap(world)
    half_bind(world)

    world.at += 2 * bind.BIND_SECONDS
    reap(world)

    assert len(world.column("SELECT id FROM workflow")) == 2


def test_while_the_server_is_up_deadlines_stay_and_silence_is_noticed(make_world) -> None:
    world = make_world()
    one = world.distributors[0]
    world.cooperate(one, finish=False)
    before = deadlines(world)
    for _ in range(5):
        world.pass_time(59)
        world.advance(one)

    assert before == [1_000_000 + RULES.silence_seconds]
    assert world.column("SELECT status FROM task_instance") == ["T"]


def test_it_says_whether_a_run_is_driven(make_world) -> None:
    world = make_world()

    driven = world.write(reaper.is_driven)
    world.at += runs.LEASE_SECONDS
    abandoned = world.write(reaper.is_driven)

    assert (driven, abandoned) == (True, False)


@pytest.mark.promise("F63")
def test_a_run_that_nobody_drives_any_more_ends_and_its_attempts_go_on_until_a_resume_adopts_them(
    make_world,
) -> None:
    world = make_world((Node(), Node()))
    world.cooperate(world.distributors[0], finish=False)
    world.distributors.clear()

    world.pass_time(runs.LEASE_SECONDS + reaper.GRACE_SECONDS + 1)
    reason = world.column("SELECT reason FROM workflow_run")[0]
    for runner in world.runners:
        world.heartbeat(runner)
    world.start_run(resume=True)
    world.drain()

    assert reason.startswith("the distributor (pid 2 on login1) was not heard of for 61 s beyond its lease")
    assert world.column("SELECT status FROM workflow_run ORDER BY id") == ["E", "D"]
    assert world.column("SELECT attempts FROM task") == [1, 1]


def test_a_run_that_no_distributor_ever_took_ends(make_world) -> None:
    world = make_world(driven=False)
    world.start_run(resume=False)

    world.pass_time(runs.STARTUP_SECONDS + reaper.GRACE_SECONDS + 1)

    assert (world.run_status(), world.status()) == ("E", "H")


@pytest.mark.parametrize(("stuck", "end"), [("G", "A"), ("C", "T"), ("H", "T"), ("O", "E")])
def test_a_run_that_is_lost_in_any_status_ends(database: Database, stuck: str, end: str) -> None:
    with database.engine.begin() as connection:
        stored = StoredWorkflow(connection)
        stored.set(tables.workflow_run, stored.run_id, status=stuck, deadline_at=stored.at - 1000)
    database.write(lambda c: reaper.reap(c, stored.at))

    with database.engine.connect() as connection:
        run = connection.execute(sa.select(tables.workflow_run)).one()
        workflow = connection.execute(sa.select(tables.workflow)).one()
    assert (run.status, workflow.status) == (end, "H")


def test_a_workflow_that_was_bound_and_not_run_is_aborted_after_a_day_and_may_still_be_run(make_world) -> None:
    world = make_world(driven=False)
    reap(world)

    world.at += 59
    world.write(lambda c, at: c.execute(sa.update(tables.workflow).values(deadline_at=at)))
    reap(world)
    waiting = world.status()
    world.at += 1
    reap(world)
    aborted = world.status()
    world.start_run(resume=False)
    world.drain()

    assert (waiting, aborted, world.status()) == ("G", "A", "D")


def test_nothing_overdue_leaves_everything_as_it_is(make_world) -> None:
    world = make_world()
    reap(world)
    audit = world.column("SELECT COUNT(*) FROM audit")

    world.pass_time(30)

    assert world.column("SELECT COUNT(*) FROM audit") == audit
    assert len(world.column(f"SELECT value FROM {tables.server_state.name}")) == 1
