"""What is said to the user while a run goes on: a run needs nobody who reads it."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from typing import TextIO


def say(text: str, end: str = "\n") -> None:
    """A line on standard error."""
    if sys.stderr is not None:
        print(text, end=end, file=heedless(sys.stderr), flush=True)


def heedless(file: TextIO) -> TextIO:
    """The same file; that it is closed, or its other end, is no error."""
    return cast("TextIO", _Heedless(file))


class _Heedless:
    def __init__(self, file: TextIO) -> None:
        self._file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError, ValueError):
            self._file.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._file.flush()
