"""Processes of this machine by what their environment and their command line say."""

import os
import signal
from contextlib import suppress
from pathlib import Path


def found(*entries: str, line: str = "") -> list[int]:
    """Those whose environment has all of these entries, and whose command line has this in it."""
    wanted = {entry.encode() for entry in entries}
    return [
        pid
        for pid in (int(place.name) for place in Path("/proc").iterdir() if place.name.isdecimal())
        if wanted <= set(_read(pid, "environ").split(b"\0")) and line.encode() in _read(pid, "cmdline")
    ]


def kill(*pids: int) -> None:
    """SIGKILL; who has ended already is no error."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _read(pid: int, name: str) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/{name}").read_bytes()
    return b""
