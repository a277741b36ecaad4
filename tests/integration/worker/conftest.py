"""A scripted server and real workers in front of it."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from fakes.work_peer import BATCH, INDEX, WorkPeer
from jobmon.distributor import worker_file

StartWorker = Callable[..., subprocess.Popen[str]]


@pytest.fixture(scope="session")
def worker_argv(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What starts a worker on a node, but for its options."""
    return [*worker_file.start(sys.executable, worker_file.build(tmp_path_factory.mktemp("worker")))]


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[WorkPeer]:
    peer = WorkPeer(tmp_path)
    yield peer
    peer.close()
    assert peer.refused == []


@pytest.fixture
def start_worker(tmp_path: Path, peer: WorkPeer, worker_argv: list[str]) -> Iterator[StartWorker]:
    """Starts a worker; `options` are added to (and win over) the usual ones."""
    token = tmp_path / "token"
    token.write_text("server-secret\n")
    token.chmod(0o600)
    started: list[subprocess.Popen[str]] = []

    def start(
        *options: str, argv: list[str] = worker_argv, environment: dict[str, str] | None = None
    ) -> subprocess.Popen[str]:
        given = {
            "--batch-id": str(BATCH), "--index": str(INDEX), "--url": peer.url, "--token-file": str(token),
            "--spool-dir": str(tmp_path / "spool"), "--node": "n01", "--start-wait": "120",
            "--report-retry": "120", "--interrupt-timeout": "60", "--request-timeout": "60",
        }  # fmt: skip
        given |= dict(option.split("=", 1) for option in options)
        words = [f"{name}={value}" for name, value in given.items() if value]
        started.append(
            subprocess.Popen(
                [*argv, *words],
                stdin=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                env={**os.environ, **(environment or {})},
            )
        )
        return started[-1]

    yield start
    for process in started:
        with suppress(ProcessLookupError):
            process.kill()
        process.communicate()


@pytest.fixture
def run_worker(start_worker: StartWorker) -> Callable[..., tuple[int, str]]:
    """Runs a worker to its end: (exit code, what it wrote to its own standard error)."""

    def run(*options: str, **more: object) -> tuple[int, str]:
        worker = start_worker(*options, **more)
        _, stderr = worker.communicate(timeout=200)
        return worker.returncode, stderr

    return run
