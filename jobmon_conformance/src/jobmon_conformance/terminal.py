"""A script in a terminal of its own: what it shows can be read, and keys can be pressed."""

import errno
import fcntl
import os
import pty
import select
import subprocess
import sys
import termios
from pathlib import Path

from jobmon_conformance.home import DEADLINE_SECONDS, wait_for

CTRL_C = "\x03"


class Terminal:
    """Python with these arguments as the foreground of a new terminal."""

    def __init__(self, argv: list[str], environment: dict[str, str], folder: Path) -> None:
        self._master, slave = pty.openpty()
        self.shown = ""
        self.process = subprocess.Popen(
            [sys.executable, *argv],
            env={**environment, "TERM": "xterm", "COLUMNS": "160"},
            cwd=folder,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)

    def read(self) -> str:
        """All that was shown so far."""
        try:
            while select.select([self._master], [], [], 0)[0]:
                self.shown += os.read(self._master, 65536).decode(errors="replace")
        except OSError as error:
            if error.errno != errno.EIO:  # what a terminal says that nobody holds any more
                raise
        return self.shown

    def wait_for(self, text: str, times: int = 1) -> None:
        """Until this text was shown so often."""
        try:
            wait_for(lambda: self.read().count(text) >= times, f"{text!r} on the terminal")
        except AssertionError as error:
            raise AssertionError(f"{error}; it shows:\n{self.shown}") from None

    def press(self, keys: str) -> None:
        """As if somebody typed."""
        os.write(self._master, keys.encode())

    def end(self) -> int:
        """Its exit code."""

        def is_over() -> bool:
            self.read()  # or it would block when the terminal's buffer is full
            return self.process.poll() is not None

        wait_for(is_over, "the end of the script", DEADLINE_SECONDS)
        self.read()
        return self.process.returncode

    def hang_up(self) -> None:
        """The connection is gone."""
        os.close(self._master)
        self._master = -1

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self._master >= 0:
            os.close(self._master)
