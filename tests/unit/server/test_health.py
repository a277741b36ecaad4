"""Probes: what /ready says when something is wrong, and to whom."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from fakes.service import make_service
from jobmon.server import schema
from jobmon.server.db import Database
from jobmon.server.serve import make_app
from jobmon.server.service import Service
from jobmon.server.views import health


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    database = Database(f"sqlite:///{tmp_path}/jobmon.db", "OFF")
    schema.create(database)
    yield make_service(database)
    database.dispose()


@pytest.fixture
def client(service: Service) -> FlaskClient:
    return make_app(service).test_client()


def test_a_server_that_can_work_says_what_it_looked_at(client: FlaskClient) -> None:
    reply = client.get("/ready")

    assert reply.status_code == 200
    assert reply.get_json() == {"checked": ["process", "database", "schema", "disk"]}


def test_a_full_disk_is_named_and_nothing_else_told(
    client: FlaskClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(health, "ROOM_BYTES", shutil.disk_usage(tmp_path).total + 1)

    reply = client.get("/ready")

    assert (reply.status_code, reply.headers["Retry-After"]) == (503, "1")
    assert reply.get_json()["message"] == "not ready: disk"
    assert str(tmp_path) not in reply.text
    assert f"{tmp_path} has" in caplog.text


def test_a_schema_of_another_release_is_named(client: FlaskClient, service: Service) -> None:
    service.database.write(lambda c: c.execute(sa.update(schema.version_table).values(version_num="0000")))

    reply = client.get("/ready")

    assert (reply.status_code, reply.get_json()["message"]) == (503, "not ready: schema")
    assert client.get("/health").status_code == 200


def test_a_database_that_is_away_is_named_at_once(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/not/there/jobmon.db", "OFF")

    reply = make_app(make_service(database)).test_client().get("/ready")

    assert (reply.status_code, reply.get_json()["message"]) == (503, "not ready: database, schema, disk")
    database.dispose()


def test_a_process_that_ends_is_not_ready_and_takes_no_new_work(client: FlaskClient, service: Service) -> None:
    service.signals.end()

    ready = client.get("/ready")
    work = client.get("/api/v1/workflows", headers={"Authorization": f"Bearer {service.token}"})

    assert (ready.status_code, ready.get_json()["message"]) == (503, "not ready: process")
    assert (work.status_code, work.headers["Retry-After"]) == (503, "1")
    assert "another one will answer" in work.get_json()["message"]
    assert client.get("/health").status_code == 200
