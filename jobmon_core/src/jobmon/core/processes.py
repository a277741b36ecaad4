"""Whether a process of this machine lives."""

from pathlib import Path


def lives(pid: int) -> bool:
    """False also for one that ended and was not collected: the first process of a container may never do that."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    return stat.rpartition(b") ")[2][:1] not in (b"Z", b"X")
