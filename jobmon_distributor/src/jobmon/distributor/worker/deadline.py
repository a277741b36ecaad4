"""File system work with a deadline: a shared disk that hangs must not take the worker with it."""

from __future__ import annotations

import threading

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

    def carry_out() -> None:
        try:
            results.append(work())
        except Exception as error:  # noqa: BLE001  # raised again below, in the thread that asked
            errors.append(error)

    thread = threading.Thread(target=carry_out, daemon=True)
    try:
        thread.start()
    except RuntimeError as error:  # the job's limit of processes
        raise OSError(f"no thread for it: {error}") from error
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise Overdue(f"the file system did not answer within {seconds:g} s")
    return results[0]


class Remembered:
    """A `Locate` that goes on with the last address while the disk that holds the present one hangs."""

    def __init__(self, locate: Locate, seconds: float, address: tuple[str, str]) -> None:
        """`address` is the one to begin with; the disk is not waited for longer than `seconds`."""
        self._locate = locate
        self._seconds = seconds
        self._address = address
        self._hangs = threading.Event()

    def __call__(self) -> tuple[str, str]:
        """The present address, or the last one known. No second thread is sent after one that hangs."""
        if not self._hangs.is_set():
            self._hangs.set()
            try:
                within(self._seconds, self._refresh)
            except Overdue:
                pass
            except OSError:
                self._hangs.clear()
        return self._address

    def _refresh(self) -> bool:
        try:
            self._address = self._locate()
        finally:
            self._hangs.clear()
        return True
