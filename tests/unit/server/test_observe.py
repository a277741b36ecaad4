"""What the log holds of a request, and what it must never hold."""

import logging
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from flask.testing import FlaskClient

from fakes.service import OWNER, TOKEN, make_service
from jobmon.core.logs import OneLine
from jobmon.server import observe
from jobmon.server.db import Database
from jobmon.server.json_log import JsonLine
from jobmon.server.observe import make_form
from jobmon.server.serve import make_app

CANARY = "canary-2f9a77"


class Lines(logging.Handler):
    """Keeps what a log file would hold."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonLine())
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))

    def last(self) -> dict[str, Any]:
        return msgspec.json.decode(self.lines[-1])


@pytest.fixture
def log() -> Iterator[Lines]:
    """All that is logged, from DEBUG on."""
    lines, root = Lines(), logging.getLogger()
    before, own = root.level, observe.log.level
    root.addHandler(lines)
    root.setLevel(logging.DEBUG)
    observe.log.setLevel(logging.NOTSET)
    yield lines
    root.removeHandler(lines)
    root.setLevel(before)
    observe.log.setLevel(own)


@pytest.fixture
def client(database: Database) -> FlaskClient:
    return make_app(make_service(database)).test_client()


def test_a_request_is_one_line_with_its_route_its_ids_and_how_it_ended(client: FlaskClient, log: Lines) -> None:
    reply = client.get("/api/v1/workflow/7/tasks", headers={**OWNER, "X-Request-Id": "from-the-proxy:1"})

    line = log.last()
    assert reply.headers["X-Request-Id"] == "from-the-proxy:1"
    assert line.pop("milliseconds") >= 0
    assert line.pop("time").endswith("Z")
    assert {
        name: line[name] for name in ("route", "workflow_id", "status", "request_id", "principal", "level")
    } == {
        "route": "GET /workflow/{workflow_id}/tasks",
        "workflow_id": 7,
        "status": 404,
        "request_id": "from-the-proxy:1",
        "principal": "everything",
        "level": "INFO",
    }


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", 'a"b', "ä"])
def test_a_request_id_that_cannot_be_used_is_replaced(client: FlaskClient, given: str) -> None:
    made = [client.get("/health", headers={"X-Request-Id": given}).headers["X-Request-Id"] for _ in range(2)]

    assert len(set(made)) == 2
    assert all(len(one) == 16 for one in made)


def test_a_refused_caller_is_nobody_and_its_secret_is_not_written_down(client: FlaskClient, log: Lines) -> None:
    for header in (f"Bearer {CANARY}", f"Basic {CANARY}", CANARY):
        client.get("/api/v1/workflows?user=x", headers={"Authorization": header})
    client.get(f"/nowhere/{CANARY}?token={CANARY}")
    client.post("/api/v1/work", headers=OWNER, data=b'{"runner": "r", "token": "%s"}' % CANARY.encode())
    client.post("/api/v1/tool", headers=OWNER, json={"name": CANARY})

    assert log.last()["status"] == 200
    assert CANARY not in "".join(log.lines)
    assert TOKEN not in "".join(log.lines)
    assert [msgspec.json.decode(line)["route"] for line in log.lines if '"status":404' in line] == ["unknown"]


def test_an_error_that_nobody_foresaw_carries_the_id_of_its_request(
    client: FlaskClient, log: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError(f"Authorization: Bearer {CANARY}, mysql://ann:{CANARY}@db, token={CANARY}")

    monkeypatch.setattr(Database, "read", fail)
    reply = client.get("/api/v1/clusters", headers=OWNER)

    (error,) = [line for line in map(msgspec.json.decode, log.lines) if "traceback" in line]
    assert reply.status_code == 500
    assert error["request_id"] == reply.headers["X-Request-Id"] == log.last()["request_id"]
    assert log.last()["level"] == "WARNING"
    assert "mysql://ann:***@db" in error["traceback"]
    assert CANARY not in "".join(log.lines)


def test_as_text_only_what_went_wrong_is_told(log: Lines) -> None:
    form = make_form("text")

    assert isinstance(form, OneLine)
    assert isinstance(make_form("json"), JsonLine)
    assert not observe.log.isEnabledFor(logging.INFO)
    assert observe.log.isEnabledFor(logging.WARNING)


def test_a_name_that_is_no_utf_8_does_not_break_the_line() -> None:
    log, words = Lines(), ("a\udcff", "\x1b[31mred")
    log.handle(logging.LogRecord("x", logging.WARNING, "file", 1, "cannot read %s\n%s", words, None))

    assert log.last()["message"] == "cannot read a\\udcff\n\x1b[31mred"
    assert "\n" not in log.lines[-1] and "\x1b" not in log.lines[-1]
