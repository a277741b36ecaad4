"""The embedded server as a process: started once by many, killed at any moment, on a full disk."""

import contextlib
import itertools
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TypeVar

import msgspec
import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from clusters.databases import hold_port
from fakes.clock import Clock
from jobmon.client.cli.main import main
from jobmon.core import local_server, routes, wire
from jobmon.core.exceptions import ServerUnreachable, StorageFull
from jobmon.core.http import Address, Server
from jobmon.core.local_server import ServerFile, ensure, find, read_server_file, stop
from jobmon.core.processes import lives
from jobmon.core.resources import Resources
from jobmon.server.sqlite_file import only_one
from jobmon_conformance import invariants

Found = TypeVar("Found")
CYCLES = 200 if os.environ.get("JOBMON_TEST_LONG") == "1" else 20
START_SECONDS = 150.0  # in place of the product's patience, which a busy machine overtaxes
ENSURE = f"""
import sys, pathlib
from jobmon.core import local_server
local_server.START_SECONDS = {START_SECONDS}
print(local_server.ensure(pathlib.Path(sys.argv[1])).url)
"""


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_server, "START_SECONDS", START_SECONDS)


def wait_for(condition: Callable[[], Found], what: str, seconds: float = 150) -> Found:
    """What the condition gave when it held."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"no {what} within {seconds} s"
        time.sleep(0.01)
    return found


def found(folder: Path) -> Address:
    """Where the server is; to `find` one that stands still for some seconds is none."""
    return wait_for(lambda: find(folder), "server")


def stopped(folder: Path) -> bool:
    """Whether the server that is there was stopped."""
    return wait_for(lambda: stop(folder, seconds=120), "server that can be stopped")


def note_of(folder: Path) -> ServerFile:
    note = read_server_file(folder)
    assert note is not None
    return note


def kill(folder: Path) -> None:
    """kill -9, and wait until it is gone."""
    pid = note_of(folder).pid
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not lives(pid), "end of the server")


def keep(address: Address) -> None:
    """Let nobody else have the port of a server that is gone for a while."""
    hold_port(int(address.url.rpartition(":")[2]))


def column(folder: Path, query: str) -> list:
    with contextlib.closing(sqlite3.connect(folder / "jobmon.db")) as database:
        return [row[0] for row in database.execute(query)]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """The data folder of a server, which is ended after the test."""
    folder = tmp_path / "data"
    yield folder
    if (note := read_server_file(folder)) and lives(note.pid):
        os.kill(note.pid, signal.SIGKILL)
        wait_for(lambda: not lives(note.pid), "end of the server")


def client(folder: Path, retry_seconds: float = 300) -> Server:
    """Starts the server again whenever it is away, as users' scripts do."""
    return Server(lambda: ensure(folder), request_timeout_seconds=30, retry_seconds=retry_seconds)


@pytest.mark.promise("F14")
def test_five_who_start_it_at_once_get_one_server(folder: Path) -> None:
    callers = [
        subprocess.Popen([sys.executable, "-c", ENSURE, str(folder)], stdout=subprocess.PIPE, text=True)
        for _ in range(5)
    ]
    urls = [caller.communicate(timeout=250)[0].strip() for caller in callers]

    assert [caller.returncode for caller in callers] == [0] * 5
    assert set(urls) == {note_of(folder).url}
    assert (folder / "server.log").read_text().count("serving http://") == 1
    assert (folder / "token").stat().st_mode & 0o777 == 0o600


@pytest.mark.promise("F14")
def test_the_wait_for_one_who_fails_to_start_it_leaves_ones_own_time(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, clock = local_server._start_lock, Clock()

    @contextlib.contextmanager
    def late(data_dir: Path) -> Iterator[None]:
        with lock(data_dir):
            clock.sleep(START_SECONDS + 1)
            yield

    monkeypatch.setattr(local_server, "_start_lock", late)
    monkeypatch.setattr(local_server, "time", SimpleNamespace(monotonic=clock, sleep=time.sleep))

    assert ensure(folder) == found(folder)


def test_it_is_found_stopped_and_found_no_more(folder: Path) -> None:
    address = ensure(folder)
    pid = note_of(folder).pid

    assert found(folder) == address == ensure(folder)
    assert note_of(folder).pid == pid
    assert stopped(folder) is True
    assert not lives(pid)
    assert find(folder) is None
    assert stop(folder) is False


@pytest.mark.promise("F11")
def test_one_that_stands_still_is_named_and_ended_when_it_goes_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBMON__SERVER__DATA_DIR", str(folder))
    ensure(folder)
    note = note_of(folder)
    os.kill(note.pid, signal.SIGSTOP)
    told = CliRunner().invoke(main, ["server", "status"]).output
    with pytest.raises(ServerUnreachable, match=f"`kill -9 {note.pid}` ends it"):
        stop(folder, seconds=0.1)
    os.kill(note.pid, signal.SIGCONT)
    wait_for(lambda: not lives(note.pid), "end of the server")
    ended = CliRunner().invoke(main, ["server", "stop"]).output

    assert f"(pid {note.pid} on {note.host}) is there and does not answer" in told
    assert ended == "No server of your own was running.\n"


def test_a_note_whose_number_another_process_has_by_now_ends_nobody(folder: Path) -> None:
    folder.mkdir()
    with subprocess.Popen(["sleep", "1000"]) as other:
        note = ServerFile(url="http://127.0.0.1:9", pid=other.pid, host=os.uname().nodename, instance="i")
        (folder / "server.json").write_bytes(msgspec.json.encode(note))

        assert stop(folder) is False
        assert other.poll() is None
        other.kill()
    (folder / "server.json").unlink()


def test_it_is_stopped_by_one_who_did_not_start_it_while_its_starter_lives(folder: Path) -> None:
    """Its starter does not collect it, so it stays a zombie: ended all the same."""
    wait = "import sys; sys.stdout.flush(); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", ENSURE + wait, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as starter:
        assert starter.stdout.readline().startswith(b"http://")

        assert stopped(folder) is True


def test_a_proxy_of_the_environment_does_not_hide_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = ensure(folder)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    assert found(folder) == address


@pytest.mark.promise("F07")
def test_after_a_kill_it_comes_back_on_its_port_with_its_token_and_all_it_had_confirmed(folder: Path) -> None:
    before = ensure(folder)
    first = note_of(folder)
    known = client(folder).call(routes.TOOL, wire.ToolRequest(name="kept"))
    kill(folder)
    keep(before)
    assert find(folder) is None

    after = ensure(folder)

    assert after == before
    assert note_of(folder).instance != first.instance
    assert client(folder).call(routes.TOOL, wire.ToolRequest(name="kept")) == known


@pytest.mark.promise("F14")
def test_a_second_server_on_the_folder_is_refused_with_the_name_of_the_first(folder: Path) -> None:
    ensure(folder)
    first = note_of(folder)

    second = subprocess.run(
        [sys.executable, "-m", "jobmon.server.embedded", str(folder)], capture_output=True, text=True, timeout=150
    )

    assert second.returncode == local_server.SERVED_ALREADY
    assert f"{folder} is served already by pid {first.pid} on {first.host}" in second.stderr
    assert note_of(folder) == first
    assert found(folder).url == first.url


@pytest.mark.promise("F14")
def test_who_comes_while_another_server_starts_or_ends_gets_one_in_the_end(folder: Path) -> None:
    """The folder is another's for a while, who does not say where it listens."""
    before = ensure(folder)
    stopped(folder)
    keep(before)
    with only_one(folder):
        starting = subprocess.Popen([sys.executable, "-c", ENSURE, str(folder)], stdout=subprocess.PIPE)
        wait_for(lambda: (folder / "server.log").read_text().count("served already") >= 2, "two refusals")

    assert starting.communicate(timeout=150)[0].decode().strip() == before.url
    assert found(folder) == before


def test_a_server_that_cannot_start_says_why(folder: Path) -> None:
    folder.mkdir()
    (folder / "jobmon.db").write_bytes(b"this is no database" * 1000)

    words = (
        r"ended as it started \(exit code 1\); its log .*server\.log ends with:\n(.*\n)*.*(damaged|not a database)"
    )
    with pytest.raises(ServerUnreachable, match=words):
        ensure(folder)


def workflow(name: str, run_dir: Path, tasks: int) -> tuple[wire.BindRequest, wire.ChunkRequest]:
    """A workflow of one chunk; its ids are those of a workflow's own, told by the answer to the first."""
    bind = wire.BindRequest(
        request_id=name, tool_name="tool", name=name, args=name, args_hash=name, description="", owner="ann",
        attributes={}, run_dir=str(run_dir), arrays=[wire.Array(template=0, name="fit")],
        templates=[
            wire.Template(name="fit", command_template="", node_args=[], task_args=[], op_args=[], key="fit")
        ],
        resources=[wire.TaskResources(cluster="dummy", requested=Resources())],
        task_count=tasks, gate_count=1, identity_hash="i", order_hash="o", spec_hash="s",
    )  # fmt: skip
    chunk = wire.ChunkRequest(
        index=0, last=True, first=0, array=[0] * tasks, gate=[0] * tasks, resources=[0] * tasks,
        max_attempts=[3] * tasks, name=["t"] * tasks, command=["true"] * tasks, node_args=["{}"] * tasks,
        node_hash="0" * 32 * tasks, gate_remaining=[0],
    )  # fmt: skip
    return bind, chunk


class Writers:
    """Threads that make tools, and bind workflows and start their runs, and keep what was confirmed to them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tools: list[str] = []
        self.workflows: list[int] = []
        self.runs: list[int] = []
        self.failures: list[BaseException] = []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(act,)) for act in (self._tool, self._bind)]

    def __enter__(self) -> "Writers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def confirmed(self) -> int:
        return len(self.tools) + len(self.workflows)

    def _work(self, act) -> None:
        server = client(self.folder)
        try:
            for number in itertools.count():
                if self._over.is_set():
                    return
                act(server, number)
        except BaseException as failure:
            self.failures.append(failure)
            raise

    def _tool(self, server: Server, number: int) -> None:
        server.call(routes.TOOL, wire.ToolRequest(name=f"t{number}"))
        self.tools.append(f"t{number}")

    def _bind(self, server: Server, number: int) -> None:
        bind, chunk = workflow(f"w{number}", self.folder, 200)
        bound = server.call(routes.BIND, bind)
        ids = {"array": bound.array_ids * 200, "resources": bound.resources_ids * 200}
        chunk = wire.ChunkRequest(**{name: getattr(chunk, name) for name in chunk.__struct_fields__} | ids)
        server.call(routes.CHUNK, chunk, workflow_id=bound.workflow_id)
        self.workflows.append(bound.workflow_id)
        start = wire.StartRunRequest(request_id=f"r{number}", user="ann", host="h", pid=1, version="4")
        run = server.call(routes.START_RUN, start, workflow_id=bound.workflow_id)
        self.runs.append(run.workflow_run_id)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.promise("F06 F07 F08")
def test_what_was_confirmed_survives_any_number_of_kills_and_is_there_once(folder: Path) -> None:
    ensure(folder)
    chance = random.Random(1)
    with Writers(folder) as writers:
        for _ in range(CYCLES):
            wanted = writers.confirmed() + chance.randrange(1, 30)
            wait_for(lambda wanted=wanted: writers.confirmed() >= wanted or writers.failures, "progress")
            time.sleep(chance.uniform(0, 0.02))  # not to wait for something: to hit another place each time
            kill(folder)
        ensure(folder)
    kill(folder)

    assert writers.failures == []
    assert column(folder, "PRAGMA integrity_check") == ["ok"]
    names = column(folder, "SELECT name FROM tool")
    assert len(set(names)) == len(names)
    assert set(writers.tools) <= set(names)
    assert set(writers.workflows) <= set(column(folder, "SELECT id FROM workflow WHERE bound_at IS NOT NULL"))
    assert set(writers.runs) <= set(column(folder, "SELECT id FROM workflow_run"))
    assert len(column(folder, "SELECT id FROM workflow_run")) == len(
        set(column(folder, "SELECT request_id FROM workflow_run"))
    )
    with sa.create_engine(f"sqlite:///{folder}/jobmon.db").connect() as connection:
        invariants.check(connection)
    connection.engine.dispose()


@pytest.mark.promise("F05")
def test_before_it_serves_deadlines_are_put_off_by_the_time_in_which_it_was_away(folder: Path) -> None:
    server = client(folder)
    server.call(routes.BIND, workflow("half", folder, 1)[0])
    assert stopped(folder)
    away = 100_000.0
    with contextlib.closing(sqlite3.connect(folder / "jobmon.db", isolation_level=None)) as database:
        now = time.time()
        database.execute("UPDATE workflow SET deadline_at = ?", (now - 50,))
        database.execute("DELETE FROM server_state WHERE name = 'last_round'")
        database.execute("INSERT INTO server_state VALUES ('last_round', ?)", (repr(now - away),))

    ensure(folder)

    (deadline,) = column(folder, "SELECT deadline_at FROM workflow")
    assert deadline == pytest.approx(now - 50 + away, abs=1000)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(place)], capture_output=True, text=True
    )
    if mounted.returncode:
        why = f"no file system could be mounted: {mounted.stderr}"
        pytest.fail(why) if os.environ.get("CI") == "true" else pytest.skip(why)
    yield place
    if (note := read_server_file(place / "data")) and lives(note.pid):
        os.kill(note.pid, signal.SIGKILL)
        wait_for(lambda: not lives(note.pid), "end of the server")
    wait_for(lambda: subprocess.run(["umount", str(place)], capture_output=True).returncode == 0, "end of the use")


@pytest.mark.promise("F21")
def test_on_a_full_disk_writing_says_so_reading_goes_on_and_all_resumes_when_there_is_room(
    small_disk: Path,
) -> None:
    folder = small_disk / "data"
    server = client(folder)
    confirmed = [f"before {number}" for number in range(20)]
    for name in confirmed:
        server.call(routes.TOOL, wire.ToolRequest(name=name))
    pid = note_of(folder).pid
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as handle, contextlib.suppress(OSError):
        while True:
            handle.write(b"x" * 4096)

    with pytest.raises(
        StorageFull, match=rf"is full: {os.uname().nodename}:\S+jobmon\.db, .* free; nothing was changed"
    ):
        for number in range(5000):
            server.call(routes.TOOL, wire.ToolRequest(name=f"full {number}"))
            confirmed.append(f"full {number}")
    for _ in range(3):
        with pytest.raises(StorageFull):
            server.call(routes.TOOL, wire.ToolRequest(name="refused"))
    read = server.call(routes.WORKFLOWS, wire.WorkflowQuery())
    alive = wait_for(lambda: local_server.alive(note_of(folder)), "answer")
    filler.unlink()
    server.call(routes.TOOL, wire.ToolRequest(name="after"))

    assert read == wire.WorkflowList(workflows=[])
    assert alive.pid == pid == note_of(folder).pid
    kill(folder)
    assert column(folder, "PRAGMA integrity_check") == ["ok"]
    assert column(folder, "SELECT name FROM tool ORDER BY id") == [*confirmed, "after"]
