"""A database of one test, and a workflow in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import Connection

from fakes.stored_workflow import StoredWorkflow
from jobmon.server.db import Database


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    database = Database(f"sqlite:///{tmp_path}/jobmon.db", "OFF")
    database.create()
    with database.engine.connect() as connection:
        yield connection
    database.dispose()


@pytest.fixture
def stored(connection: Connection) -> StoredWorkflow:
    return StoredWorkflow(connection)
