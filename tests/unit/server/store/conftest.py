"""A database of one test, and a workflow in it."""

from collections.abc import Iterator

import pytest
from sqlalchemy.engine import Connection

from fakes.stored_workflow import StoredWorkflow
from jobmon.server.db import Database


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.engine.connect() as connection:
        yield connection


@pytest.fixture
def stored(connection: Connection) -> StoredWorkflow:
    return StoredWorkflow(connection)
