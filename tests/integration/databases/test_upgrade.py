"""A database is upgraded while servers work on it: nothing is lost, and everybody goes on."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fakes.app import App
from fakes.service import make_service
from fakes.story import SIZE, tell
from integration.databases.conftest import fresh
from integration.databases.test_schema import NEXT, history
from jobmon.server import schema
from jobmon.server.db import Database
from jobmon_conformance import invariants

__all__ = ["history"]

SERVERS_AT_ONCE = 2
WIDENS = NEXT.replace('"0002", "0001", "0002"', '"0002", "0001", "0001"')  # servers of today are still served


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.promise("F25", "F67")
def test_an_upgrade_under_servers_at_work_loses_nothing(
    url: str, tmp_path: Path, history: Path, record_property: Callable[[str, object], None]
) -> None:
    (history / "versions" / "0002_next.py").write_text(WIDENS)
    with fresh(url, tmp_path) as database:
        schema.upgrade(database)
        upgraded = threading.Event()
        busy = [threading.Event() for _ in range(SERVERS_AT_ONCE)]
        with ThreadPoolExecutor(SERVERS_AT_ONCE) as servers:
            days = [servers.submit(_serve, database.url, number, busy[number], upgraded)
                    for number in range(SERVERS_AT_ONCE)]  # fmt: skip
            try:
                for one in busy:
                    assert one.wait(600), "a server did not begin"
                taken = schema.upgrade(database, history)
            finally:
                upgraded.set()
            told = sum(day.result() for day in days)

        assert taken == ["0002"]
        database.read(schema.check)
        with database.engine.connect() as connection:
            invariants.check(connection)
            ask = connection.exec_driver_sql
            ended = ask("SELECT status, COUNT(*) FROM workflow GROUP BY status ORDER BY status").all()
            done = ask("SELECT COUNT(*) FROM task WHERE status = 'D'").scalar_one()
    assert [tuple(row) for row in ended] == [("D", told), ("Q", told)]
    assert done == told * SIZE
    name = url.partition(":")[0].partition("+")[0]
    record_property("G11", f"{name}: upgraded while {SERVERS_AT_ONCE} servers bound and ran {told} workflows")


def _serve(url: str, number: int, busy: threading.Event, upgraded: threading.Event) -> int:
    """A server of its own, and whole days on it until one was begun after the upgrade; returns how many."""
    database = Database(url, "OFF")
    app = App(make_service(database))

    def call(*request: object, **ids: int) -> object:
        answer = app.call(*request, **ids)  # type: ignore[arg-type]
        busy.set()
        return answer

    days = 0
    is_last = False
    while not is_last:
        is_last = upgraded.is_set()
        tell(call, f"server {number}, day {days}")
        days += 1
    database.dispose()
    return days
