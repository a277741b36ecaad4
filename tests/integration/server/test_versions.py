"""Clients and servers of other versions: what was ever said is understood, what will be said does no harm.

The recordings are of whole days, one for each version of the API. A server of today must answer them as then.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fakes.app import App
from fakes.service import make_service
from integration.server.recording import ALL, FOLDER, Said, lasting, record, recorded
from jobmon.core.routes import API_VERSION
from jobmon.core.wire import Failure
from jobmon.server.db import Database
from jobmon_conformance import invariants
from unit.server.conftest import database, empty

__all__ = ["database", "empty"]

VERSIONS = sorted(path.stem.removeprefix("api-") for path in FOLDER.glob("api-*.json"))
SITES_ALONE = {"NONCE", "MUNGE", "PEER", "LOGOUT"}  # are asked where users have names of their own
FOR_PROBES = {"READY", "OPENAPI", "METRICS"}
MAJOR, MINOR = (int(number) for number in API_VERSION.split("."))
NEWER = f"{MAJOR}.{MINOR + 1}"
OLDER = f"{MAJOR}.{max(MINOR - 1, 0)}"

pytestmark = pytest.mark.promise("F67")


@pytest.fixture
def app(database: Database) -> App:
    return App(make_service(database))


def differences(then: Any, now: Any, where: str = "$") -> list[str]:
    """What is not as it was; what is new is none."""
    if isinstance(then, dict) and isinstance(now, dict):
        gone = [f"{where}.{name} is gone" for name in then.keys() - now.keys()]
        return gone + [line for name in then.keys() & now.keys()
                       for line in differences(then[name], now[name], f"{where}.{name}")]  # fmt: skip
    if isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        pairs = enumerate(zip(then, now, strict=True))
        return [line for place, (old, new) in pairs for line in differences(old, new, f"{where}[{place}]")]
    return [] if then == now else [f"{where} was {then!r} and is {now!r}"]


def replayed(app: App, said: list[Said], api: str, **more: Any) -> list[str]:
    """Say it all again, each request with `more` fields; returns what is answered otherwise."""
    found = []
    for number, one in enumerate(said):
        status, content = app.ask(one.method, one.url, one.request | more, api)
        where = f"{number}: {one.method} {one.url}"
        if status != one.status:
            found.append(f"{where}: was {one.status} and is {status}: {content!r}")
        elif status == 200:
            found += differences(one.answer, lasting(msgspec.json.decode(content)), where)
        else:
            found += differences(one.answer["error"], msgspec.json.decode(content, type=Failure).error, where)
    return found


def results(database: Database) -> list[list[tuple[Any, ...]]]:
    """What a day leaves behind."""
    queries = (
        "SELECT kind, entity_id, old, new FROM audit ORDER BY id",
        "SELECT id, status, attempts, failures FROM task ORDER BY id",
        "SELECT id, name, status FROM workflow ORDER BY id",
    )
    with database.engine.connect() as connection:
        invariants.check(connection)
        return [[tuple(row) for row in connection.exec_driver_sql(query)] for query in queries]


def test_today_has_a_recording_of_every_route_that_clients_use() -> None:
    assert API_VERSION in VERSIONS, "python -m integration.server.recording (from tests/) makes it"
    assert {one.route for one in recorded(API_VERSION)} == ALL.keys() - SITES_ALONE - FOR_PROBES


@pytest.mark.parametrize("version", VERSIONS)
def test_whatever_was_sent_is_read(version: str) -> None:
    for one in recorded(version):
        sent = ALL[one.route].sent

        msgspec.convert(one.request, type=sent, strict=False)
        if one.status == 200:
            msgspec.convert(one.answer, type=ALL[one.route].got)


@pytest.mark.promise("F25")
@pytest.mark.parametrize("version", VERSIONS)
def test_a_day_of_then_is_answered_as_then(
    app: App, database: Database, version: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    said = recorded(version)

    assert replayed(app, said, version) == []
    today = Database(f"sqlite:///{tmp_path}/today.db", "OFF")
    today.create()
    record(App(make_service(today)))
    assert results(database) == results(today)
    today.dispose()
    record_property("G11", f"{len(said)} requests of API {version} answered as then, with the same effect")


def test_a_day_that_is_told_twice_is_one(app: App, database: Database) -> None:
    """Each request arrives a second time at once: the answer is the same, or says that it came late."""
    for one in recorded(API_VERSION):
        first, _ = app.ask(one.method, one.url, one.request)
        second, content = app.ask(one.method, one.url, one.request)

        assert (first, second) in ((one.status, one.status), (200, 409)), (one.url, content)
    once = [(id, status) for id, status, *_ in results(database)[1]]
    assert once == [(id, "D" if id <= 5 else "G") for id in range(1, 11)]


def test_what_a_newer_client_says_besides_is_ignored(app: App) -> None:
    """It was released before its server was upgraded."""
    assert replayed(app, recorded(API_VERSION), NEWER, unheard_of=[1, {"a": 2}]) == []


def test_what_an_older_client_does_not_say_is_not_missed(app: App) -> None:
    """All that has a default may be left out."""
    for one in recorded(API_VERSION):
        needed = {field.name for field in msgspec.structs.fields(ALL[one.route].sent) if field.required}
        fields = {name: value for name, value in one.request.items() if name in needed}
        status, content = app.ask(one.method, one.url, fields, OLDER)

        assert status != 500 and b"missing required field" not in content, (one.url, content)


def test_a_field_that_is_misspelt_by_a_client_of_today_is_refused(app: App) -> None:
    status, content = app.ask("POST", "/api/v1/tool", {"name": "t", "new_vresion": True})

    assert status == 400
    assert b"unknown field `new_vresion`" in content
