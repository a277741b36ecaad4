"""A server that is told to end amid work and long polls: polls are answered at once, nothing is lost."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from clusters.databases import free_port
from jobmon.core import routes, wire
from jobmon.core.http import Address, Server
from jobmon.core.resources import Resources
from jobmon.core.settings import load_settings
from jobmon.server.start import open_service

POLL_SECONDS = 600.0  # so long a poll lasts without a graceful end, and so long does the end of the server
END_SECONDS = 150.0
LASTING = f"from jobmon.server import signals; signals.POLL_SECONDS_MAX = {POLL_SECONDS}\n"
EMBEDDED = "from jobmon.server import embedded; embedded.main()"
SITE = """
import sys
from pathlib import Path
from jobmon.core.settings import load_settings
from jobmon.server.site import Listening, serve
from jobmon.server.start import open_service
folder, bind = Path(sys.argv[1]), sys.argv[2]
where = Listening(bind, processes=int(sys.argv[3]), threads=32)
serve(lambda: open_service(load_settings(), folder, frozenset()), where, folder)
"""


class Site:
    """Real processes on one port and one folder, that can be ended and started again."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._words = ["-c", LASTING + EMBEDDED, str(folder)]
        if kind != "waitress":
            self._words = ["-c", LASTING + SITE, str(folder), f"127.0.0.1:{self.port}", kind.partition(" ")[2]]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = os.environ | {"JOBMON__SERVER__PORT": str(self.port)}
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([sys.executable, *self._words], env=environment, stderr=log)
        deadline = time.monotonic() + 120
        while True:
            with contextlib.suppress(requests.ConnectionError, requests.Timeout):
                if requests.get(f"{self.url}/ready", timeout=30).status_code == 200:
                    return
            assert time.monotonic() < deadline and self.process.poll() is None, (self.folder / "log").read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(END_SECONDS) == 0

    def client(self) -> Server:
        token = (self.folder / "token").read_text()
        return Server(lambda: Address(self.url, token), request_timeout_seconds=30, retry_seconds=600)


@pytest.fixture(params=["gunicorn 1", "gunicorn 2", "waitress"])
def site(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Site]:
    folder = tmp_path / "data"
    open_service(
        load_settings(), folder, frozenset()
    ).database.dispose()  # several processes must not race to make it
    site = Site(folder, request.param)
    site.start()
    yield site
    if site.process is not None and site.process.poll() is None:
        site.process.kill()
        site.process.wait(30)


def start_run(server: Server, folder: Path) -> int:
    bind = wire.BindRequest(
        request_id="b", tool_name="tool", name="w", args="a", args_hash="a", description="", owner="ann",
        attributes={}, run_dir=str(folder), arrays=[wire.Array(template=0, name="fit")],
        templates=[
            wire.Template(name="fit", command_template="", node_args=[], task_args=[], op_args=[], key="fit")
        ],
        resources=[wire.TaskResources(cluster="dummy", requested=Resources())],
        task_count=1, gate_count=1, identity_hash="i", order_hash="o", spec_hash="s",
    )  # fmt: skip
    bound = server.call(routes.BIND, bind)
    chunk = wire.ChunkRequest(
        index=0, last=True, first=0, array=bound.array_ids, gate=[0], resources=bound.resources_ids,
        max_attempts=[3], name=["t"], command=["true"], node_args=["{}"], node_hash="0" * 32, gate_remaining=[0],
    )  # fmt: skip
    server.call(routes.CHUNK, chunk, workflow_id=bound.workflow_id)
    start = wire.StartRunRequest(request_id="r", user="ann", host="h", pid=1, version="4")
    return server.call(routes.START_RUN, start, workflow_id=bound.workflow_id).workflow_run_id


class Watchers:
    """Long polls, each on a connection of its own: what came. They never try again."""

    def __init__(self, site: Site, run_id: int, count: int) -> None:
        seen = site.client().call(routes.WATCH, wire.WatchRequest(), run_id=run_id)
        self.answers: list[int] = []
        self.failures: list[Exception] = []
        self._url = site.url + routes.WATCH.url(run_id=run_id)
        self._headers = {"Authorization": f"Bearer {site.client().address.token}"}
        self._body = {"version": seen.version, "wait_seconds": POLL_SECONDS}
        self._threads = [threading.Thread(target=self._watch) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def _watch(self) -> None:
        try:
            reply = requests.post(self._url, json=self._body, headers=self._headers, timeout=POLL_SECONDS * 2)
        except requests.RequestException as failure:
            self.failures.append(failure)
        else:
            self.answers.append(reply.status_code)

    def join(self) -> None:
        for thread in self._threads:
            thread.join(END_SECONDS)


class Writer:
    """Makes tools, one after the other, and keeps the names of those that were confirmed."""

    def __init__(self, site: Site, name: str) -> None:
        self.confirmed: list[str] = []
        self.over = threading.Event()
        self._server = site.client()
        self._name = name
        self._thread = threading.Thread(target=self._write)
        self._thread.start()

    def _write(self) -> None:
        while not self.over.is_set():
            name = f"{self._name} {len(self.confirmed)}"
            self._server.call(routes.TOOL, wire.ToolRequest(name=name))
            self.confirmed.append(name)

    def join(self) -> None:
        self.over.set()
        self._thread.join(600)


def until(condition, what: str) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, f"no {what}"
        time.sleep(0.02)


def inside(site: Site) -> int:
    """Connections that the server has taken from its clients, with all read that they have said."""
    held = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    port = f":{site.port:04X}"
    open_ones = [words for words in held if words[1].endswith(port) and words[3] == "01"]
    return sum(1 for words in open_ones if words[4].endswith(":00000000") and words[9] != "0")


@pytest.mark.timeout(900)
@pytest.mark.promise("F07")
def test_told_to_end_it_answers_its_polls_finishes_its_work_and_nothing_is_lost(site: Site) -> None:
    run_id = start_run(site.client(), site.folder)
    watchers = Watchers(site, run_id, 8)
    writers = [Writer(site, f"writer {number}") for number in range(3)]
    until(lambda: inside(site) >= 11, "connections")
    until(lambda: all(len(writer.confirmed) > 5 for writer in writers), "work")

    site.stop()  # without a graceful end of polls it lasts too long, or they get no answer
    watchers.join()
    before = [len(writer.confirmed) for writer in writers]
    site.start()
    until(
        lambda: all(len(writer.confirmed) > n + 5 for writer, n in zip(writers, before, strict=True)), "work again"
    )
    for writer in writers:
        writer.join()

    assert watchers.failures == []
    assert watchers.answers == [200] * 8
    with contextlib.closing(sqlite3.connect(site.folder / "jobmon.db")) as database:
        names = [name for (name,) in database.execute("SELECT name FROM tool")]
    assert len(set(names)) == len(names)
    assert {name for writer in writers for name in writer.confirmed} <= set(names)
    metrics = requests.get(f"{site.url}/metrics", headers=watchers._headers, timeout=120)
    assert metrics.status_code == 200
    assert 'route="/tool",status="200"' in metrics.text
