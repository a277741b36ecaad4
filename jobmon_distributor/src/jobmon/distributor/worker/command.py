"""The user's command: a session of its own that hears every signal, and that does not outlive its worker.

A process group alone would not do: `timeout 1h prog` makes another one, daemons make several. Therefore signals
go to the group and to all other descendants, and the worker adopts what loses its parent
(PR_SET_CHILD_SUBREAPER), so that nothing hides from it.

Should the worker be killed (kill -9), a guardian ends the command: a shell that waits for the end of a pipe
which only the worker holds open, and then kills the command's session. PR_SET_PDEATHSIG would reach the first
process only. The guardian is in yet another session and blocks all signals, so it is not hit with the worker.
It is there before the command, and is told the session right after the start; a worker that was killed between
the two leaves a command to be found by a variable of its environment.
"""

from __future__ import annotations

import time

from .bare import posix, prctl, signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    import resource
    from collections.abc import Mapping

GUARDIAN = """if ! read -r session; then
  for pause in 0 0.2 1; do
    sleep $pause
    for file in $(grep -lzxF "$0" /proc/[0-9]*/environ); do
      process=${file#/proc/}
      kill -9 "${process%/environ}"
    done
  done
  exit
fi
read -r word
kill -9 -"$session"
for round in 1 2; do
  for process in /proc/[0-9]*; do
    read -r line <"$process/stat" || continue
    set -- ${line##*) }
    [ "$4" != "$session" ] || kill -9 "${process#/proc/}"
  done
done"""
MARK = b"JOBMON_TASK_INSTANCE_ID"
PR_SET_CHILD_SUBREAPER = 36


class Command:
    """A running command. Raises OSError or ValueError when it cannot be started."""

    def __init__(self, argv: list[bytes], environment: Mapping[bytes, bytes], outputs: tuple[int, int]) -> None:
        """`argv[0]` is looked for on PATH; `outputs` are open files for standard output and standard error.

        `environment` holds `MARK`, the variable that tells this command from all others on the node.
        """
        self.status: int | None = None  # as os.wait4 gives it, once the command is over
        self.cpu_seconds = 0.0
        self.peak_memory_bytes = 0  # of its largest process
        _adopt_orphans()
        self._guardian, self._lifeline = _guardian(b"%s=%s" % (MARK, environment[MARK]))
        try:
            self._pid = _spawn(argv, environment, outputs)
        except BaseException:
            self._dismiss_guardian()
            raise
        posix.write(self._lifeline, b"%d\n" % self._pid)

    def signal(self, number: int) -> None:
        """Send a signal to every process of the command."""
        for pid in self.others():
            if _group(pid) != self._pid:
                _kill(pid, number)
        _kill(-self._pid, number)

    def collect(self) -> None:
        """Take note of all processes that have ended, without waiting for any."""
        while ended := _next_ended():
            pid, status, used = ended
            if pid != self._guardian:
                self.cpu_seconds += used.ru_utime + used.ru_stime
                self.peak_memory_bytes = max(self.peak_memory_bytes, used.ru_maxrss * 1024)
            if pid == self._pid:
                self.status = status

    def sweep(self, seconds: float) -> None:
        """Kill what the command has left behind, then the guardian; waits at most `seconds` for their end."""
        deadline = time.monotonic() + seconds
        _kill(-self._pid, signal.SIGKILL)
        while self.others() and time.monotonic() < deadline:
            self.signal(signal.SIGKILL)
            time.sleep(0.001)
            self.collect()
        self._dismiss_guardian()

    def _dismiss_guardian(self) -> None:
        _kill(self._guardian, signal.SIGKILL)  # first: the end of its pipe would be a worker's death to it
        posix.close(self._lifeline)

    def others(self) -> list[int]:
        """All processes below the worker, but for the guardian."""
        found = [pid for pid in _children(posix.getpid()) if pid != self._guardian]
        for pid in found:  # grows while it is walked: parents first
            found += _children(pid)
        return found


def _guardian(mark: bytes) -> tuple[int, int]:
    """Start the guardian; its pid and the writing end of its pipe, which nobody inherits."""
    end, lifeline = posix.pipe()
    nowhere = posix.open("/dev/null", posix.O_WRONLY)
    argv = [b"/bin/sh", b"-c", GUARDIAN.encode(), mark]
    everything = signal.valid_signals()
    try:
        pid = posix.posix_spawn(
            argv[0], argv, {}, file_actions=_onto(end, nowhere, nowhere), setsid=True, setsigmask=everything
        )
    except OSError:
        posix.close(lifeline)
        raise
    finally:
        posix.close(end)
        posix.close(nowhere)
    return pid, lifeline


def _spawn(argv: list[bytes], environment: Mapping[bytes, bytes], outputs: tuple[int, int]) -> int:
    stdin = posix.open("/dev/null", posix.O_RDONLY)
    ignored_by_python = (signal.SIGPIPE, signal.SIGXFSZ)
    try:
        actions = _onto(stdin, *outputs)
        return posix.posix_spawnp(
            argv[0], argv, environment, file_actions=actions, setsid=True, setsigdef=ignored_by_python
        )
    finally:
        posix.close(stdin)


def _onto(*descriptors: int) -> list[tuple[int, int, int]]:
    """File actions that make descriptors 0, 1, 2 of these."""
    return [(posix.POSIX_SPAWN_DUP2, descriptor, target) for target, descriptor in enumerate(descriptors)]


def _adopt_orphans() -> None:
    """Become the parent of every descendant that loses its own."""
    try:  # noqa: SIM105  # contextlib costs 4 ms of CPU
        prctl(PR_SET_CHILD_SUBREAPER, 1)
    except ImportError:  # a Python built without libffi: daemons of the command then escape
        pass


def _next_ended() -> tuple[int, int, resource.struct_rusage] | None:
    try:
        pid, status, used = posix.wait4(-1, posix.WNOHANG)
    except ChildProcessError:
        return None
    return (pid, status, used) if pid else None


def _children(pid: int) -> list[int]:
    children: list[int] = []
    try:
        for thread in posix.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb", 0) as file:  # noqa: PTH123
                children += map(int, file.read().split())
    except OSError:  # it has ended meanwhile
        pass
    return children


def _group(pid: int) -> int:
    try:
        return posix.getpgid(pid)
    except ProcessLookupError:
        return 0


def _kill(pid: int, number: int) -> None:
    """Like os.kill (a negative pid is a group); one that has ended already is no error."""
    try:  # noqa: SIM105
        posix.kill(pid, number)
    except ProcessLookupError:
        pass
