"""What the job's memory cgroup knows: the peak, and whether the kernel killed something for want of memory.

Without a cgroup of the job's own there is no such knowledge; the caller then has the peak of its largest
process (`ru_maxrss`) and no word of an out-of-memory kill.
"""

from __future__ import annotations

MEMBERSHIP = "/proc/self/cgroup"
ROOT = "/sys/fs/cgroup"


class MemoryGroup:
    """A memory cgroup that holds one job and nothing else."""

    def __init__(self, folder: str, peak: str, events: str) -> None:
        """`peak` and `events` are the names of the files to read there."""
        self._peak = f"{folder}/{peak}"
        self._events = f"{folder}/{events}"
        self._kills_before = self._kills()

    def peak_bytes(self) -> int | None:
        """The most memory in use at one time, page cache included; None on a kernel that does not count it."""
        text = _read(self._peak).strip()
        return int(text) if text.isdecimal() else None

    def out_of_memory(self) -> bool:
        """Whether the kernel has killed a process of this group since the worker looked first."""
        return self._kills() > self._kills_before

    def _kills(self) -> int:
        for line in _read(self._events).splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
        return 0


def own_memory_group(job: str) -> MemoryGroup | None:
    """The memory cgroup of the batch job that this process belongs to; the batch system calls it `job`."""
    return find_memory_group(_read(MEMBERSHIP), job, ROOT)


def find_memory_group(membership: str, job: str, root: str) -> MemoryGroup | None:
    """The same for the text of a /proc/PID/cgroup, and cgroups mounted at `root`; version 1 goes first."""
    paths = _paths(membership)
    if "memory" in paths:
        return _group_of_job(
            paths["memory"], job, f"{root}/memory", "memory.max_usage_in_bytes", "memory.oom_control"
        )
    return _group_of_job(paths.get("", "/"), job, root, "memory.peak", "memory.events")


def _paths(membership: str) -> dict[str, str]:
    """Controller -> path; the controller of version 2 is ""."""
    paths = {}
    for line in membership.splitlines():
        _, controllers, path = line.split(":", 2)
        paths.update(dict.fromkeys(controllers.split(","), path))
    return paths


def _group_of_job(path: str, job: str, root: str, peak: str, events: str) -> MemoryGroup | None:
    """The innermost group at or below the job's own that counts memory."""
    while job and any(_is_of(job, part) for part in path.split("/")):
        if _read(f"{root}{path}/{events}"):
            return MemoryGroup(root + path, peak, events)
        path = path.rpartition("/")[0]
    return None


def _is_of(job: str, part: str) -> bool:
    """Whether a cgroup of this name is that job's: `job_7`, `7`, `7.1`, as batch systems call them."""
    return part in (f"job_{job}", job) or part.startswith(f"{job}.")


def _read(path: str) -> str:
    try:
        with open(path, "rb", 0) as file:  # noqa: PTH123  # pathlib is slow to import
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""
