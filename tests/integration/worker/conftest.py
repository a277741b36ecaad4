"""A scripted server and real workers in front of it."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import jobmon.distributor.worker
from fakes.work_peer import BATCH, INDEX, WorkPeer

MAIN = Path(jobmon.distributor.worker.__path__[0]) / "__main__.py"
PYTHON = [sys.executable, "-I", "-S", str(MAIN)]

StartWorker = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[WorkPeer]:
    peer = WorkPeer(tmp_path)
    yield peer
    peer.close()
    assert peer.refused == []


@pytest.fixture
def start_worker(tmp_path: Path, peer: WorkPeer) -> Iterator[StartWorker]:
    """Starts a worker; `options` are added to (and win over) the usual ones."""
    token = tmp_path / "token"
    token.write_text("server-secret\n")
    token.chmod(0o600)
    workers: list[subprocess.Popen[str]] = []

    def start(
        *options: str, python: list[str] = PYTHON, environment: dict[str, str] | None = None
    ) -> subprocess.Popen[str]:
        given = {
            "--batch-id": str(BATCH), "--index": str(INDEX), "--url": peer.url, "--token-file": str(token),
            "--spool-dir": str(tmp_path / "spool"), "--node": "n01", "--start-wait": "20",
            "--report-retry": "20", "--interrupt-timeout": "5", "--request-timeout": "1",
        }  # fmt: skip
        given |= dict(option.split("=", 1) for option in options)
        words = [f"{name}={value}" for name, value in given.items() if value]
        workers.append(
            subprocess.Popen(
                [*python, *words],
                stdin=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                env={**os.environ, **(environment or {})},
            )
        )
        return workers[-1]

    yield start
    for worker in workers:
        with suppress(ProcessLookupError):
            worker.kill()
        worker.communicate()


@pytest.fixture
def run_worker(start_worker: StartWorker) -> Callable[..., tuple[int, str]]:
    """Runs a worker to its end: (exit code, what it wrote to its own standard error)."""

    def run(*options: str, **more: object) -> tuple[int, str]:
        worker = start_worker(*options, **more)
        _, stderr = worker.communicate(timeout=60)
        return worker.returncode, stderr

    return run
