"""T8: disks that are full, read only, broken or slow, under the server, under the logs, under /tmp."""

import contextlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

import end_to_end
from clusters.sharing import here_or_skipped
from fakes.work_peer import INSTANCE, WorkPeer
from faults import disks
from faults.conftest import home
from integration.worker.conftest import peer, run_worker, start_worker, worker_argv
from jobmon.core import routes, wire
from jobmon.core.exceptions import StorageFull
from jobmon.core.http import Server
from jobmon.core.local_server import find
from jobmon.core.processes import lives
from jobmon_conformance.home import Home, opened

LOUD = """
import sys
from end_to_end.graphs import template
from jobmon.client.api import Tool

tool = Tool(name="loud")
where = {"stdout": sys.argv[1], "stderr": sys.argv[1]}
workflow = tool.create_workflow(default_cluster_name="local", default_compute_resources_set={"local": where})
workflow.add_tasks(template(tool, command="head -c 2M /dev/zero; true").create_tasks(number=[1]))
print(workflow.run())
"""
WAITING = str(Path(next(iter(end_to_end.__path__))) / "waiting.py")

__all__ = ["home", "peer", "run_worker", "start_worker", "worker_argv"]

pytestmark = pytest.mark.slow

Mount = Callable[[AbstractContextManager[Any]], Any]


@pytest.fixture
def mount() -> Iterator[Mount]:
    """Enters what `disks` offers, until the end of the test."""
    with contextlib.ExitStack() as mounted:
        yield lambda disk: here_or_skipped(lambda: mounted.enter_context(disk))


@pytest.fixture
def small_data(mount: Mount, tmp_path: Path) -> Path:
    """The data folder of `home`, which has a few megabytes."""
    return mount(disks.small(tmp_path / "data", 8))


def client(home: Home) -> Server:
    return Server(lambda: find(home.data_dir), request_timeout_seconds=10, retry_seconds=60)


def one(home: Home, kind: str) -> list[int]:
    """The process of this kind: when several have met, all others leave."""
    return home.wait_for(lambda: pids if len(pids := home.pids(kind)) == 1 else [], f"one {kind}")


@pytest.mark.promise("F21")
def test_a_run_waits_for_room_on_the_disk_of_the_database(small_data: Path, tmp_path: Path) -> None:
    with opened(tmp_path) as home:
        script = home.start(WAITING, "--tasks", "20", JOBMON__LOCAL__PARALLELISM="4")
        home.wait_for(lambda: home.witness.count() >= 4, "running commands")
        server, distributor = one(home, "server"), one(home, "distributor")
        filler = disks.fill(small_data)
        tools = []
        with pytest.raises(StorageFull, match="full") as refused:
            for number in range(5000):
                client(home).call(routes.TOOL, wire.ToolRequest(name=f"{number} {'x' * 200}"))
                tools.append(number)
        (home.folder / "release").touch()
        home.wait_for(lambda: home.witness.count() >= 8, "the end of the commands")
        shown = home.jobmon("workflow_status", "-w", "1")
        servers, distributors = home.pids("server"), home.pids("distributor")
        filler.unlink()

        assert "waiting" in shown and f"{os.uname().nodename}:{small_data}/jobmon.db, 0B free" in str(
            refused.value
        )
        assert (script.end(), script.out.split()[-1:]) == (0, ["D"]), script.err
        assert set(server) <= set(servers)  # beside it there may be one that finds it
        assert distributors == distributor
        assert home.task_counts() == {"D": 20}
        assert sorted(home.witness.starts().values()) == [1] * 20
        assert home.value("SELECT COUNT(*) FROM tool WHERE name LIKE '%x'") == len(tools)
        home.check()
        home.witness.check()


@pytest.mark.promise("F21")
def test_a_disk_that_is_read_only_is_named_at_the_start(mount: Mount, tmp_path: Path) -> None:
    data = mount(disks.small(tmp_path / "data", 8))
    subprocess.run(["mount", "-o", "remount,ro", str(data)], check=True)
    with opened(tmp_path) as home:
        script = home.start(WAITING)
        code = script.end()

        assert code == 3
        assert script.out.startswith(f"ConfigError your server's folder {data} cannot be written (Read-only")


@pytest.mark.promise("F41")
@pytest.mark.parametrize("status", [0, 3])
@pytest.mark.parametrize("full_before", [False, True])
def test_a_command_whose_log_has_no_room_goes_on_and_its_user_is_told(
    mount: Mount, peer: WorkPeer, run_worker: Callable[..., tuple[int, str]], full_before: bool, status: int
) -> None:
    disk = mount(disks.small(peer.folder / "logs", 1))
    if full_before:
        disks.fill(disk)
    peer.stdout_dir = peer.stderr_dir = str(disk)
    peer.command = f"head -c 2M /dev/zero; echo on >> {peer.folder}/witness; exit {status}"

    code, _ = run_worker()
    outcome = peer.outcome()

    assert (code, outcome.status) == (status, "E" if status else "D")
    assert (peer.folder / "witness").read_text() == "on\n"
    for kind in "oe":
        lost = f"the disk of {disk}/fit.{kind}{INSTANCE} is full: the end of this output may be missing"
        assert lost in outcome.message.splitlines()


@pytest.mark.promise("F41")
def test_a_local_command_whose_log_has_no_room_goes_on_and_its_user_is_told(mount: Mount, tmp_path: Path) -> None:
    with opened(tmp_path) as home:
        logs = mount(disks.small(tmp_path / "logs", 1))
        script = home.start("-c", LOUD, str(logs))

        assert (script.end(), script.out.split()[-1:]) == (0, ["D"]), script.err
        (told,) = home.column("SELECT description FROM error_log")
        assert f"the disk of {logs} is full: the end of this output may be missing" in told
        home.check()
        home.witness.check()


def cramped(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What starts a program with a /tmp that has no room, but for what the test and its programs are."""
    folders = (tmp_path_factory.getbasetemp(), Path(sys.prefix), Path(__file__).parents[2])
    return here_or_skipped(lambda: disks.cramped(*folders))


@pytest.mark.promise("F45")
@pytest.mark.parametrize("status", [0, 3])
def test_a_worker_needs_no_room_in_tmp(
    peer: WorkPeer,
    start_worker: Callable[..., Any],
    worker_argv: list[str],
    tmp_path_factory: pytest.TempPathFactory,
    status: int,
) -> None:
    peer.command = f"echo out; echo err >&2; exit {status}"

    worker = start_worker(argv=[*cramped(tmp_path_factory), *worker_argv])
    worker.communicate(timeout=120)
    outcome = peer.outcome()

    assert (worker.returncode, outcome.status) == (status, "E" if status else "D")
    assert Path(peer.stdout_dir, f"fit.o{INSTANCE}").read_text() == "out\n"


@pytest.mark.promise("F45")
def test_a_whole_run_needs_no_room_in_tmp(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    words = cramped(tmp_path_factory)
    with opened(tmp_path) as home:
        home.python = words[0]
        script = home.start(*words[1:], sys.executable, WAITING, "--tasks", "20")
        (home.folder / "release").touch()

        assert (script.end(), script.out.split()[-1:]) == (0, ["D"]), script.err
        assert home.task_counts() == {"D": 20}
        home.check()
        home.witness.check()


@pytest.mark.promise("F22")
def test_what_ran_when_the_disk_of_the_database_broke_counts_when_that_is_mended(
    mount: Mount, tmp_path: Path
) -> None:
    """The server ends itself, because what it holds of the file is not to be trusted."""
    disk = mount(disks.passing(tmp_path / "real", tmp_path / "seen"))
    with opened(tmp_path) as home:
        home.environment["JOBMON__SERVER__DATABASE_URL"] = f"sqlite:///{disk.place}/jobmon.db"
        home.data_dir.mkdir()
        (home.data_dir / "jobmon.db").symlink_to(disk.place / "jobmon.db")
        script = home.start(WAITING, "--tasks", "8", JOBMON__LOCAL__PARALLELISM="4")
        home.wait_for(lambda: home.witness.count() >= 4, "running commands")
        (server,) = one(home, "server")
        disk.die()
        home.wait_for(lambda: not lives(server), "the end of the server")
        disk.unmount()
        disk.mount()
        (home.folder / "release").touch()
        if script.end() == 3:  # it had asked before the server ended itself
            assert f"sqlite:///{disk.place}/jobmon.db failed (disk I/O error)" in script.out
            again = home.start(WAITING, "--tasks", "8", "--resume", "hot", JOBMON__LOCAL__PARALLELISM="4")
            assert again.end() == 0 or "is done already" in again.out  # by the distributor that was left

        home.wait_for(lambda: home.task_counts() == {"D": 8}, "the end of all tasks")
        assert sorted(home.witness.starts().values()) == [1] * 8
        home.check()
        home.witness.check()


@pytest.mark.promise("F24")
@pytest.mark.parametrize("where", [0, 5000])
def test_a_damaged_database_is_refused_and_its_copy_brings_all_back(home: Home, where: int) -> None:
    (home.folder / "release").touch()
    assert home.start(WAITING, "--tasks", "3").end() == 0
    server(home, "db", "backup", str(home.folder / "copy"))
    home.leave()  # either would start the server again if it had something to tell
    home.wait_for(lambda: not home.pids("distributor") + home.pids("executor"), "the end of all but the server")
    home.jobmon("server", "stop")
    with contextlib.closing(sqlite3.connect(home.data_dir / "jobmon.db")) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with (home.data_dir / "jobmon.db").open("r+b") as file:
        file.seek(where)
        file.write(b"x" * 5000)

    refused = home.start(WAITING, "--tasks", "3", "--resume", "hot")
    assert refused.end() == 3
    assert f"{home.data_dir}/jobmon.db is damaged" in refused.out
    assert "`jobmon-server db restore FILE`" in refused.out
    restored = server(home, "db", "restore", str(home.folder / "copy"))
    assert "what was there is" in restored
    assert " DONE " in home.jobmon("workflow_status", "-w", "1")
    home.check()
    home.witness.check()


def server(home: Home, *words: str) -> str:
    """What a `jobmon-server` command prints."""
    command = [str(Path(sys.executable).with_name("jobmon-server")), *words]
    done = subprocess.run(command, env=home.environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr
