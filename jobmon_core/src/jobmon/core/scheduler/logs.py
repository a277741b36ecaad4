"""The scheduler's own logs of our jobs, one a task, in a folder for each array: what the worker cannot say."""

import contextlib
import shutil
import time
from pathlib import Path

TAIL_BYTES = 4096
MADE = ".made"  # an empty file whose age is that of the folder


class Logs:
    """The folders below `folder`. The scheduler calls the first task `first_index`."""

    def __init__(self, folder: Path, first_index: int = 0) -> None:
        """Nothing is made yet."""
        self._folder = folder
        self._first_index = first_index

    def prepare(self, name: str) -> Path:
        """Make the folder of an array. Raises OSError: a job without it dies unheard."""
        folder = self._folder / name
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
        if not (folder / MADE).exists():
            (folder / MADE).touch()
        return folder

    def tail(self, name: str, index: int) -> str:
        """The end of one task's log; "" when there is none."""
        try:
            with (self._folder / name / f"{index + self._first_index}.log").open("rb") as file:
                size = file.seek(0, 2)
                file.seek(max(0, size - TAIL_BYTES))
                return file.read().decode("utf-8", "backslashreplace").replace("\0", "").strip()
        except OSError:
            return ""

    def hours_since(self, name: str) -> int:
        """Whole hours, rounded up, since the folder was made, which was before its array was submitted."""
        try:
            made_at = (self._folder / name / MADE).stat().st_mtime
        except OSError:
            return 24 * 30
        return max(1, int((time.time() - made_at) / 3600) + 2)

    def tidy(self, name: str) -> None:
        """Remove the logs of an array that say nothing."""
        with contextlib.suppress(OSError):
            for log in (self._folder / name).iterdir():
                if log.stat().st_size == 0:
                    log.unlink()
            (self._folder / name).rmdir()

    def clear(self) -> None:
        """Remove all of them."""
        shutil.rmtree(self._folder, ignore_errors=True)
