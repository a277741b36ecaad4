"""What jobs of a cluster leave on the machine when its daemons are gone: processes, control groups."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from clusters.process import began
from clusters.slurm.site import CGROUPS, Site


def slurmstepds(site: Site, node: str) -> list[int]:
    """The pids of a node's slurmstepd: they hold its log open."""
    log = site.folder / "log" / f"slurmd.{node}.log"
    return [pid for pid in _processes() if _name(pid) == "slurmstepd" and log in _open_files(pid)]


def job_processes(site: Site) -> list[int]:
    """The pids of what jobs started: Slurm puts the cluster's name into their environment."""
    mark = f"SLURM_CLUSTER_NAME={site.name}".encode()
    return [pid for pid in _processes() if pid != os.getpid() and mark in _environment(pid)]


def are_gone(pids: list[int]) -> bool:
    return all(began(pid) is None for pid in pids)


def remove_control_groups(site: Site) -> None:
    """Slurm leaves the groups of its nodes, empty."""
    for node in site.nodes:
        for top in CGROUPS.glob(f"*/slurm_{node}"):
            for folder, _, _ in os.walk(top, topdown=False):
                with contextlib.suppress(OSError):
                    Path(folder).rmdir()


def _processes() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _name(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def _environment(pid: int) -> list[bytes]:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return []


def _open_files(pid: int) -> set[Path]:
    with contextlib.suppress(OSError):
        return {link.readlink() for link in Path(f"/proc/{pid}/fd").iterdir()}
    return set()
