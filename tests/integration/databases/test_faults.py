"""Statements that fail and commits that are told wrongly: what comes of a day of the server is the same."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fakes.app import App
from fakes.database_faults import FaultyDatabase
from fakes.service import make_service
from fakes.story import tell
from faults.world import wipe
from integration.databases.conftest import fresh
from jobmon.server.db import Database
from jobmon_conformance import invariants

LONG = os.environ.get("JOBMON_TEST_LONG") == "1"
DAYS = 100 if LONG else 2
RATES = (0.01, 0.1) if LONG else (0.05,)  # sites may see the first one, and will never see the last
RESULTS = (  # without times, tokens, and the numbers that a database leaves out when something is undone
    "SELECT kind, old, new FROM audit ORDER BY id",
    "SELECT status, attempts, failures, system_failures FROM task ORDER BY id",
    "SELECT status, attempt, node FROM task_instance ORDER BY id",
    "SELECT failure_class, exit_code FROM attempt_result ORDER BY task_instance_id",
    "SELECT status FROM workflow_run ORDER BY id",
    "SELECT name, status FROM workflow ORDER BY id",
    "SELECT name FROM tool ORDER BY id",
    "SELECT name, value FROM workflow_attribute ORDER BY workflow_id, name",
    "SELECT name, value FROM task_attribute ORDER BY task_id, name",
    "SELECT name, kind FROM cluster ORDER BY name",
)
Rows = list[list[tuple[Any, ...]]]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(0 if LONG else 900)]


def a_day(database: Database) -> Rows:
    """What the story leaves behind, all promises kept."""
    tell(App(make_service(database)).call)
    with database.engine.connect() as connection:
        invariants.check(connection)
        return [[tuple(row) for row in connection.exec_driver_sql(query)] for query in RESULTS]


@pytest.mark.promise("F16 F17 F18 F19 F20")
@pytest.mark.parametrize("rate", RATES)
def test_a_day_with_faults_ends_like_one_without(
    url: str, rate: float, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    with fresh(url, tmp_path) as healthy:
        healthy.create()
        expected = a_day(healthy)
    with fresh(url, tmp_path, FaultyDatabase, rate=rate) as faulty:
        faulty.create()
        for seed in range(DAYS):
            wipe(faulty)
            faulty.reseed(seed)

            assert a_day(faulty) == expected, (seed, faulty.faults)
        struck = faulty.faults.total()
    assert struck > 2 * DAYS
    name = url.partition(":")[0].partition("+")[0]
    record_property("G7", f"{DAYS} days on {name}, {rate:.0%} of statements fail: {struck} faults, same results")
