"""An executor of its own for each test, and the peer that it talks to."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from integration.local.peer import Peer, wait_for
from jobmon.core.cluster import Connection
from jobmon.distributor.local import identity
from jobmon.distributor.local.cluster import LocalCluster

Connect = Callable[..., LocalCluster]


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Peer]:
    (tmp_path / "server").mkdir()
    peer = Peer(tmp_path / "server")
    yield peer
    peer.stop()


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    return tmp_path / ("a long name of a state folder " * 6) / "state"


@pytest.fixture
def connect(peer: Peer, state_dir: Path) -> Iterator[Connect]:
    """Connects to the executor of this test; all of it is gone afterwards."""
    made: list[LocalCluster] = []

    def connect(kind: str = "multiprocess", parallelism: int = 2) -> LocalCluster:
        connection = Connection(
            service_url=peer.url if peer.httpd else "http://127.0.0.1:1",
            token_file=str(peer.token_file),
            state_dir=state_dir,
            workflow_id=7,
            python=sys.executable,
            parallelism=parallelism,
        )
        made.append(LocalCluster(connection, kind))
        return made[-1]

    yield connect
    for cluster in made:
        cluster._executor.drop()
    note = identity.read_note(state_dir)
    if note is not None and Path(f"/proc/{note.pid}").exists():
        os.kill(note.pid, signal.SIGTERM)
        wait_for(lambda: ended(note.pid), "the executor's end")


def executor_pid(cluster: LocalCluster) -> int:
    """The process that the plugin talks to."""
    return cluster._executor.welcome().pid


def replaced(cluster: LocalCluster, old: int) -> bool:
    """Whether the plugin, tended as the distributor does, has another executor by now."""
    return not cluster.events() and cluster._executor.tend() and executor_pid(cluster) != old


def gone(pid: int) -> bool:
    """Whether there is no such process, or but its remains."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] in "ZX"
    except FileNotFoundError:
        return True


def ended(pid: int) -> bool:
    """Whether an executor that this process started is over, and collected."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return not Path(f"/proc/{pid}").exists()
