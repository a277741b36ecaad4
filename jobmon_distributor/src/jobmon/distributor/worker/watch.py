"""Seeing a running command to its end: what happens meanwhile is passed on to it, and ends it if it must."""

from __future__ import annotations

import time

from . import inbox, verdict
from .bare import posix, signal
from .verdict import shell_code

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .command import Command

SHORT_SECONDS = 2.0
KILL_AGAIN_SECONDS = 1.0
LIMIT_TOLERANCE_SECONDS = 5.0  # a signal of the batch system so near to the limit comes of it
LINGER_SECONDS = 0.2  # a batch system signals all processes of a job: ours may come after the command's death


class Watch:
    """The wait for a command. `cause` is why it was ended, one of `verdict`'s texts, "" if it ended by itself."""

    def __init__(
        self,
        command: Command,
        events: inbox.Inbox,
        interrupt_timeout_seconds: float,
        limit_at: float | None,
        not_short: Callable[[], object] | None = None,
    ) -> None:
        """`limit_at`: the monotonic time at which the command has used up its run time.

        `not_short` is called once the command has run for longer than a moment.
        """
        self._not_short = not_short
        self._not_short_at = time.monotonic() + SHORT_SECONDS
        self.cause = ""
        self._command = command
        self._events = events
        self._interrupt_timeout_seconds = interrupt_timeout_seconds
        self._limit_at = limit_at
        self._kill_at: float | None = None
        self._killed = False

    def wait(self) -> int:
        """Return when the command is over: its exit code, -n after signal n."""
        while (status := self._final_status()) is None:
            self._heed(self._seconds_to_act())
            if self._not_short and time.monotonic() >= self._not_short_at:
                self._not_short()
                self._not_short = None
            if self._at_limit(0) and not self.cause:
                self._end(verdict.TIME_LIMIT, signal.SIGTERM)
            if self._kill_at is not None and time.monotonic() >= self._kill_at:
                self._command.signal(signal.SIGKILL)
                self._killed = True
                self._kill_at += KILL_AGAIN_SECONDS
        exit_code = posix.waitstatus_to_exitcode(status)
        if not self.cause and shell_code(exit_code) - 128 in inbox.ENDING | inbox.TIME_IS_UP:
            self._linger()
        return exit_code

    def _linger(self) -> None:
        """Hear of what killed the command; the news of its death may come first, and more than once."""
        left: float = LINGER_SECONDS
        until = time.monotonic() + left
        while not self.cause and left > 0:
            left = until - time.monotonic()
            self._heed(max(0.0, left))  # and once more at the end, in which this process may have stood still

    def _final_status(self) -> int | None:
        """The status of a command that is over, and with it those of its processes that were told to end."""
        self._command.collect()
        waits = self.cause and not self._killed and self._command.others()
        return None if waits else self._command.status

    def _heed(self, seconds: float | None) -> None:
        for event in self._events.take(seconds):
            self._act(event)

    def _seconds_to_act(self) -> float | None:
        """Until the kill, else until the time limit; before that until the command is no short one any more."""
        at = self._limit_at if self._kill_at is None and not self.cause else self._kill_at
        if self._not_short:
            at = self._not_short_at if at is None else min(at, self._not_short_at)
        return None if at is None else at - time.monotonic()

    def _act(self, event: int) -> None:
        if event == inbox.SUPERSEDED:  # another copy may be running: no time for manners
            self._end(verdict.SUPERSEDED, signal.SIGKILL)
        elif event == inbox.STOP:
            if not self.cause:  # every sign of life is answered with it until the attempt is over
                self._end(verdict.STOPPED, signal.SIGTERM)
        elif event in inbox.TIME_IS_UP:
            self._end(verdict.TIME_LIMIT, signal.SIGTERM)
        elif event in inbox.ENDING:
            self._end(verdict.TIME_LIMIT if self._at_limit(LIMIT_TOLERANCE_SECONDS) else verdict.CANCELLED, event)
        elif event in inbox.PASSED_ON:
            self._command.signal(event)

    def _at_limit(self, tolerance_seconds: float) -> bool:
        return self._limit_at is not None and time.monotonic() >= self._limit_at - tolerance_seconds

    def _end(self, cause: str, number: int) -> None:
        """Send the signal; the first cause stands, and so does the moment of the kill that it has set."""
        self._command.collect()
        if self._command.status == 0:  # it was faster
            return
        if not self.cause or cause == verdict.SUPERSEDED:
            self.cause = cause
        if self._kill_at is None:
            self._kill_at = time.monotonic() + self._interrupt_timeout_seconds
        self._command.signal(number)
