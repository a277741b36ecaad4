"""What jobs of a cluster leave on the machine when its daemons are gone."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from clusters.sge.site import Site


def shepherds(site: Site) -> list[int]:
    """The pids of what watches over jobs: each works in the folder of its job."""
    return [pid for pid in _processes() if _is_named(pid, "sge_shepherd") and site.spool in _folder(pid).parents]


def job_processes(site: Site) -> list[int]:
    """The pids of what jobs started: Grid Engine puts the folder of the job into their environment."""
    mark = f"SGE_JOB_SPOOL_DIR={site.spool}/".encode()
    return [pid for pid in _processes() if pid != os.getpid() and mark in b"\0" + _environment(pid)]


def _processes() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _is_named(pid: int, name: str) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().startswith(name)
    return False


def _folder(pid: int) -> Path:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cwd").readlink()
    return Path("/")


def _environment(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/environ").read_bytes()
    return b""
