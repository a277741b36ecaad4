"""Leftovers of an earlier executor are found by their mark or by their session, strangers are left alone."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobmon.distributor.local import orphans

Started = list[subprocess.Popen[bytes]]


@pytest.fixture
def started() -> Iterator[Started]:
    processes: Started = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def sleeper(environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """A process with that environment, which can be read already, in a session of its own."""
    process = subprocess.Popen(["/bin/sleep", "1000"], env=environment, start_new_session=True)
    while not Path(f"/proc/{process.pid}/cmdline").read_bytes().startswith(b"/bin/sleep"):
        assert process.poll() is None
    return process


def child_sleeps(shell: int) -> bool:
    """Its child is the program that it waits for."""
    children = Path(f"/proc/{shell}/task/{shell}/children").read_text().split()
    try:
        return any(Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"/bin/sleep") for pid in children)
    except (FileNotFoundError, ProcessLookupError):
        return False


def is_over(pid: int) -> bool:
    """It has ended, whether or not somebody has collected it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.promise("F30")
def test_marked_processes_are_ended_and_others_are_not(tmp_path: Path, started: Started) -> None:
    mark = orphans.mark(tmp_path)
    name, _, value = mark.partition("=")
    started += [sleeper({name: value, "A": "B"}), sleeper({name: value + "/other"}), sleeper({"B": mark})]
    marked, *strangers = started

    found = list(orphans.marked(mark, "A=B"))
    ended = orphans.sweep(mark, set())

    assert found == [marked.pid]
    assert list(orphans.marked(mark, "A=C")) == []
    assert ended == 1
    assert [process.poll() for process in strangers] == [None, None]


@pytest.mark.promise("F30")
def test_members_of_a_dead_executors_session_are_ended(tmp_path: Path, started: Started) -> None:
    script = f"env -i /bin/sleep 1000 & echo $! > {tmp_path}/pid; wait"
    leader = subprocess.Popen(["/bin/sh", "-c", script], start_new_session=True)
    started += [leader, sleeper({})]
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().strip():
        assert leader.poll() is None
    pid = int((tmp_path / "pid").read_text())

    assert orphans.sweep(orphans.mark(tmp_path), {leader.pid}) == 0  # the leader lives: it is not an executor's
    leader.kill()
    os.waitid(os.P_PID, leader.pid, os.WEXITED | os.WNOWAIT)
    ended = orphans.sweep(orphans.mark(tmp_path), {leader.pid})

    assert ended == 1
    assert is_over(pid)
    assert started[1].poll() is None


@pytest.mark.promise("F30")
def test_no_shell_goes_on_while_its_children_are_killed(tmp_path: Path, started: Started) -> None:
    name, _, value = orphans.mark(tmp_path).partition("=")
    script = f"/bin/sleep 1000; touch {tmp_path}/went_on"
    for _ in range(5):
        started.append(subprocess.Popen(["/bin/sh", "-c", script], env={name: value}, start_new_session=True))
    while not all(child_sleeps(process.pid) for process in started):
        assert [process.poll() for process in started] == [None] * len(started)

    orphans.sweep(f"{name}={value}", set())

    assert list(orphans.marked(f"{name}={value}")) == []
    assert not (tmp_path / "went_on").exists()
