"""The edge: who is let in, what is refused and in which words."""

import re
import secrets
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from jobmon.core import routes
from jobmon.core.exceptions import ServerBusy, StorageFull
from jobmon.core.routes import PREFIX, Route
from jobmon.core.wire import Failure, Health
from jobmon.server.admission import Admission
from jobmon.server.db import Database
from jobmon.server.metrics import Metrics
from jobmon.server.serve import make_app
from jobmon.server.service import Service
from jobmon.server.signals import Signals
from jobmon.server.store.work import Rules

TOKEN = "a-token"
METRICS_TOKEN = "metrics-token"
ALL = {name: route for name, route in vars(routes).items() if isinstance(route, Route)}
OUTSIDE = {route.path for route in ALL.values() if not route.prefix}
CLOSED = {name: route for name, route in ALL.items() if route.action != "open"}


@pytest.fixture
def service(database: Database) -> Service:
    rules = Rules(secret=b"s" * 32, heartbeat_seconds=90, silence_seconds=279)
    hosts = frozenset({"localhost", "127.0.0.1", "::1", "login1"})
    return Service(
        database, Signals(), rules, TOKEN, "instance1", hosts, Metrics(database), Admission(), METRICS_TOKEN
    )


@pytest.fixture
def client(service: Service) -> Iterator[FlaskClient]:
    with make_app(service).test_client() as client:
        yield client


def ask(client: FlaskClient, method: str, path: str, body: object = None, **headers: str) -> TestResponse:
    """With a valid token unless `headers` say otherwise."""
    sent = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    data = body if isinstance(body, bytes) else None if body is None else msgspec.json.encode(body)
    prefix = "" if path in OUTSIDE else PREFIX
    return client.open(prefix + path, method=method, data=data, headers=sent)


def failure(reply: TestResponse) -> Failure:
    assert reply.mimetype == "application/json"
    return msgspec.json.decode(reply.data, type=Failure)


def path_of(route: Route[Any, Any]) -> str:
    return re.sub(r"\{\w+\}", "1", route.path)


def test_anybody_may_ask_whether_it_is_up(client: FlaskClient) -> None:
    reply = client.get("/health")

    health = msgspec.json.decode(reply.data, type=Health)
    assert (reply.status_code, health.product, health.instance) == (200, "jobmon", "instance1")


@pytest.mark.parametrize("name", CLOSED)
@pytest.mark.parametrize("header", ["", "Bearer wrong", "Bearer ", f"Basic {TOKEN}", TOKEN, "Bearer tökén"])
def test_every_other_route_needs_the_token(client: FlaskClient, name: str, header: str) -> None:
    route = CLOSED[name]

    reply = ask(client, route.method, path_of(route), {}, Authorization=header)

    assert reply.status_code == 401
    assert failure(reply).error == "Unauthorized"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil"])
def test_a_name_that_is_not_ours_is_refused_everywhere(client: FlaskClient, host: str) -> None:
    for path in ("/health", "/clusters"):
        reply = ask(client, "GET", path, Host=host)

        assert reply.status_code == 403
        assert "does not answer to the name" in failure(reply).message


@pytest.mark.parametrize("host", ["localhost", "localhost:8070", "127.0.0.1:1", "[::1]:8070", "[::1]", "login1"])
def test_our_own_names_are_answered(client: FlaskClient, host: str) -> None:
    assert ask(client, "GET", "/clusters", Host=host).status_code == 200


def test_a_host_header_that_is_none_is_refused(client: FlaskClient) -> None:
    reply = ask(client, "GET", "/clusters", Host="a b/c")

    assert reply.status_code in (400, 403)
    assert failure(reply).error in ("InvalidRequest", "Forbidden")


@pytest.mark.parametrize(
    "body, said",
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        ({}, "missing required field `name`"),
        ({"name": 5}, r"Expected `str`, got `int` - at `$.name`"),
        ({"name": "t", "new_vresion": True}, "unknown field `new_vresion`"),
        ([], "Expected `object`, got `array`"),
        (b'{"name": "\\ud800"}', "not JSON"),
    ],
)
def test_a_body_that_is_not_as_declared_is_refused_by_the_name_of_its_field(
    client: FlaskClient, body: object, said: str
) -> None:
    reply = ask(client, "POST", "/tool", body)

    assert reply.status_code == 400
    assert failure(reply).error == "InvalidRequest"
    assert said in failure(reply).message
    assert "POST /tool" in failure(reply).message


def test_a_body_of_endless_depth_is_refused(client: FlaskClient) -> None:
    deep = b'{"name": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"

    for path in ("/tool", "/workflow"):
        assert ask(client, "POST", path, deep).status_code == 400


@pytest.mark.parametrize("query", ["?limit=x", "?limit=1.5", "?nonsense=1", "?workflow_id=1&workflow_id=b"])
def test_a_query_that_is_not_as_declared_is_refused(client: FlaskClient, query: str) -> None:
    reply = ask(client, "GET", f"/workflows{query}")

    assert reply.status_code == 400
    assert failure(reply).error == "InvalidRequest"


def test_lists_in_a_query_are_repeated_names(client: FlaskClient) -> None:
    reply = ask(client, "GET", "/workflows?user=ann&user=bob&limit=3")

    assert reply.get_json() == {"workflows": []}


@pytest.mark.parametrize("number", [2**63, 10**30])
def test_numbers_that_no_database_holds_are_refused(client: FlaskClient, number: int) -> None:
    replies = [
        ask(client, "GET", f"/workflow/{number}/tasks"),
        ask(client, "GET", f"/workflows?workflow_id={number}"),
        ask(client, "POST", f"/run/{number}/advance", {"fence": 1}),
        ask(client, "POST", "/work", {"runner": "r", "node": "n", "sequence": number, "alive": [number]}),
    ]

    assert [reply.status_code for reply in replies] in ([400] * 4, [404, 404, 404, 400], [404, 400, 404, 400])


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/", "/api/v1/workflow/abc/tasks", "/api/v2/health"])
def test_an_unknown_path_is_not_found_in_our_own_words(client: FlaskClient, path: str) -> None:
    reply = client.get(path)

    assert reply.status_code == 404
    assert failure(reply).error == "NotFound"
    assert path in failure(reply).message


def test_another_method_is_refused_in_our_own_words(client: FlaskClient) -> None:
    reply = client.delete("/health")

    assert reply.status_code == 405
    assert failure(reply).error == "InvalidRequest"


@pytest.mark.promise("F67")
@pytest.mark.parametrize("version, status", [("1.0", 200), ("1.9", 200), ("2.0", 426), ("0.9", 426), ("x", 426)])
def test_a_caller_of_another_major_version_gets_the_line_that_mends_it(
    client: FlaskClient, version: str, status: int
) -> None:
    reply = ask(client, "GET", "/clusters", X_API=version)

    assert reply.status_code == status
    if status == 426:
        assert re.search(r"install jobmon_client==\d", failure(reply).message)


def test_a_body_that_is_too_large_is_refused_before_it_is_read(
    client: FlaskClient,
) -> None:
    small = ask(client, "POST", "/tool", b" " * (routes.SMALL_BYTES + 1))
    bulk = ask(client, "POST", "/work", b" " * (routes.SMALL_BYTES + 1))

    assert (small.status_code, bulk.status_code) == (413, 400)
    assert failure(small).error == "InvalidRequest"


def test_without_a_token_a_large_body_is_not_even_read(client: FlaskClient) -> None:
    large = b" " * (routes.BULK_BYTES + 1)

    assert ask(client, "POST", "/tool", large, Authorization="").status_code == 401


def test_an_error_of_the_store_is_the_answer_under_its_own_name(client: FlaskClient) -> None:
    reply = ask(client, "POST", "/run/7/end", {})

    assert reply.status_code == 404
    assert failure(reply) == Failure(error="NotFound", message="there is no workflow run 7")


def test_clusters_and_their_queues_are_made_known_and_listed(client: FlaskClient) -> None:
    added = ask(client, "POST", "/clusters", {"name": "big", "kind": "slurm", "options": {"account": "a1"}})
    other = ask(client, "POST", "/clusters", {"name": "big", "kind": "pbs"})
    noted = ask(client, "POST", "/clusters/queues", {"name": "big", "queues": [{"name": "all.q", "max_cores": 4}]})
    unread = ask(client, "POST", "/clusters/queues", {"name": "big", "queues": [{"max_cores": 4}]})

    assert (added.status_code, added.get_json()) == (200, {"new": True, "replaced": None})
    assert (other.status_code, failure(other).error) == (409, "Conflict")
    assert (noted.status_code, unread.status_code) == (200, 400)
    limits = {"max_memory_bytes": None, "max_runtime_seconds": None, "max_cores": 4}
    assert ask(client, "GET", "/clusters").get_json() == {
        "clusters": [{"name": "big", "kind": "slurm", "queues": {"all.q": limits}, "options": {"account": "a1"}}]
    }


def test_an_error_that_nobody_foresaw_is_an_answer_too_and_tells_no_secrets(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    secret = secrets.token_hex(8)

    def fail(unit: object) -> None:
        raise RuntimeError(secret)

    monkeypatch.setattr(Database, "read", lambda self, unit: fail(unit))
    reply = ask(client, "GET", "/clusters")

    assert (reply.status_code, failure(reply).error) == (500, "ServerError")
    assert secret not in reply.text
    assert secret in caplog.text


@pytest.mark.promise("F12")
@pytest.mark.parametrize("error, status, later", [(ServerBusy("wait"), 503, "1"), (StorageFull("no"), 507, None)])
def test_busy_says_when_to_come_back(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, later: str | None
) -> None:
    def fail(self: Database, unit: object) -> None:
        raise error

    monkeypatch.setattr(Database, "read", fail)
    reply = ask(client, "GET", "/clusters")

    assert (reply.status_code, reply.headers.get("Retry-After")) == (status, later)
    assert failure(reply).retry_after_seconds == (float(later) if later else None)


def test_every_url_is_a_declared_route_with_an_action_and_every_route_has_a_url(client: FlaskClient) -> None:
    declared = {
        (route.method, route.prefix + route.path.replace("{", "<int:").replace("}", ">")): route.action
        for route in ALL.values()
    }
    served = {
        (method, rule.rule)
        for rule in client.application.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }

    assert served == declared.keys()
    assert {key for key, action in declared.items() if action == "open"} == {
        ("GET", path) for path in ("/health", "/ready", "/openapi.json")
    }
