"""A database of one test, and a small world around the server."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from faults.world import Node, World
from jobmon.core.constants import MAX_CONCURRENTLY_RUNNING
from jobmon.server.db import Database
from jobmon_conformance import invariants

MakeWorld = Callable[..., World]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/jobmon.db", "OFF")
    database.create()
    yield database
    database.dispose()


@pytest.fixture
def make_world(database: Database) -> Iterator[MakeWorld]:
    """A bound workflow; with `driven` it has a run, a distributor with the lease, and its first batches in hand.

    After the test the invariants are checked.
    """
    made: list[World] = []

    def make(
        nodes: Sequence[Node] = (Node(),), limit: int = MAX_CONCURRENTLY_RUNNING, driven: bool = True
    ) -> World:
        world = World(database, nodes, [limit] * (1 + max(node.array for node in nodes)))
        made.append(world)
        if driven:
            world.start_run(resume=False)
            world.take_lease()
            world.advance(world.distributors[0])
        return world

    yield make
    for world in made:
        with world.database.engine.connect() as connection:
            invariants.check(connection)
            invariants.check_witness(connection, world.witness)
