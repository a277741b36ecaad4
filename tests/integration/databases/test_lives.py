"""The random lives of tests/faults/test_property.py on every database, with and without faults of the database."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from clusters.databases import SERVERS
from fakes.database_faults import FaultyDatabase
from faults.test_property import Life, small_steps
from integration.databases.conftest import fresh

__all__ = ["small_steps"]

LONG = os.environ.get("JOBMON_TEST_LONG") == "1"
LENGTH = settings(
    max_examples=1000 if LONG else 6,
    stateful_step_count=40 if LONG else 25,
    deadline=None,
    derandomize=not LONG,
    database=None,
    suppress_health_check=list(HealthCheck),
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(0 if LONG else 900)]


class Healthy(Life):
    """On a database that works."""


class Faulty(Life):
    """On one that fails now and then, at the same places of the same life."""

    database: FaultyDatabase

    def begin(self) -> None:
        self.database.reseed(0)
        super().begin()


@pytest.fixture
def healthy(url: str, tmp_path: Path) -> Iterator[None]:
    with fresh(url, tmp_path) as Healthy.database:
        Healthy.database.create()
        yield


@pytest.fixture
def faulty(url: str, tmp_path: Path) -> Iterator[FaultyDatabase]:
    with fresh(url, tmp_path, FaultyDatabase, rate=0.01) as Faulty.database:
        Faulty.database.create()
        yield Faulty.database


@pytest.mark.promise("F08 F09 F10 F27 F28 F46 F65 F75")
@pytest.mark.usefixtures("small_steps", "healthy")
@pytest.mark.parametrize("url", list(SERVERS), indirect=True)
def test_whatever_is_lost_repeated_or_killed_everything_is_done_once(url: str) -> None:
    run_state_machine_as_test(Healthy, settings=LENGTH)


@pytest.mark.promise("F16 F17 F18 F19 F20")
@pytest.mark.usefixtures("small_steps")
def test_faults_of_the_database_change_no_life(
    faulty: FaultyDatabase, record_property: Callable[[str, object], None]
) -> None:
    run_state_machine_as_test(Faulty, settings=LENGTH)

    struck = faulty.faults.total()
    record_property("G7", f"{LENGTH.max_examples} random lives on {faulty.engine.dialect.name}: {struck} faults")
    assert struck >= LENGTH.max_examples
