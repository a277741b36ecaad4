"""A database of one test, and a small world around the server."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from faults.world import Node, World
from jobmon.core.constants import MAX_CONCURRENTLY_RUNNING
from jobmon.server.db import Database
from jobmon_conformance import invariants

MakeWorld = Callable[..., World]


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with all tables. Each test has a copy: to make them anew for each would take a tenth of all time."""
    file = tmp_path_factory.mktemp("empty") / "jobmon.db"
    database = Database(f"sqlite:///{file}", "OFF")
    database.create()
    database.dispose()
    return file


@pytest.fixture
def database(tmp_path: Path, empty: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{shutil.copyfile(empty, tmp_path / 'jobmon.db')}", "OFF")
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
