"""A fake batch system as a test uses it, whichever it is."""

import os
import pwd
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from fakes.scheduler.call import Call
from fakes.scheduler.faults import Armed, Fault
from fakes.scheduler.front import Front
from fakes.scheduler.server import Cluster, Server


class Fake:
    """Commands in `path`, and a cluster behind them; a context manager."""

    def __init__(
        self, name: str, path: Path, commands: Sequence[str], server: Server, cluster: Cluster, real_time: bool
    ) -> None:
        self.path = path
        self.user = pwd.getpwuid(os.getuid()).pw_name
        self._cluster = cluster
        self._server = server
        self._real_time = real_time
        self._front = Front(name, path, commands, lambda call: server.answer(self._signed(call)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of callers, end all processes."""
        self._front.close()
        self._server.close()

    # Commands.

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to find the commands."""
        return {"PATH": f"{self.path}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}

    def call(
        self,
        argv: Sequence[str],
        environment: Mapping[str, str] | None = None,
        timeout: float | None = None,
        stdin: str = "",
        folder: str = "/",
    ) -> tuple[int, str, str]:
        """(rc, stdout, stderr) of a command, without a process. TimeoutExpired where one would not have ended."""
        call = Call(tuple(argv), environment or {}, folder=folder, read_stdin=lambda: stdin)
        answer = self._server.answer(self._signed(call))
        if answer.hangs or (timeout is not None and answer.delay >= timeout):
            raise subprocess.TimeoutExpired(list(argv), timeout or 0, answer.stdout, answer.stderr)
        if self._real_time and answer.delay:
            time.sleep(answer.delay)
        return answer.rc, answer.stdout, answer.stderr

    def _signed(self, call: Call) -> Call:
        call.user, call.user_id = self.user, os.getuid()
        return call

    def fault(
        self,
        command: str,
        fault: Fault,
        after: int = 0,
        times: int | None = 1,
        when: Callable[[Call], bool] = lambda call: True,
    ) -> Armed:
        """Let this happen to calls of a command ("*": any), first those after so many, so many times."""
        armed = Armed(fault, command, after, times, when)
        with self._cluster.lock:
            self._server.faults.append(armed)
        return armed

    @property
    def calls(self) -> list[Call]:
        """Every call so far."""
        return self._server.calls

    def called(self, command: str) -> list[Call]:
        """The calls of one command."""
        return [call for call in list(self.calls) if call.command == command]

    # Time.

    @property
    def now(self) -> float:
        return self._cluster.clock.now()

    def advance(self, seconds: float) -> None:
        """Let time go by, with everything that is due."""
        cluster = self._cluster
        with cluster.lock:
            if self._real_time:
                cluster.clock.advance(seconds)
                cluster.catch_up()
            else:
                target = cluster.clock.now() + seconds
                cluster.timeline.run_until(target, cluster.settle)
                cluster.clock.advance(target - cluster.clock.now())
                cluster.catch_up()

    def wait(self, condition: Callable[[], object], seconds: float = 120) -> None:
        """Until it is so; looked at whenever something changed."""
        deadline = time.monotonic() + seconds
        with self._cluster.changed:
            while not condition():
                assert time.monotonic() < deadline, f"still not so: {self.shown()}"
                self._cluster.changed.wait(0.05)

    def shown(self) -> str:
        """What there is, for who waits in vain."""
        return ""
