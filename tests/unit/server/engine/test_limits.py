"""How many waiting tasks may start now."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmon.server.engine.limits import Room, share

NONE = 2**31 - 1

# rooms (queued, active, limit), the workflow's limit, at most -> started by array
TABLE = [
    ([(5, 0, NONE)], NONE, 100, {1: 5}),
    ([(5, 0, 3)], NONE, 100, {1: 3}),
    ([(5, 2, 3)], NONE, 100, {1: 1}),
    ([(5, 3, 3)], NONE, 100, {}),
    ([(5, 9, 3)], NONE, 100, {}),  # the limit was lowered
    ([(5, 0, 0)], NONE, 100, {}),  # a pause
    ([(5, 0, NONE)], 0, 100, {}),
    ([(5, 2, NONE)], 4, 100, {1: 2}),
    ([(5, 9, NONE)], 4, 100, {}),
    ([(5, 0, NONE)], NONE, 2, {1: 2}),
    ([(5, 0, NONE), (5, 0, NONE)], 7, 100, {1: 5, 2: 2}),
    ([(5, 0, 2), (5, 0, NONE)], 6, 100, {1: 2, 2: 4}),
    ([(0, 4, NONE), (5, 0, NONE)], 6, 100, {2: 2}),
    ([(0, 0, NONE), (0, 0, 5)], NONE, 100, {}),
    ([], NONE, 100, {}),
]


def rooms_of(rows: list[tuple[int, int, int]]) -> list[Room]:
    return [Room(id, *row) for id, row in enumerate(rows, start=1)]


@pytest.mark.parametrize("rows, workflow_limit, at_most, started", TABLE)
def test_the_limits_decide(rows: list, workflow_limit: int, at_most: int, started: dict[int, int]) -> None:
    assert share(rooms_of(rows), workflow_limit, at_most) == started


numbers = st.one_of(st.integers(0, 10), st.just(NONE))


@pytest.mark.promise("F75")
@given(st.lists(st.tuples(numbers, st.integers(0, 10), numbers), max_size=6), numbers, numbers)
def test_no_limit_is_exceeded_and_nothing_that_fits_is_left(rows: list, workflow_limit: int, at_most: int) -> None:
    rooms = rooms_of(rows)

    started = share(rooms, workflow_limit, at_most)

    total = sum(started.values())
    active = sum(room.active for room in rooms)
    assert all(count > 0 for count in started.values())
    assert total <= at_most
    assert total == 0 or active + total <= workflow_limit
    for room in rooms:
        mine = started.get(room.array_id, 0)
        assert mine <= room.queued
        assert mine == 0 or room.active + mine <= room.limit
        could = mine < room.queued and room.active + mine < room.limit
        assert not could or total == at_most or active + total >= workflow_limit
