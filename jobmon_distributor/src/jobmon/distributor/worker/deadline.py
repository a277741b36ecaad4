"""File system work with a deadline: a shared disk that hangs must not take the worker with it."""

from __future__ import annotations

import _thread  # `threading` would bring nothing more that is needed here, and costs 4 ms of CPU

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from .address import Locate

    Got = TypeVar("Got")


class Overdue(OSError):
    """The work did not come back in time; its thread is left behind."""


def within(seconds: float, work: Callable[[], Got]) -> Got:
    """The result of `work`, or what it raises. Raises Overdue when there is neither after `seconds`."""
    results: list[Got] = []
    errors: list[Exception] = []

    busy = _thread.allocate_lock()
    busy.acquire()

    def carry_out() -> None:
        try:
            results.append(work())
        except Exception as error:  # noqa: BLE001  # raised again below, in the thread that asked
            errors.append(error)
        finally:
            busy.release()

    try:
        _thread.start_new_thread(carry_out, ())
    except RuntimeError as error:  # the job's limit of processes
        raise OSError(f"no thread for it: {error}") from error
    if not busy.acquire(timeout=seconds):
        raise Overdue(f"the file system did not answer within {seconds:g} s")
    if errors:
        raise errors[0]
    return results[0]


class Remembered:
    """A `Locate` that goes on with the last address while the disk that holds the present one hangs."""

    def __init__(self, locate: Locate, seconds: float, address: tuple[str, str]) -> None:
        """`address` is the one to begin with; the disk is not waited for longer than `seconds`."""
        self._locate = locate
        self._seconds = seconds
        self._address = address
        self._hangs = False

    def __call__(self) -> tuple[str, str]:
        """The present address, or the last one known. No second thread is sent after one that hangs."""
        if not self._hangs:
            self._hangs = True
            try:
                within(self._seconds, self._refresh)
            except Overdue:
                pass
            except OSError:
                self._hangs = False
        return self._address

    def _refresh(self) -> bool:
        try:
            self._address = self._locate()
        finally:
            self._hangs = False
        return True
