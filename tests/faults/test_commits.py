"""A transaction took effect and is reported failed: its unit runs again, which changes nothing any more."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from faults.world import Node, World
from jobmon.core.constants import MAX_CONCURRENTLY_RUNNING
from jobmon.server.db import Database
from jobmon_conformance import invariants

ROUNDS_AT_MOST = 60


class Told:
    """Commits, then says of every other commit that the connection was lost."""

    def __init__(self, commit: Callable[[Any], None]) -> None:
        self.lies = 0
        self._commit = commit
        self._lie_next = True

    def __call__(self, connection: Any) -> None:
        self._commit(connection)
        self._lie_next = not self._lie_next
        if not self._lie_next:
            self.lies += 1
            error = sqlite3.OperationalError("the connection was lost during COMMIT")
            error.sqlite_errorcode = sqlite3.SQLITE_BUSY
            raise error


@pytest.fixture
def told(tmp_path: Path) -> Iterator[tuple[Database, Told]]:
    database = Database(f"sqlite:///{tmp_path}/jobmon.db", "OFF")
    database.create()
    dialect = database.engine.dialect
    dialect.do_commit = told = Told(dialect.do_commit)  # type: ignore[method-assign]
    yield database, told
    database.dispose()


@pytest.mark.promise("F17 F08")
def test_commits_that_took_effect_and_are_called_failed_do_nothing_twice(told: tuple[Database, Told]) -> None:
    database, lies = told
    nodes = (*(Node(max_attempts=2) for _ in range(4)), Node(frozenset(range(4))))
    world = World(database, nodes, [MAX_CONCURRENTLY_RUNNING])
    world.start_run(resume=False)
    world.take_lease()
    one = world.distributors[0]
    rounds = 0
    while one.status not in "DE":
        world.advance(one)
        world.cooperate(one)
        rounds += 1
        assert rounds < ROUNDS_AT_MOST, "the workflow does not end"

    assert (one.status, world.status()) == ("D", "D")
    assert len(world.runs) == 1 == len(world.column("SELECT id FROM workflow_run"))
    assert world.column("SELECT attempts FROM task") == [1] * 5
    assert lies.lies > 10
    with database.engine.connect() as connection:
        invariants.check(connection)
        invariants.check_witness(connection, world.witness)
