"""Finds and ends what an earlier executor left running, so that nothing of it runs beside what comes next.

Commands carry the mark of their state folder in the environment. One that wiped its environment is still in the
session of the executor that started it: a session's number is not given to a new process while it has members,
so when the executor is gone and no process has its number, whoever is in that session came from it.
"""

import contextlib
import os
import signal
import time
from collections.abc import Collection, Iterator
from pathlib import Path

GIVE_UP_SECONDS = 30.0
MARK = "JOBMON_EXECUTOR"


def mark(state_dir: Path) -> str:
    """What the commands of this state folder carry in their environment, whichever executor started them."""
    return f"{MARK}={state_dir.resolve()}"


def sweep(state_mark: str, sessions: set[int]) -> int:
    """End all leftovers and wait until they are gone; returns how many there were.

    Raises TimeoutError when one does not go (a process in an uninterruptible wait).
    """
    deadline = time.monotonic() + GIVE_UP_SECONDS
    killed: set[int] = set()
    while left := set(_leftovers(state_mark, sessions)):
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"processes {sorted(left)}, started by an earlier executor, cannot be killed; "
                "they wait for a device or a file server that does not answer"
            )
        kill(left)
        killed |= left
        reap()
        time.sleep(0.005)
    return len(killed)


def marked(*entries: str) -> Iterator[int]:
    """Living processes, other than this one, with all these entries (NAME=value) in their environment."""
    wanted = {os.fsencode(entry) for entry in entries}
    own = os.getpid()
    for pid in _processes():
        if pid != own and wanted <= set(_environment(pid)) and _state_and_session(pid)[0] not in "ZX":
            yield pid


def kill(pids: Collection[int]) -> None:
    """SIGKILL to all that are still there and ours.

    They are stopped first: a shell whose child dies before itself would go on with its next command.
    """
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)


def reap() -> None:
    """Collect children that ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _leftovers(state_mark: str, sessions: set[int]) -> Iterator[int]:
    entry = os.fsencode(state_mark)
    own = os.getpid()
    orphaned = {session for session in sessions if _state_and_session(session)[0] in "ZX"}
    for pid in _processes():
        if pid == own:
            continue
        state, session = _state_and_session(pid)
        if state not in "ZX" and (session in orphaned or entry in _environment(pid)):
            yield pid


def _processes() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdecimal())  # noqa: PTH208  # a third of the time


def _environment(pid: int) -> list[bytes]:
    """Empty for a process of somebody else, or one that is gone."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _state_and_session(pid: int) -> tuple[str, int]:
    """The letter of its state ("X" when there is no such process) and its session."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2].split()
    except OSError:
        return "X", 0
    return fields[0].decode(), int(fields[3])
