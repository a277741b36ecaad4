"""One daemon as a process that outlives its starter: recorded by pid, found again, ended."""

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

RESET = {signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGPIPE}  # a starter may have them ignored
END_SECONDS = 60.0


@dataclass(frozen=True)
class Daemon:
    """What is started, with a file for what it prints and one for its pid.

    The pid is recorded with the time at which the process began, so that a number which
    the machine gave to somebody else meanwhile is never signalled.
    """

    name: str
    command: tuple[str, ...]
    output: Path
    record: Path

    def start(self, environment: dict[str, str]) -> None:
        append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        pid = os.posix_spawn(
            self.command[0],
            self.command,
            environment,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(self.output), append, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
            setsigmask=(),
            setsigdef=RESET,
        )
        self.record.write_text(f"{pid} {began(pid)}")

    @property
    def pid(self) -> int | None:
        """Its pid while it lives, frozen or not."""
        try:
            pid, then = map(int, self.record.read_text().split())
        except (FileNotFoundError, ValueError):
            return None
        return pid if began(pid) == then else None

    def send(self, number: signal.Signals) -> bool:
        """Signal it; False when it is gone."""
        pid = self.pid
        if pid is None:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        return True

    def end(self) -> None:
        """SIGTERM, also for a frozen one, then SIGKILL for one that does not go."""
        if self.send(signal.SIGTERM) and self.send(signal.SIGCONT) and not self.gone_within(END_SECONDS):
            self.kill()

    def kill(self) -> None:
        if self.send(signal.SIGKILL) and not self.gone_within(END_SECONDS):
            raise TimeoutError(f"{self.name} (pid {self.pid}) is there {END_SECONDS:g} s after SIGKILL")

    def gone_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.pid is not None:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def last_words(self, lines: int = 15) -> str:
        """The end of what it printed."""
        try:
            text = self.output.read_text(errors="replace")
        except FileNotFoundError:
            text = "(nothing)"
        return f"{self.output}:\n" + "\n".join(text.splitlines()[-lines:])


def began(pid: int) -> int | None:
    """When a process began, in clock ticks since boot; None for one that ended."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # when it is a child of ours, so that it does not stay as a zombie
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def kill_all(pids: list[int]) -> None:
    """SIGKILL; who has ended already is no error."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
