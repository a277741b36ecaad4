"""What client, distributor and workers of a version said to its server, word by word, and what it answered.

`python -m integration.server.recording` (from tests/) writes recordings/api-VERSION.json for the version of today.
A file of a version that was released is never written anew, for its clients go on saying what they said.
"""

import json
import re
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from fakes import story
from fakes.app import App
from fakes.service import make_service
from jobmon.core import routes, wire
from jobmon.core.routes import API_VERSION, Route
from jobmon.server.db import Database

FOLDER = Path(__file__).with_name("recordings")
CHANGING = {  # from day to day, or from machine to machine
    "created_at", "distributor", "elapsed_seconds", "ended_at", "error_time", "expires_at", "host", "instance",
    "pid", "started_at", "submitted_at", "uptime_seconds", "user", "version",
}  # fmt: skip
ALL = {name: route for name, route in vars(routes).items() if isinstance(route, Route)}
BATCH_NAME = re.compile(r"^(jm-\d+-\d+-)\w+")
NAMES = {route: name for name, route in ALL.items()}


class Said(NamedTuple):
    """One request and its answer. `route` is a name of `routes`."""

    route: str
    url: str
    request: dict[str, Any]
    status: int
    answer: Any

    @property
    def method(self) -> str:
        return ALL[self.route].method


class Recorder:
    """Notes what goes over the wire to an application, and back."""

    def __init__(self, app: App) -> None:
        """Nothing was said yet."""
        self.said: list[Said] = []
        self._app = app

    def call(self, route: Route[Any, Any], sent: Any, **ids: int) -> Any:
        """As `App.call`."""
        self.ask(route, sent, 200, **ids)
        return msgspec.convert(self.said[-1].answer, type=route.got)

    def ask(self, route: Route[Any, Any], sent: Any, expected: int, **ids: int) -> None:
        """One question that is answered with that status."""
        url, body = route.url(**ids), msgspec.to_builtins(sent)
        status, content = self._app.ask(route.method, url, body)
        assert status == expected, f"{route.method} {url}: {status} {content!r}"
        self.said.append(Said(NAMES[route], url, body, status, lasting(json.loads(content))))


def lasting(answer: Any) -> Any:
    """What is the same on every day: times and such are 1 or a question mark, or None where there is none."""
    if isinstance(answer, dict):
        return {name: _fixed(value) if name in CHANGING else lasting(value) for name, value in answer.items()}
    if isinstance(answer, list):
        return [lasting(value) for value in answer]
    return BATCH_NAME.sub(r"\1?", answer) if isinstance(answer, str) else answer


def _fixed(value: Any) -> Any:
    return "?" if isinstance(value, str) else None if value is None else 1


def record(app: App) -> list[Said]:
    """A whole day, and what is refused."""
    recorder = Recorder(app)
    recorder.call(routes.HEALTH, wire.Nothing())
    story.tell(recorder.call)
    lease = wire.LeaseRequest(holder="another", host="h", pid=1, version="4")
    recorder.ask(routes.LEASE, lease, 409, run_id=1)
    recorder.ask(routes.ADVANCE, wire.AdvanceRequest(fence=99), 404, run_id=99)
    recorder.ask(routes.ADVANCE, wire.AdvanceRequest(fence=99), 409, run_id=2)
    outcome = wire.Outcome(instance_id=1, token="stolen", status="D")
    recorder.ask(routes.WORK, wire.WorkRequest(runner="r", node="n", sequence=1, outcomes=[outcome]), 403)
    recorder.ask(routes.TASKS, wire.TaskQuery(status=["NOTHING"]), 400, workflow_id=1)
    return recorder.said


def recorded(version: str) -> list[Said]:
    """What was said in the days of that version of the API."""
    return [Said(**entry) for entry in json.loads((FOLDER / f"api-{version}.json").read_text())]


def main() -> None:
    """Write the file of today's version."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/jobmon.db")
        database.create()
        said = record(App(make_service(database)))
        database.dispose()
    lines = ",\n".join(json.dumps(entry._asdict()) for entry in said)
    (FOLDER / f"api-{API_VERSION}.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
