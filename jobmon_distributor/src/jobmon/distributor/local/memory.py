"""Memory of commands: limits that are enforced, and how much was used.

A command with a limit gets a memory cgroup of its own where one may be made (version 2, or version 1), below
the cgroup of the executor so that every limit above stays in force. Otherwise the executor samples the resident
memory of the command's processes and kills it above its limit. Without a limit nothing is done: the kernel's
own account (ru_maxrss) is the largest process of the command, and never below the executor's own size, which a
child has until it becomes the command.
"""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

SAMPLE_SECONDS = 0.25
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_MOUNTS = Path("/sys/fs/cgroup")

# Enters the cgroup named by the first argument, and becomes the rest: nothing of the command runs outside.
ENTER = '{ echo 0 > "$1/cgroup.procs"; } 2>/dev/null; shift; exec "$@"'


class Cgroup:
    """A memory cgroup for one command."""

    def __init__(self, folder: Path, version: int) -> None:
        """The folder exists."""
        self.folder = folder
        self._peak = "memory.peak" if version == 2 else "memory.max_usage_in_bytes"
        self._events = "memory.events" if version == 2 else "memory.oom_control"

    def peak_bytes(self) -> int | None:
        """The most that was ever in use, where the kernel tells."""
        text = _read(self.folder / self._peak)
        return int(text) if text else None

    def oom_kills(self) -> int:
        """How many processes were killed because the limit was reached."""
        words = _read(self.folder / self._events).split()
        return int(words[words.index("oom_kill") + 1]) if "oom_kill" in words else 0

    def processes(self) -> list[int]:
        """Who is in it."""
        return [int(word) for word in _read(self.folder / "cgroup.procs").split()]

    def remove(self) -> bool:
        """Give it back; False while processes are in it."""
        try:
            self.folder.rmdir()
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True


class Cgroups:
    """Makes cgroups below the executor's own one, if that is allowed here."""

    def __init__(self, parent: Path | None, version: int) -> None:
        """`parent` None: there are none."""
        self._parent = parent
        self._version = version

    @classmethod
    def of_this_process(cls) -> "Cgroups":
        """Where this process may make cgroups; finds out by making one."""
        for parent, version in _candidates():
            cgroups = cls(parent, version)
            probe = cgroups.make(f"jobmon-probe-{os.getpid()}", 1 << 40)
            if probe is not None:
                probe.remove()
                return cgroups
        return cls(None, 0)

    def make(self, name: str, limit_bytes: int) -> Cgroup | None:
        """A cgroup with that limit; None when there cannot be one."""
        if self._parent is None:
            return None
        folder = self._parent / name
        try:
            folder.mkdir(exist_ok=True)
            self._limit(folder, limit_bytes)
            return Cgroup(folder, self._version)
        except OSError:
            with contextlib.suppress(OSError):
                folder.rmdir()
            return None

    def leftovers(self, prefix: str) -> list[Cgroup]:
        """Cgroups whose name begins so: an earlier executor made them."""
        if self._parent is None:
            return []
        return [Cgroup(folder, self._version) for folder in self._parent.glob(f"{prefix}*") if folder.is_dir()]

    def _limit(self, folder: Path, limit_bytes: int) -> None:
        if self._version == 2:
            _set(folder / "memory.max", limit_bytes)
            swap = folder / "memory.swap.max", 0
        else:
            _set(folder / "memory.limit_in_bytes", limit_bytes)
            swap = folder / "memory.memsw.limit_in_bytes", limit_bytes
        with contextlib.suppress(OSError):  # a kernel without an account of swap
            _set(*swap)


def resident_bytes(pids: Iterable[int]) -> int:
    """Resident memory of these processes and all below them.

    Pages that processes share count for each of them, so the caller asks `proportional_bytes` before it acts.
    """
    return sum(_resident(pid) for pid in _family(pids))


def proportional_bytes(pids: Iterable[int]) -> int:
    """The same with shared pages divided among those who share them; slower.

    When some of them end while they are read one after another, the shares of those who stay grow, and the sum is
    more than there ever was: the caller asks once more before it acts.
    """
    return sum(_proportional(pid) for pid in _family(pids))


def _family(pids: Iterable[int]) -> set[int]:
    family: set[int] = set()
    left = list(pids)
    while left:
        pid = left.pop()
        if pid not in family:
            family.add(pid)
            left += [int(word) for word in _read(Path(f"/proc/{pid}/task/{pid}/children")).split()]
    return family


def _resident(pid: int) -> int:
    words = _read(Path(f"/proc/{pid}/statm")).split()
    return int(words[1]) * _PAGE_BYTES if words else 0


def _proportional(pid: int) -> int:
    for line in _read(Path(f"/proc/{pid}/smaps_rollup")).splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return _resident(pid)


def _candidates() -> Iterable[tuple[Path, int]]:
    """Folders of this process's own cgroup, with the version of the interface there."""
    for line in _read(Path("/proc/self/cgroup")).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "memory":
            yield _MOUNTS / "memory" / path.lstrip("/"), 1
        elif not controllers:
            yield _MOUNTS / path.lstrip("/"), 2


def _set(file: Path, value: int) -> None:
    """Write to a file of the kernel, which must not be made by writing to it."""
    out = os.open(file, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(out, b"%d" % value)
    finally:
        os.close(out)


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
