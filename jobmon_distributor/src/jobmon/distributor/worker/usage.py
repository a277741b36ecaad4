"""What the job's memory cgroup knows: the peak, and whether the kernel killed something for want of memory.

Without a cgroup of the job's own there is no such knowledge; the caller then has the peak of its largest
process (`ru_maxrss`) and no word of an out-of-memory kill.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

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


def own_memory_group(environment: Mapping[bytes, bytes]) -> MemoryGroup | None:
    """The memory cgroup of the batch job that this process belongs to."""
    return find_memory_group(_read(MEMBERSHIP), environment, ROOT)


def find_memory_group(membership: str, environment: Mapping[bytes, bytes], root: str) -> MemoryGroup | None:
    """The same for the text of a /proc/PID/cgroup, and cgroups mounted at `root`; version 1 goes first."""
    jobs = [environment[name].decode() for name in (b"SLURM_JOB_ID", b"JOB_ID") if environment.get(name)]
    paths = _paths(membership)
    if "memory" in paths:
        return _group_of_job(
            paths["memory"], jobs, f"{root}/memory", "memory.max_usage_in_bytes", "memory.oom_control"
        )
    return _group_of_job(paths.get("", "/"), jobs, root, "memory.peak", "memory.events")


def _paths(membership: str) -> dict[str, str]:
    """Controller -> path; the controller of version 2 is ""."""
    paths = {}
    for line in membership.splitlines():
        _, controllers, path = line.split(":", 2)
        paths.update(dict.fromkeys(controllers.split(","), path))
    return paths


def _group_of_job(path: str, jobs: list[str], root: str, peak: str, events: str) -> MemoryGroup | None:
    """The innermost group at or below the job's own that counts memory."""
    while any(_is_of(job, part) for job in jobs for part in path.split("/")):
        if _read(f"{root}{path}/{events}"):
            return MemoryGroup(root + path, peak, events)
        path = path.rpartition("/")[0]
    return None


def _is_of(job: str, part: str) -> bool:
    """Whether a cgroup of this name is that job's: `job_7` (Slurm), `7`, `7.1` (Grid Engine)."""
    return part in (f"job_{job}", job) or part.startswith(f"{job}.")


def _read(path: str) -> str:
    try:
        with open(path, "rb", 0) as file:  # noqa: PTH123  # pathlib is slow to import
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""
