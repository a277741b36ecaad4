"""Limits: who is asked to come back and when, and what never is."""

import math
from collections import Counter

import pytest

from fakes.clock import Clock
from fakes.service import OWNER, make_service
from jobmon.core import routes, wire
from jobmon.core.exceptions import ServerBusy, TooManyRequests
from jobmon.core.routes import BULK_BYTES, Route
from jobmon.server import admission
from jobmon.server.admission import BACK_PER_SECOND, BURST_SECONDS, CROWD_SECONDS, Admission
from jobmon.server.db import Database
from jobmon.server.serve import make_app

ALL = [route for route in vars(routes).values() if isinstance(route, Route)]
HEARTBEAT = wire.WorkRequest(runner="r", node="n", sequence=1, alive=[1])
RESULT = wire.WorkRequest(
    runner="r", node="n", sequence=1, outcomes=[wire.Outcome(instance_id=1, token="t", status="D")]
)
CLAIM = wire.WorkRequest(runner="r", node="n", sequence=1, claims=[wire.Claim(batch_id=1, start=0)])


def ask(limits: Admission, caller: str, route: Route = routes.TASKS) -> None:
    with limits.enter(route, caller):
        pass


@pytest.mark.promise("F12")
def test_one_who_asks_too_often_is_told_when_to_come_back_and_may_then() -> None:
    clock = Clock()
    limits = Admission(requests_per_second=2, clock=clock)
    for _ in range(int(2 * BURST_SECONDS)):
        ask(limits, "ann")

    with pytest.raises(TooManyRequests, match="2 requests a second .*came from ann") as caught:
        ask(limits, "ann")
    ask(limits, "bob")
    clock.sleep(caught.value.retry_after_seconds)
    ask(limits, "ann")

    assert caught.value.retry_after_seconds == 1
    assert caught.value.http_status == 429


def test_a_refused_request_is_not_held_against_its_caller() -> None:
    clock = Clock()
    limits = Admission(requests_per_second=1, clock=clock)
    refused = 0
    for _ in range(100):
        try:
            ask(limits, "ann")
        except TooManyRequests:
            refused += 1
    clock.sleep(1)
    ask(limits, "ann")

    assert refused == 100 - BURST_SECONDS


def test_what_workers_and_distributors_say_is_never_counted_against_their_user() -> None:
    limits = Admission(requests_per_second=0.001, clock=Clock())

    for route in [route for route in ALL if route.action in ("drive", "work")]:
        for _ in range(50):
            ask(limits, "ann", route)
    with pytest.raises(TooManyRequests):
        ask(limits, "ann"), ask(limits, "ann")


def test_of_callers_only_so_many_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "CALLERS_KEPT", 3)
    limits = Admission(clock=Clock())
    for number in range(100):
        ask(limits, f"caller {number}")

    assert list(limits._spent) == ["caller 97", "caller 98", "caller 99"]


@pytest.mark.promise("F12")
def test_of_large_bodies_only_so_many_are_taken_in_at_a_time() -> None:
    limits = Admission(bulk_at_once=2)

    with limits.enter(routes.CHUNK, "ann"), limits.enter(routes.BIND, "bob"):
        with pytest.raises(ServerBusy, match="2 large requests") as caught:
            ask(limits, "cy", routes.CHUNK)
        ask(limits, "cy", routes.WORK)
        ask(limits, "cy")
    ask(limits, "cy", routes.CHUNK)

    assert 1 <= caught.value.retry_after_seconds <= 3


@pytest.mark.promise("F12")
def test_signs_of_life_give_way_to_results_when_there_are_too_many() -> None:
    limits = Admission(threads=4)

    with limits.enter(routes.WORK, "w"), limits.enter(routes.WORK, "w"):
        limits.prefer_results(HEARTBEAT)
        with limits.enter(routes.WORK, "w"):
            limits.prefer_results(RESULT)
            limits.prefer_results(CLAIM)
            with pytest.raises(ServerBusy, match="results go before"):
                limits.prefer_results(HEARTBEAT)
    limits.prefer_results(HEARTBEAT)


@pytest.mark.promise("F12")
def test_a_crowd_that_is_sent_away_is_spread_out_and_a_few_are_not() -> None:
    clock = Clock()
    limits = Admission(threads=2, clock=clock)

    def sent_away() -> float:
        with pytest.raises(ServerBusy) as caught:
            limits.prefer_results(HEARTBEAT)
        return float(caught.value.retry_after_seconds or 0)

    with limits.enter(routes.WORK, "w"), limits.enter(routes.WORK, "w"):
        few = [sent_away() for _ in range(100)]
        crowd = []
        for _ in range(10_000):
            clock.sleep(0.001)
            crowd.append(sent_away())
        clock.sleep(10 * CROWD_SECONDS)
        few += [sent_away() for _ in range(100)]
    a_second = Counter(math.floor(seconds) for seconds in crowd[5_000:])

    assert min(few) >= 1 and max(few) <= 3
    assert max(crowd) <= 60
    assert max(a_second.values()) < 3 * BACK_PER_SECOND


@pytest.mark.promise("F12")
def test_over_http_the_refusal_has_its_status_and_the_time_to_come_back(database: Database) -> None:
    service = make_service(database, admission=Admission(requests_per_second=0.05, bulk_at_once=0, clock=Clock()))
    client = make_app(service).test_client()
    assert client.get("/api/v1/clusters", headers=OWNER).status_code == 200

    often = client.get("/api/v1/clusters", headers=OWNER)
    bulk = client.post("/api/v1/workflow", headers=OWNER, data=b"this is not even looked at")

    assert (often.status_code, often.get_json()["error"]) == (429, "TooManyRequests")
    assert int(often.headers["Retry-After"]) >= often.get_json()["retry_after_seconds"] > 1
    assert (bulk.status_code, bulk.get_json()["error"]) == (503, "ServerBusy")
    assert int(bulk.headers["Retry-After"]) in (2, 3)


def test_only_what_comes_in_columns_may_be_large() -> None:
    large = {f"{route.method} {route.path}" for route in ALL if route.body_bytes > routes.SMALL_BYTES}

    assert large == {
        "POST /workflow",
        "POST /workflow/{workflow_id}/chunk",
        "POST /workflow/{workflow_id}/deferred",
        "POST /run/{run_id}/advance",
        "POST /work",
    }
    assert {route.body_bytes for route in ALL} == {2**20, BULK_BYTES}


@pytest.mark.parametrize(
    "path, body, field",
    [
        ("tool", {"name": "x" * 256}, "$.name"),
        ("clusters", {"name": "c", "kind": "x" * 256}, "$.kind"),
        ("task/1/attributes", {"attributes": {"a": "x" * 256}}, "$.attributes[...]"),
        ("run/1/lease", {"holder": "x" * 65, "host": "h", "pid": 1, "version": "4"}, "$.holder"),
        ("work", {"runner": "x" * 65, "node": "n", "sequence": 1}, "$.runner"),
    ],
)
def test_a_text_that_no_column_holds_is_refused_by_the_name_of_its_field(
    database: Database, path: str, body: object, field: str
) -> None:
    reply = make_app(make_service(database)).test_client().post(f"/api/v1/{path}", headers=OWNER, json=body)

    assert reply.status_code == 400
    assert f"at `{field}`" in reply.get_json()["message"]


@pytest.mark.parametrize(
    "path", ["workflows?limit=10001", "workflow/1/errors?limit=-1", "workflow/1/tasks?limit=1e9"]
)
def test_a_page_has_an_end(database: Database, path: str) -> None:
    reply = make_app(make_service(database)).test_client().get(f"/api/v1/{path}", headers=OWNER)

    assert reply.status_code == 400
    assert "at `$.limit`" in reply.get_json()["message"]
