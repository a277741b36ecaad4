"""Gates: what waits for the same tasks shares one counter."""

import pytest
from sqlalchemy.engine import Connection

from faults.world import Node, World
from jobmon.server.store import gates
from jobmon.server.store.counters import Changes
from jobmon.server.store.moves import Stamp

ALL_TO_ALL = (*(Node() for _ in range(4)), *(Node(frozenset(range(4)), array=1) for _ in range(3)))


def table(world: World) -> list[tuple]:
    query = "SELECT remaining, state FROM gate ORDER BY id"
    return world.database.read(lambda c: [tuple(row) for row in c.exec_driver_sql(query)])


def statuses(world: World) -> list[str]:
    return world.column("SELECT status FROM task ORDER BY id")


def finish(world: World, *positions: int) -> None:
    """These tasks are done, whatever else runs."""
    one = world.distributors[0]
    world.cooperate(one, finish=False)
    for runner in world.runners:
        if runner.state == "running" and runner.instance_id - 1 in positions:
            world.finish(runner, "D")
            world.report(runner)
    world.advance(one)


def test_all_to_all_is_one_gate(make_world) -> None:
    world = make_world(ALL_TO_ALL)

    assert table(world) == [(0, "P"), (4, "S")]
    assert world.column("SELECT COUNT(*) FROM gate_member") == [4]


def test_a_gate_opens_with_the_last_of_its_members(make_world) -> None:
    world = make_world(ALL_TO_ALL)

    finish(world, 0, 2)
    assert table(world)[1] == (2, "S")
    assert statuses(world)[4:] == ["G"] * 3
    finish(world, 1)
    assert table(world)[1] == (1, "S")
    finish(world, 3)
    assert table(world)[1] == (0, "P")
    assert statuses(world)[4:] == ["I"] * 3


def test_a_task_may_lower_many_gates(make_world) -> None:
    world = make_world((Node(), Node(), Node(frozenset({0})), Node(frozenset({0, 1})), Node(frozenset({1}))))

    finish(world, 0)

    assert sorted(table(world)) == [(0, "P"), (0, "P"), (1, "S"), (1, "S")]
    assert statuses(world) == ["D", "R", "I", "G", "G"]


def test_a_failed_member_keeps_the_gate_shut(make_world) -> None:
    world = make_world((Node(max_attempts=1), Node(frozenset({0}))))
    one = world.distributors[0]
    world.cooperate(one, finish=False)
    world.finish(world.runners[0], "E")
    world.report(world.runners[0])

    world.advance(one)

    assert table(world) == [(0, "P"), (1, "S")]
    assert statuses(world) == ["F", "G"]


@pytest.mark.parametrize("portion", [1, 2, 3, 4, 5, 100])
def test_open_gates_are_passed_in_portions_that_leave_nobody_behind(make_world, portion: int) -> None:
    world = make_world(
        [*(Node() for _ in range(5)), *(Node(frozenset({i})) for i in range(4)), *(Node(frozenset({4})),) * 2],
        driven=False,
    )
    world.write(lambda c, at: c.exec_driver_sql("UPDATE gate SET remaining = 0, state = 'O'"))
    sizes: list[int] = []

    def pass_some(connection: Connection, at: float) -> bool:
        changes = Changes()
        before = len(world_queued(connection))
        more = gates.pass_open(connection, world.workflow_id, portion, changes, Stamp(at, "test"))
        changes.write(connection)
        sizes.append(len(world_queued(connection)) - before)
        return more

    while world.write(pass_some):
        pass

    assert sum(sizes) == 11
    assert max(sizes) <= portion
    assert statuses(world) == ["Q"] * 11
    assert {state for _, state in table(world)} == {"P"}
    world.write(lambda c, at: c.exec_driver_sql("DELETE FROM audit"))
    world.write(lambda c, at: c.exec_driver_sql("UPDATE task SET status = 'G'"))
    world.write(lambda c, at: c.exec_driver_sql("UPDATE task_array SET queued = 0"))
    world.write(
        lambda c, at: c.exec_driver_sql(
            "UPDATE gate SET passed_upto = 0, "
            "remaining = (SELECT COUNT(*) FROM gate_member m WHERE m.gate_id = gate.id), state = 'S'"
        )
    )
    world.write(lambda c, at: c.exec_driver_sql("UPDATE gate SET state = 'O' WHERE remaining = 0"))


def world_queued(connection: Connection) -> list[int]:
    return [row[0] for row in connection.exec_driver_sql("SELECT id FROM task WHERE status = 'Q' ORDER BY id")]


def test_deferred_tasks_of_an_open_gate_wait_for_their_resources(make_world) -> None:
    world = make_world((Node(), Node(deferred=True)))

    assert statuses(world) == ["I", "A"]
    assert world.column("SELECT delayed FROM task_array") == [1]
