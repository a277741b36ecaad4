"""The one place that writes a status."""

from collections.abc import Callable, Iterator

import pytest

from faults.world import Node, World
from jobmon.core.exceptions import InvalidStateTransition
from jobmon.core.transitions import KINDS, statuses
from jobmon.server.db import TryAgain
from jobmon.server.store.moves import Stamp, move

STAMP = Stamp(5.0, "test", "because")


def moves(world: World, rows: list[tuple[int, str]], new: str, kind: str = "task", **values: object) -> None:
    """In a transaction of its own, which is not repeated."""
    with world.database.engine.begin() as connection:
        move(connection, kind, world.workflow_id, rows, new, STAMP, values)  # type: ignore[arg-type]


def audit(world: World) -> list[tuple]:
    query = "SELECT kind, entity_id, workflow_id, old, new, at, actor, why FROM audit ORDER BY id"
    return world.database.read(lambda c: [tuple(row) for row in c.exec_driver_sql(query)])


def task_statuses(world: World) -> list[str]:
    return world.column("SELECT status FROM task ORDER BY id")


@pytest.fixture
def make(make_world) -> Iterator[Callable[[int], World]]:
    """A workflow of so many tasks without a run. These moves, which no engine makes, leave no trace."""
    made: list[World] = []

    def make(tasks: int) -> World:
        made.append(make_world([Node() for _ in range(tasks)], driven=False))
        return made[-1]

    yield make
    with made[0].database.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM audit")
        connection.exec_driver_sql("UPDATE task SET status = 'G', failures = 0, due_at = NULL")
        connection.exec_driver_sql("UPDATE workflow SET status = 'G'")


@pytest.fixture
def world(make: Callable[[int], World]) -> World:
    return make(3)


def test_a_move_changes_exactly_its_rows_and_notes_who_when_and_why(world: World) -> None:
    moves(world, [(1, "G"), (3, "G")], "Q", failures=2)

    assert task_statuses(world) == ["Q", "G", "Q"]
    assert world.column("SELECT failures FROM task ORDER BY id") == [2, 0, 2]
    assert audit(world) == [("T", id, 1, "G", "Q", 5.0, "test", "because") for id in (1, 3)]


def test_rows_of_several_statuses_are_moved_together_and_noted_each_with_its_own(world: World) -> None:
    moves(world, [(1, "G"), (2, "G")], "Q")
    moves(world, [(1, "Q")], "I")
    moves(world, [(1, "I")], "E")

    moves(world, [(1, "E"), (2, "Q")], "F")

    assert task_statuses(world) == ["F", "F", "G"]
    assert sorted(row[1:5] for row in audit(world)[-2:]) == [(1, 1, "E", "F"), (2, 1, "Q", "F")]


def test_a_row_that_is_not_in_its_stated_status_any_more_undoes_all(world: World) -> None:
    moves(world, [(2, "G")], "Q")
    before = audit(world)

    for rows in ([(1, "G"), (2, "G"), (3, "G")], [(1, "G"), (99, "G")]):
        with pytest.raises(TryAgain, match="1 of"):
            moves(world, rows, "Q")
    assert task_statuses(world) == ["G", "Q", "G"]
    assert audit(world) == before


def test_a_row_in_another_status_out_of_which_the_move_would_be_legal_is_stale_too(world: World) -> None:
    """`new` may follow from several statuses; the row has to be in the one that its audit row will name."""
    moves(world, [(1, "G"), (2, "G")], "Q")
    moves(world, [(1, "Q")], "I")
    moves(world, [(1, "I")], "E")

    with pytest.raises(TryAgain):
        moves(world, [(1, "Q"), (2, "Q")], "F")
    assert task_statuses(world) == ["E", "Q", "G"]


def test_statuses_that_were_swapped_are_stale(world: World) -> None:
    moves(world, [(1, "G"), (2, "G")], "Q")
    moves(world, [(1, "Q")], "I")
    moves(world, [(1, "I")], "E")

    with pytest.raises(TryAgain):
        moves(world, [(1, "Q"), (2, "E")], "F")
    assert task_statuses(world) == ["E", "Q", "G"]


def test_a_move_that_the_table_does_not_hold_is_refused_and_nothing_is_written(world: World) -> None:
    for rows in ([(1, "G")], [(2, "Q"), (1, "G")]):
        with pytest.raises(
            InvalidStateTransition, match="task 1 cannot go from G to D|task 2 cannot go from Q to D"
        ):
            moves(world, rows, "D")
    assert task_statuses(world) == ["G", "G", "G"]
    assert audit(world) == []


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_leaves_a_status_for_one_that_does_not_exist_or_for_itself(world: World, kind: str) -> None:
    for old in statuses(kind):  # type: ignore[arg-type]
        for new in (old, "?"):
            with pytest.raises(InvalidStateTransition):
                moves(world, [(1, old)], new, kind)


def test_no_rows_are_no_move(world: World) -> None:
    moves(world, [], "D")

    assert audit(world) == []


def test_thousands_of_scattered_rows_are_moved_at_once(make: Callable[[int], World]) -> None:
    world = make(2500)
    ids = [id for id in range(1, 2501) if id % 3]

    moves(world, [(id, "G") for id in ids], "Q")

    assert world.column("SELECT id FROM task WHERE status = 'Q' ORDER BY id") == ids
    assert len(audit(world)) == len(ids)


def test_a_workflow_keeps_the_time_of_its_status(world: World) -> None:
    moves(world, [(1, "G")], "Q", "workflow")

    assert world.column("SELECT status_at FROM workflow") == [5.0]


def test_a_long_reason_is_cut(world: World) -> None:
    with world.database.engine.begin() as connection:
        move(connection, "task", 1, [(1, "G")], "Q", STAMP._replace(why="x" * 1000))

    assert audit(world)[0][-1] == "x" * 255
