"""Signs of life, from a thread that touches no file system.

There is nothing to buffer: a sign of life says "now", so one that was not answered is simply tried again. The
silence of the server never ends a command; its word does.
"""

from __future__ import annotations

import _thread  # `threading` would bring nothing more that is needed here, and costs 4 ms of CPU

from .answer import Refused, Unanswered
from .inbox import STOP, SUPERSEDED
from .talk import beat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .inbox import Inbox
    from .link import Link
    from .talk import Grant, Runner


class Flag:
    """As much of a `threading.Event` as it takes to be the `Stop` of a Link."""

    def __init__(self) -> None:
        """Not set."""
        self._unset = _thread.allocate_lock()
        self._unset.acquire()

    def set(self) -> None:
        """For good; only once."""
        self._unset.release()

    def wait(self, timeout: float) -> bool:
        """Whether it is set, or becomes so in time."""
        is_set = self._unset.acquire(timeout=timeout)
        if is_set:
            self._unset.release()
        return is_set


class Heartbeat:
    """Beats until `end`; puts STOP or SUPERSEDED into the inbox when the server says so."""

    def __init__(self, link: Link, runner: Runner, grant: Grant, inbox: Inbox) -> None:
        """`link` is for the beating thread alone."""
        self._link = link
        self._runner = runner
        self._instance_id = grant.instance_id
        self._pause_seconds = grant.heartbeat_seconds
        self._inbox = inbox
        self._over = Flag()

    def begin(self) -> None:
        """Start the thread; the claim was the first sign of life."""
        _thread.start_new_thread(self._beat, ())

    def end(self) -> None:
        """No further sign of life; does not wait for one that is on its way."""
        self._over.set()

    def _beat(self) -> None:
        while not self._over.wait(self._pause_seconds):
            try:
                stop, self._pause_seconds = beat(self._link, self._runner, self._instance_id, self._over)
            except Unanswered:  # only when the attempt is over
                continue
            except Refused as refused:
                if refused.status == 410:
                    return self._inbox.put(SUPERSEDED)
                continue  # a token or a version that somebody is mending: no reason to kill anything
            except Exception:  # noqa: BLE001  # one sign of life too few is better than none from now on
                continue
            finally:
                self._link.close()  # thousands of workers must not hold a connection each
            if stop:
                self._inbox.put(STOP)
        return None
