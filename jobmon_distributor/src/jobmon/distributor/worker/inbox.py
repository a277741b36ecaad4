"""Everything that may happen while a command runs, as one stream of numbers: signals and the server's words."""

from __future__ import annotations

from .bare import signal, socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

STOP = 200  # the server wants the attempt ended
SUPERSEDED = 201  # the attempt belongs to another runner now

ENDING = frozenset((signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT))
TIME_IS_UP = frozenset((signal.SIGUSR1, signal.SIGXCPU))  # warnings of the batch system before its own kill
PASSED_ON = frozenset((signal.SIGUSR2, signal.SIGCONT))


class Inbox:
    """A socket pair that Python's signal handling writes to, and other threads too."""

    def __init__(self) -> None:
        """From now on signals that were not ignored are noted here instead of acted on. Main thread only."""
        self._out, self._in = socket.socketpair()  # a pipe would need `select` to wait for it
        self._in.setblocking(False)
        signal.set_wakeup_fd(self._in.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _noted)
        for number in (*ENDING, *TIME_IS_UP, *PASSED_ON):
            if signal.getsignal(number) != signal.SIG_IGN:  # as under nohup
                signal.signal(number, _noted)

    def successor(self) -> Inbox:
        """One for the next attempt: what the server said of the last one is left behind, signals are not."""
        new = Inbox()
        for event in self.take(0):
            if event < STOP:
                new.put(event)
        return new

    def put(self, event: int) -> None:
        """Add an event, from any thread."""
        self._in.send(bytes((event,)))

    def take(self, seconds: float | None) -> bytes:
        """The events since the last call, oldest first; waits for one, at most so long."""
        self._out.settimeout(None if seconds is None else max(0, seconds))
        try:
            return self._out.recv(4096)
        except (TimeoutError, BlockingIOError):
            return b""

    def wait(self, timeout: float) -> bool:
        """Whether the batch system wants this process to end: makes an inbox the `Stop` of a Link."""
        return any(event in ENDING for event in self.take(timeout))


def _noted(number: int, frame: FrameType | None) -> None:
    """Handled: the number is in the socket already."""
