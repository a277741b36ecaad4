"""Whatever comes in over HTTP is answered in our own words: no server error, nothing undeclared.

The requests are made of the served description, in its words and against them. `JOBMON_TEST_LONG=1` goes on until
it has sent a hundred thousand, or for a quarter of an hour.
"""

import itertools
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import requests
import schemathesis
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from jobmon.core import local_server, routes, wire
from jobmon.core.http import Server
from jobmon.core.local_server import ensure, read_server_file
from jobmon.core.processes import lives
from jobmon.core.resources import Resources
from jobmon.core.routes import Route

LONG = os.environ.get("JOBMON_TEST_LONG") == "1"
CALLS, SECONDS = 100_000, 900.0
EXAMPLES, EXAMPLES_LONG = 5, 20  # of one kind at a time
TWISTS = 20  # calls that come of each request by putting something else in one place of it
STRANGE = (
    None, True, 0, -1, 1, 2, 2**31, 2**63 - 1, 2**63, 10**30, 0.5, 1e308, -0.0, "", "1", "D", "RUNNING", "\0",
    "\r\n", "%", "_", "'; DROP TABLE task; --", "\u202e", "\U0001f642", "ä" * 256, "x" * 70_000, [], {}, [[]],
    [None], [1, 1], {"": ""}, {"a": {"a": []}},
)  # fmt: skip
SETTINGS = hypothesis.settings(
    deadline=None,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
    phases=[hypothesis.Phase.generate],
)
STEERED = {"fence": 1, "wait_seconds": 0.01, "rest_seconds": 0.01}  # far in, and not waiting for news
ALL = {name: route for name, route in vars(routes).items() if isinstance(route, Route)}
CASES = [
    (name, mode)
    for name, route in ALL.items()
    for mode in GenerationMode
    if mode is GenerationMode.POSITIVE
    or route.sent.__struct_fields__
    or "{" in route.path  # else nothing can be wrong
]
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real one, with a workflow 1 that has a run 1, so that not every number is unknown."""
    folder = tmp_path_factory.mktemp("fuzz") / "data"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JOBMON__SERVER__REQUESTS_PER_SECOND", "1e6")
        patch.setattr(local_server, "START_SECONDS", 150.0)
        ensure(folder)
    server = Server(lambda: ensure(folder), retry_seconds=60)
    _bind(server, folder)
    note = read_server_file(folder)
    assert note is not None
    yield server
    assert lives(note.pid), "the server did not survive"
    os.kill(note.pid, signal.SIGKILL)


def _bind(server: Server, folder: Path) -> None:
    bind = wire.BindRequest(
        request_id="b", tool_name="tool", name="w", args="a", args_hash="a", description="", owner="ann",
        attributes={}, run_dir=str(folder), arrays=[wire.Array(template=0, name="fit")],
        templates=[
            wire.Template(name="fit", command_template="", node_args=[], task_args=[], op_args=[], key="fit")
        ],
        resources=[wire.TaskResources(cluster="dummy", requested=Resources())],
        task_count=3, gate_count=1, identity_hash="i", order_hash="o", spec_hash="s",
    )  # fmt: skip
    bound = server.call(routes.BIND, bind)
    chunk = wire.ChunkRequest(
        index=0, last=True, first=0, array=bound.array_ids * 3, gate=[0] * 3, resources=bound.resources_ids * 3,
        max_attempts=[3] * 3, name=["t"] * 3, command=["true"] * 3, node_args=["{}"] * 3,
        node_hash="0" * 96, gate_remaining=[0],
    )  # fmt: skip
    server.call(routes.CHUNK, chunk, workflow_id=bound.workflow_id)
    start = wire.StartRunRequest(request_id="r", user="ann", host="h", pid=1, version="4")
    run = server.call(routes.START_RUN, start, workflow_id=bound.workflow_id)
    lease = wire.LeaseRequest(holder="d", host="h", pid=1, version="4")
    fence = server.call(routes.LEASE, lease, run_id=run.workflow_run_id).fence
    answer = server.call(routes.ADVANCE, wire.AdvanceRequest(fence=fence), run_id=run.workflow_run_id)
    assert (bound.workflow_id, run.workflow_run_id, fence, len(answer.submit)) == (1, 1, STEERED["fence"], 1)


@pytest.fixture(scope="module")
def described(server: Server) -> Any:
    """The API as the server describes it."""
    return schemathesis.openapi.from_url(f"{server.address.url}/openapi.json")


def twist(body: Any, chance: random.Random) -> Any:
    """The same with something strange in one place."""
    if isinstance(body, dict) and body and chance.random() < 0.9:
        name = chance.choice(list(body))
        return {**body, name: twist(body[name], chance)}
    if isinstance(body, list) and body and chance.random() < 0.7:
        place = chance.randrange(len(body))
        return [*body[:place], twist(body[place], chance), *body[place + 1 :]]
    return chance.choice(STRANGE)


class Twister:
    """Sends twisted forms of requests over one connection."""

    def __init__(self, server: Server) -> None:
        self.calls = 0
        self.strange: list[str] = []
        self._chance = random.Random(0)
        self._session = requests.Session()
        self._url = server.address.url
        self._token = {"Authorization": f"Bearer {server.address.token}"}

    def send(self, route: Route[Any, Any], path: str, body: Any) -> None:
        """Each is answered in our own words, and none of these is that the server failed."""
        for _ in range(TWISTS):
            if route.method == "POST":
                sent = {"json": twist(body, self._chance)}
            else:
                sent = {"params": {name: twist(value, self._chance) for name, value in body.items()}}
            reply = self._session.request(route.method, self._url + path, headers=self._token, timeout=60, **sent)
            self.calls += 1
            if reply.status_code not in (200, 400, 401, 403, 404, 409, 413):
                self.strange.append(f"{route.method} {path} {str(sent)[:2000]}: {reply.status_code} {reply.text}")


def steer(mode: GenerationMode, case: Case) -> None:
    """Make it go far in, and not wait for news."""
    if mode is GenerationMode.POSITIVE:
        case.path_parameters = dict.fromkeys(case.path_parameters or {}, 1)
    if isinstance(case.body, dict):
        case.body |= {name: value for name, value in STEERED.items() if name in case.body}


def ask(
    described: Any,
    server: Server,
    name: str,
    mode: GenerationMode,
    examples: int,
    seed: int = 0,
    twister: Twister | None = None,
) -> int:
    """Call one route with so many requests of one kind; returns how many were sent."""
    route = ALL[name]
    operation = described[route.prefix + route.path][route.method]
    sent = 0

    @hypothesis.seed(seed)
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    @hypothesis.settings(SETTINGS, max_examples=examples)
    def send(case: Case) -> None:
        nonlocal sent
        sent += 1
        steer(mode, case)
        headers = {"Authorization": f"Bearer {server.address.token}"}
        case.call_and_validate(headers=headers, checks=CHECKS, timeout=120)
        if twister and mode is GenerationMode.POSITIVE:
            body = case.body if route.method == "POST" else case.query
            if isinstance(body, dict) and body:
                twister.send(route, case.formatted_path, body)

    send()
    return sent


@pytest.mark.slow
@pytest.mark.promise("F40", "F72")
@pytest.mark.parametrize("name, mode", CASES)
def test_whatever_comes_in_is_answered_as_declared(
    described: Any,
    server: Server,
    name: str,
    mode: GenerationMode,
    record_property: Callable[[str, object], None],
) -> None:
    calls = ask(described, server, name, mode, EXAMPLES)

    record_property("calls of the API", calls)


if LONG:

    @pytest.mark.slow
    @pytest.mark.timeout(0)
    def test_a_hundred_thousand_calls_are_answered_as_declared(
        described: Any, server: Server, record_property: Callable[[str, object], None]
    ) -> None:
        began, calls, strange, twister = time.monotonic(), 0, [], Twister(server)
        for round in itertools.count(1):
            for name, mode in CASES:
                try:
                    calls += ask(described, server, name, mode, EXAMPLES_LONG, round, twister)
                except Exception as error:  # noqa: BLE001  # all of them are shown below
                    strange.append(f"{name}, {mode.name}, round {round}: {error}")
            if calls + twister.calls >= CALLS or time.monotonic() - began > SECONDS:
                break

        assert strange + twister.strange == []
        seconds = time.monotonic() - began
        record_property(
            "G10", f"{calls + twister.calls:,} calls of {len(ALL)} routes in {seconds:.0f} s, 0 server errors"
        )
