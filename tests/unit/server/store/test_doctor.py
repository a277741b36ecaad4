"""Every kind of damage is named with its ids; what can safely be mended is, and the invariants hold again."""

import re

import pytest
import sqlalchemy as sa

from faults.world import Node, World
from jobmon.server import doctor, tables
from jobmon.server.db import Database
from jobmon.server.store.doctor import CHECKS
from jobmon.server.store.moves import Stamp, move
from jobmon_conformance import invariants


def examine(world: World, *, repair: bool = False) -> tuple[int, list[str]]:
    said: list[str] = []
    left = doctor.examine(world.database, repair=repair, say=said.append)
    return left, said


def harm(world: World, table: sa.Table, where: sa.ColumnElement[bool] | None = None, **values: object) -> None:
    statement = sa.update(table).values(**values)
    world.write(lambda c, at: c.execute(statement if where is None else statement.where(where)))


@pytest.fixture
def world(make_world) -> World:
    """A run under way, at the time of the database: two tasks are with the distributor, one waits."""
    world = make_world((Node(), Node(upstreams=(0,)), Node(array=1)), driven=False)
    world.at = world.database.read(tables_now)
    world.start_run(resume=False)
    world.take_lease()
    world.advance(world.distributors[0])
    return world


def tables_now(connection: sa.Connection) -> float:
    from jobmon.server.db import now

    return now(connection)


def test_what_is_well_is_said_to_be_well_and_is_not_touched(world):
    before = world.column("SELECT remaining FROM gate ORDER BY id")

    assert examine(world, repair=True) == (0, ["all is well"])
    assert world.column("SELECT remaining FROM gate ORDER BY id") == before


def test_counters_are_counted_anew(world):
    harm(world, tables.array, tables.array.c.name == "array0", active=7, done=3)
    left, [said, summary] = examine(world)
    assert left == 1
    assert "array 1 of workflow 1 counts active 7 (it is 1), done 3 (it is 0)" in said
    assert "--repair" in summary

    left, said = examine(world, repair=True)
    assert left == 0
    assert "counted anew" in said[0]
    assert examine(world) == (0, ["all is well"])


def test_a_shut_gate_gets_its_number(world):
    harm(world, tables.gate, tables.gate.c.state == "S", remaining=5)

    left, said = examine(world, repair=True)
    assert (left, said[0][-8:]) == (0, "set to 1")
    assert examine(world)[0] == 0


def test_a_gate_that_let_tasks_through_is_named_and_left_to_people(world):
    harm(world, tables.gate, tables.gate.c.state == "P", remaining=2)

    left, said = examine(world, repair=True)
    assert left == 1
    assert "gates: gate 1 of workflow 1 (P) waits for 2 tasks; 0 of its members are not done" in said
    harm(world, tables.gate, tables.gate.c.state == "P", remaining=0)


def test_a_run_that_lost_its_holder_long_ago_is_ended_so_that_it_can_be_resumed(world):
    harm(world, tables.workflow_run, deadline_at=world.at - 1_000_000)
    left, said = examine(world)
    assert left == 1
    assert re.search(r"run 1 of workflow 1 \(I\) had its last lease 1000\d\d\d s", said[0])

    assert examine(world, repair=True)[0] == 0
    assert world.column("SELECT status FROM workflow_run") == ["E"]
    assert world.column("SELECT status FROM workflow") == ["H"]


def test_an_attempt_without_a_deadline_is_due(world):
    harm(world, tables.task_instance, tables.task_instance.c.id == 1, deadline_at=0)

    left, said = examine(world, repair=True)
    assert left == 0
    assert said[0].startswith(
        "attempts without a deadline: attempt 1 of task 1 (I) has no deadline -> its distributor has an hour"
    )
    assert examine(world)[0] == 0


def test_a_task_whose_attempt_is_over_and_that_does_not_know_is_named(world):
    where = tables.task_instance.c.id == 1
    harm(world, tables.task_instance, where, status="E")

    left, said = examine(world, repair=True)
    assert left == 1
    assert "tasks without an owner: task 1 of workflow 1 (I) has 0 attempts that are not over" in said
    harm(world, tables.task_instance, where, status="I")


def test_a_failed_task_that_nothing_would_try_again_is_due(world):
    world.write(lambda c, at: c.execute(sa.update(tables.task).where(tables.task.c.id == 3).values(status="E")))
    left, said = examine(world)
    assert any("task 3 of workflow 1 failed, and nothing will try it again" in line for line in said)

    left, said = examine(world, repair=True)
    assert any(line.endswith("nothing will try it again -> due now") for line in said)
    assert world.column("SELECT due_at FROM task WHERE id = 3")[0] > 0
    harm(world, tables.task, tables.task.c.id == 3, status="I", due_at=None)
    harm(world, tables.array, tables.array.c.name == "array1", delayed=0, active=1)


def test_what_a_workflow_left_behind_is_removed(database: Database):
    world = World(database, [Node(), Node(upstreams=(0,))], [10])
    world.start_run(resume=False)
    world.drain()
    world.write(lambda c, at: c.execute(sa.delete(tables.workflow)))
    left, said = examine(world)
    assert left == 1
    assert said[0].startswith("orphans: workflow 1 is gone and left 2 gate, 2 batch, 1 resources, 1 task_array, ")

    assert examine(world, repair=True)[0] == 0
    assert examine(world) == (0, ["all is well"])
    assert world.column("SELECT COUNT(*) FROM task") == [0]


def test_many_findings_of_a_kind_are_counted(make_world):
    world = make_world(tuple(Node() for _ in range(30)))
    harm(world, tables.task_instance, deadline_at=0)

    left, said = examine(world)
    assert left >= 30
    assert "attempts without a deadline: and 10 more" in said
    harm(world, tables.task_instance, deadline_at=world.at)


def test_a_finished_workflow_is_well_by_the_doctor_and_by_the_invariants(database: Database):
    """The doctor asks for less than the invariants of the fault tests; what passes those is well."""
    world = World(database, [Node(), Node(upstreams=(0,)), Node(deferred=True)], [10])
    world.start_run(resume=False)
    world.drain()

    with database.engine.connect() as connection:
        invariants.check(connection)
    assert examine(world) == (0, ["all is well"])
    assert len({check.name for check in CHECKS}) == len(CHECKS)


def test_a_workflow_whose_run_is_over_is_halted_so_that_it_can_be_resumed(world):
    world.write(lambda c, at: move(c, "workflow_run", 1, [(1, "I")], "E", Stamp(at, "test")))

    left, said = examine(world, repair=True)
    assert (left, said[0]) == (
        0,
        "workflows without a run: workflow 1 (I) has no run that is under way: nobody drives it -> halted; a "
        "resume goes on with it",
    )
    assert world.status() == "H"


def test_a_batch_that_its_distributor_holds_for_long_is_named_with_what_the_cluster_says(world):
    harm(world, tables.task_instance, deadline_at=world.at - 1)
    harm(world, tables.batch, created_at=world.at - 4_000_000)
    harm(world, tables.workflow_run, notice="Slurm does not answer")

    left, said = examine(world, repair=True)
    assert left == 2
    assert re.match(
        r"batches that nobody submits: batch 1 of workflow 1 was given to its distributor 4000\d\d\d s", said[0]
    )
    assert said[0].endswith("which does not say what became of it (Slurm does not answer)")
