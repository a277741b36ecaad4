"""Limits without a cgroup, on real processes."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from jobmon.core.resources import Resources
from jobmon.distributor.local import children, ending, memory
from jobmon.distributor.local.attempt import Attempt
from jobmon.distributor.local.children import Starter
from jobmon.distributor.local.limits import Limits
from jobmon.distributor.local.memory import Cgroups
from unit.distributor.local.building import attempt

PATIENCE_SECONDS = 90.0  # only a failure waits so long


def run(one: Attempt, folder: Path) -> None:
    """Start it, and do what the executor's loop does until it is over."""
    limits = Limits(patience_seconds=0.5)
    Starter(folder, "MARK=1", Cgroups(None, 0), "x").start(one)
    limits.watch(one)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while one.status is None:
        now = time.monotonic()
        assert now < deadline
        limits.check([one], now)
        for pid, status, usage in children.ended():
            if pid == one.pid:  # another test of this process may have left children
                one.status, one.usage, one.wall_seconds = status, usage, now - one.started
        time.sleep(0.01)
    limits.forget(one)


@pytest.mark.promise("F32")
def test_memory_of_all_processes_is_sampled_and_limited(tmp_path: Path) -> None:
    hog = 'python3 -c "b = bytearray(150_000_000); import time; time.sleep(120)"'
    one = attempt(f"{hog} & {hog} & wait", str(tmp_path), Resources(memory_bytes=200 * 2**20))

    run(one, tmp_path)
    outcome = ending.outcome(one, "node", 1000)

    assert (outcome.status, outcome.failure_class) == ("Z", "resource")
    assert "exceeded its memory limit of 200M" in outcome.message
    assert outcome.peak_memory_bytes is not None and outcome.peak_memory_bytes > 200 * 2**20
    assert outcome.wall_seconds is not None and outcome.wall_seconds < 100


def test_memory_that_processes_share_counts_once(tmp_path: Path) -> None:
    fork = "import os, time; b = bytearray(100_000_000); [os.fork() for _ in 'ab']; time.sleep(1.5)"
    one = attempt(f'python3 -c "{fork}"', str(tmp_path), Resources(memory_bytes=300 * 2**20))

    run(one, tmp_path)

    assert ending.outcome(one, "node", 1000).status == "D"


@pytest.mark.promise("F32")
def test_sharers_that_end_while_they_are_read_do_not_count_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three that share 90 bytes the first has said 30 when another one ends; a moment later one is left."""
    readings = iter([165, 90])
    monkeypatch.setattr(memory, "resident_bytes", lambda pids: 270)
    monkeypatch.setattr(memory, "proportional_bytes", lambda pids: next(readings))
    one, limits = attempt("", "/", Resources(memory_bytes=100)), Limits(patience_seconds=0.5)
    with subprocess.Popen(["sleep", "1000"], start_new_session=True) as command:
        one.pid = command.pid
        limits.watch(one)
        limits.check([one], one.started)

        assert (one.stop, one.peak_bytes, command.poll(), list(readings)) == ("", 90, None, [])
        command.kill()


def test_a_limit_that_is_not_reached_does_nothing(tmp_path: Path) -> None:
    one = attempt("sleep 0.6", str(tmp_path), Resources(memory_bytes=2**30, runtime_seconds=1000))

    run(one, tmp_path)
    outcome = ending.outcome(one, "node", 1000)

    assert (outcome.status, outcome.exit_code, outcome.message) == ("D", 0, "")


def test_memory_of_this_process_is_seen() -> None:
    own = [os.getpid()]

    assert memory.resident_bytes(own) > 10 * 2**20
    assert 2**20 < memory.proportional_bytes(own) <= memory.resident_bytes(own) * 1.1
    assert memory.resident_bytes([2**22 - 1]) == 0
