"""Batch scripts as real processes, with the environment, the files and the signals that a node gives them.

A real cluster finds all processes of a job by its cgroup, or by a group id. Here they are found by a variable of
their environment and by their descent, which misses only what gave up both.
"""

import contextlib
import errno
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

MARK = "FAKE_SCHEDULER_RUN"
BUSY_SECONDS = 60.0


class ScriptRun:
    """One run of a batch script.

    exited  is told, once it is over: this run, its code as that of `subprocess` or None when it could not be
            started (`problem` says why), its greatest resident size in KB
    """

    def __init__(self, mark: str, exited: Callable[["ScriptRun", int | None, int], object]) -> None:
        self._mark = mark
        self._exited = exited
        self._process: subprocess.Popen[bytes] | None = None
        self._lives = True
        self.problem: OSError | None = None

    def start(self, argv: list[str], environment: dict[str, str], folder: str, out: str, err: str = "") -> None:
        """With files for what it prints; err: "" for the same one."""
        try:
            with contextlib.ExitStack() as files:
                stdout = files.enter_context(open(out, "wb"))
                stderr = stdout if err in ("", out) else files.enter_context(open(err, "wb"))
                self._process = _spawn(
                    argv, cwd=folder, env=environment | {MARK: self._mark}, stdin=subprocess.DEVNULL,
                    stdout=stdout, stderr=stderr, start_new_session=True,
                )  # fmt: skip
        except OSError as problem:
            self.problem = problem
            self.fail()
        else:
            threading.Thread(target=self._wait, args=(self._process,), daemon=True).start()

    def fail(self) -> None:
        """Tell that it could not be started."""
        threading.Thread(target=self._exited, args=(self, None, 0), daemon=True).start()

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        self._lives = False  # before its number is free for others
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self._exited(self, process.returncode, usage.ru_maxrss)

    @property
    def pid(self) -> int | None:
        """Of the batch script while it lives."""
        return self._process.pid if self._process and self._lives else None

    def stop(self) -> None:
        self.send(signal.SIGTERM, batch_only=False)

    def kill(self) -> None:
        """Its process group at once, so that none of that sees another one die; then what has left the group."""
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        self.send(signal.SIGKILL, batch_only=False)

    def send(self, number: int, batch_only: bool) -> None:
        for pid in [self.pid] if batch_only else self._all():
            if pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)

    def ended(self, task: object) -> None:
        pass

    def _all(self) -> set[int]:
        mark = f"{MARK}={self._mark}\0".encode()
        return _descent({pid for pid, _ in _processes() if mark in _environment(pid)} | {self.pid or 0}) - {0}


def _spawn(argv: list[str], **how: Any) -> subprocess.Popen[bytes]:
    """A child that another thread forks just now may hold the script open for writing, for a moment."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            return subprocess.Popen(argv, **how)
        except OSError as error:
            if error.errno != errno.ETXTBSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


def _descent(pids: set[int]) -> set[int]:
    """These with all their children."""
    parents = dict(_processes())
    found = pids
    while more := {pid for pid, parent in parents.items() if parent in found and parent and pid not in found}:
        found = found | more
    return found


def _processes() -> Iterator[tuple[int, int]]:
    """(pid, parent) of everything that runs."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                yield int(folder.name), int((folder / "stat").read_text().rpartition(")")[2].split()[1])


def end_all(mark: str, seconds: float = 120) -> None:
    """Kill whatever a fake started whose marks begin so, with what descends from it."""
    deadline = time.monotonic() + seconds
    while found := {pid for pid, _ in _processes() if f"{MARK}={mark}.".encode() in _environment(pid)}:
        assert time.monotonic() < deadline, f"still alive: {found}"
        for pid in _descent(found):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.005)
