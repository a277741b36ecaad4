"""The distributor of a run as a process: started early, watched, started again when it dies.

It is started before the workflow is bound, because starting takes time; the run's id follows through its
standard input. It has a session of its own, so that neither Ctrl-C nor the end of the terminal reaches it.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

from jobmon.core.exceptions import ConfigError, DistributorNotAlive, DistributorStartupTimeout
from jobmon.core.ids import WorkflowRunId

MODULE = "jobmon.distributor"
QUICK_SECONDS = 10.0  # a death before that is a quick one
QUICK_DEATHS = 5
TAIL_LINES = 15
_FIRST_PAUSE_SECONDS = 0.2


class Distributor:
    """One run's distributor; several processes in turn if need be. Used from one thread."""

    def __init__(self, log_dir: Path, startup_timeout_seconds: float, command: list[str] | None = None) -> None:
        """Starts the process. `command` is what to start instead of the real one."""
        log_dir.mkdir(parents=True, exist_ok=True)
        stamp = time.strftime("%Y%m%d-%H%M%S")
        self.log_file = log_dir / f"distributor-{stamp}-{os.getpid()}-{id(self) & 0xFFFF:04x}.log"
        self._command = command or [
            sys.executable,
            "-m",
            MODULE,
            "start",
            "--stdin",
            "--log-file",
            str(self.log_file),
        ]
        self._startup_timeout_seconds = startup_timeout_seconds
        self._run_id: WorkflowRunId | None = None
        self._quick_deaths = 0
        self._own: set[str] = set()  # the names of all processes so far; the lease may be one of a dead one
        self._start()

    @property
    def name(self) -> str:
        """The process as the server names whoever holds a lease."""
        return f"{os.uname().nodename} pid {self._process.pid}"

    def drive(self, run_id: WorkflowRunId) -> None:
        """Tell the process which run it is for."""
        self._run_id = run_id
        self._tell()

    def check(self, alive: bool, holder: str) -> None:
        """See to it that the run is driven: the server says whether somebody holds its lease, and who.

        Raises DistributorNotAlive when it died again and again, DistributorStartupTimeout when it never took
        the lease; both with the last lines of its log.
        """
        now = time.monotonic()
        if alive:
            self._seen_alive = True
            self._quiet_since = now
        if self._process.poll() is not None:
            if not alive or holder in self._own:  # else another process drives the run, which is as good
                self._restart_dead(now)
        elif not alive and now - self._quiet_since > self._startup_timeout_seconds:
            self._give_up_if_never_alive()
            self._process.kill()
            self._process.wait()
            self._start()

    def release(self) -> None:
        """Let go of the process; it goes on for itself, or ends if it was told no run."""
        with contextlib.suppress(OSError):
            if self._process.stdin:
                self._process.stdin.close()
        self._process.returncode = self._process.poll() or 0  # no warning about a child that outlives us

    def finish(self, seconds: float = 5) -> None:
        """Wait a little for the process to end by itself after its run has ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        self.release()

    def _start(self) -> None:
        self._started = self._quiet_since = time.monotonic()
        self._seen_alive = False
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
            )
        self._own.add(self.name)
        if self._run_id is not None:
            self._tell()

    def _tell(self) -> None:
        assert self._process.stdin is not None and self._run_id is not None
        with contextlib.suppress(BrokenPipeError):  # it died: `check` will see that
            self._process.stdin.write(b'{"workflow_run_id": %d}\n' % self._run_id)
            self._process.stdin.close()

    def _restart_dead(self, now: float) -> None:
        self._quick_deaths = self._quick_deaths + 1 if now - self._started < QUICK_SECONDS else 0
        if self._quick_deaths >= QUICK_DEATHS:
            raise DistributorNotAlive(
                f"the distributor of run {self._run_id} ended {self._quick_deaths} times within "
                f"{QUICK_SECONDS:.0f} s of its start (exit code {self._process.returncode}). {self._log_tail()}"
            )
        time.sleep(_FIRST_PAUSE_SECONDS * 2**self._quick_deaths if self._quick_deaths > 1 else 0)
        self._start()

    def _give_up_if_never_alive(self) -> None:
        if not self._seen_alive:
            raise DistributorStartupTimeout(
                f"the distributor of run {self._run_id} (pid {self._process.pid}) did not take over the run "
                f"within {self._startup_timeout_seconds:.0f} s. {self._log_tail()}"
            )

    def _log_tail(self) -> str:
        lines = self.log_file.read_text(errors="backslashreplace").splitlines()[-TAIL_LINES:]
        return f"Its log {self.log_file} ends with:\n" + ("\n".join(lines) or "(nothing)")


def check_installed() -> None:
    """Raises ConfigError when there is no distributor to start."""
    import importlib.util

    if importlib.util.find_spec(MODULE) is None:
        raise ConfigError(
            "jobmon_distributor is not installed here, and a run needs it. Install it beside jobmon_client."
        )
