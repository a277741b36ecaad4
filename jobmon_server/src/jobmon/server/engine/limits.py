"""How many waiting tasks of each template may start now: a function of the counters and the limits."""

from collections.abc import Sequence
from typing import NamedTuple


class Room(NamedTuple):
    """One array: tasks waiting, attempts active, and how many may be active at once."""

    array_id: int
    queued: int
    active: int
    limit: int


def share(rooms: Sequence[Room], workflow_limit: int, at_most: int) -> dict[int, int]:
    """Tasks to start by array, earlier arrays first.

    Never more than `at_most` together, never more than `workflow_limit` active in the workflow or an
    array's own limit active in it. A limit that was lowered below what is active starts nothing.
    """
    free = min(at_most, workflow_limit - sum(room.active for room in rooms))
    shares: dict[int, int] = {}
    for room in rooms:
        take = max(0, min(room.queued, room.limit - room.active, free))
        if take:
            shares[room.array_id] = take
            free -= take
    return shares
