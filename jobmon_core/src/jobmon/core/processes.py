"""Whether a process of this machine lives."""

from pathlib import Path


def lives(pid: int) -> bool:
    """False also for one that ended and was not collected: the first process of a container may never do that.

    As long as one of its threads is there it lives: that one has its files open, and their locks.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    fields = stat.rpartition(b") ")[2].split()
    return fields[0] not in (b"Z", b"X") or int(fields[17]) > 1  # num_threads of proc_pid_stat(5)
