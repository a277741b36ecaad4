"""Whatever comes in over HTTP is answered in our own words: no server error, nothing undeclared.

The requests are made of the served description, in its words and against them. `JOBMON_TEST_LONG=1` sends
two hundred times as many.
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from jobmon.core import routes, wire
from jobmon.core.http import Server
from jobmon.core.local_server import ensure, read_server_file
from jobmon.core.processes import lives
from jobmon.core.resources import Resources
from jobmon.core.routes import Route

EXAMPLES = 1000 if os.environ.get("JOBMON_TEST_LONG") == "1" else 5
SETTINGS = hypothesis.settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=EXAMPLES < 100,
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


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.promise("F40", "F72")
@pytest.mark.parametrize("name, mode", CASES)
def test_whatever_comes_in_is_answered_as_declared(
    described: Any, server: Server, name: str, mode: GenerationMode
) -> None:
    route = ALL[name]
    operation = described[route.prefix + route.path][route.method]

    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    @SETTINGS
    def ask(case: Case) -> None:
        if mode is GenerationMode.POSITIVE:
            case.path_parameters = dict.fromkeys(case.path_parameters or {}, 1)
        if isinstance(case.body, dict):
            case.body |= {name: value for name, value in STEERED.items() if name in case.body}
        case.call_and_validate(headers={"Authorization": f"Bearer {server.address.token}"}, checks=CHECKS)

    ask()
