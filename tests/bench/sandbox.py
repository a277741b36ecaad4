"""A folder, a server and a process of its own for each repeat of a bench.

What is measured runs in a child process, whose settings point into the folder, with whatever it starts: server,
distributor and executor. This process adopts what the child leaves behind (PR_SET_CHILD_SUBREAPER), stops the
server, waits for all of them, and so knows the CPU of the whole.
"""

import contextlib
import ctypes
import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jobmon.core import local_server

RUN = Path(__file__).with_name("run.py")
PR_SET_CHILD_SUBREAPER = 36
LEAVE_SECONDS = 20.0
SETTINGS: dict[str, str] = {}  # environment variables that the command line adds in every sandbox


class Sandbox:
    """Where one repeat happens. `cpu_seconds` is that of all that ran in it, once it is closed."""

    def __init__(self, folder: Path) -> None:
        """`folder` is empty."""
        self.folder = folder
        self.data_dir = folder / "data"
        self.environment = {name: text for name, text in os.environ.items() if not name.startswith("JOBMON__")}
        self.environment |= {
            "JOBMON__CONFIG_FILE": os.devnull,
            "JOBMON__SERVER__DATA_DIR": str(self.data_dir),
            "JOBMON__RUN__DIR": str(folder / "runs"),
            "JOBMON__LOCAL__PARALLELISM": "2",
            **SETTINGS,
        }
        self.cpu_seconds = 0.0
        self._before = _cpu_of_children()
        self._others = set(_children())  # of this process, which have nothing to do with the sandbox

    def run(self, bench: str, *words: object) -> dict[str, Any]:
        """What `inside(*words)` of a bench's module returns, called in a process of its own."""
        return in_environment(self.environment, self.folder, bench, *words)

    def call(self, argv: list[str], **options: Any) -> subprocess.CompletedProcess[bytes]:
        """Run a command here. Raises CalledProcessError when it fails."""
        return _call(argv, self.environment, self.folder, **options)

    def dismiss(self) -> None:
        """Tell all that still runs here to leave: a distributor would start the server again."""
        for pid in self._own():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + LEAVE_SECONDS
        while (pids := self._own()) and time.monotonic() < deadline:
            _collect(pids)
            time.sleep(0.01)

    def close(self) -> None:
        """Stop the server and wait for all that is left; what does not go is killed."""
        local_server.stop(self.data_dir)
        deadline = time.monotonic() + LEAVE_SECONDS
        while (pids := self._own()) and time.monotonic() < deadline:
            _collect(pids)
            time.sleep(0.01)
        for pid in self._own():
            print(f"process {pid} had to be killed", file=sys.stderr)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        self.cpu_seconds = _cpu_of_children() - self._before

    def _own(self) -> list[int]:
        return [pid for pid in _children() if pid not in self._others]


@contextlib.contextmanager
def sandbox() -> Iterator[Sandbox]:
    """A fresh one, closed and removed at the end."""
    with tempfile.TemporaryDirectory(prefix="jobmon-bench-", ignore_cleanup_errors=True) as name:
        box = Sandbox(Path(name))
        try:
            yield box
        finally:
            box.close()


def in_environment(environment: dict[str, str], folder: Path, bench: str, *words: object) -> dict[str, Any]:
    """What `inside(*words)` of a bench's module returns in a process of its own, with this environment."""
    argv = [sys.executable, str(RUN), "--inside", bench, *map(str, words)]
    text = _call(argv, environment, folder, stdout=subprocess.PIPE).stdout
    answer: dict[str, Any] = json.loads(text.splitlines()[-1])
    return answer


def _call(
    argv: list[str], environment: dict[str, str], folder: Path, **options: Any
) -> subprocess.CompletedProcess[bytes]:
    log = folder / "log"
    with log.open("ab") as stderr:
        try:
            return subprocess.run(argv, cwd=folder, env=environment, stderr=stderr, check=True, **options)
        except subprocess.CalledProcessError:
            print(log.read_text(errors="replace")[-4000:], file=sys.stderr)
            raise


def inside(words: list[str]) -> None:
    """The child process: NAME [WORD ...] calls `inside` of the bench's module and prints what it returns."""
    name, *rest = words
    print(json.dumps(importlib.import_module(f"bench.{name}").inside(*rest)))


def adopt_orphans() -> None:
    """Become the parent of whatever the children of this process leave behind."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _children() -> list[int]:
    threads = Path("/proc/self/task").iterdir()
    return [int(pid) for thread in threads for pid in (thread / "children").read_text().split()]


def _collect(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
