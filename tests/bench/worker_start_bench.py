"""The worker of a batch cluster: CPU from the start of its process to the exec of the command, in milliseconds.

The command itself reads what its parent, the worker, has used so far (/proc/PID/task/*/schedstat). The median of
20 starts. Floor: an interpreter that starts as the worker does and ends at once.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import jobmon.distributor.worker
from bench.figures import Case, Sample
from fakes.work_peer import BATCH, INDEX, INSTANCE, WorkPeer
from jobmon.core.paths import output_file

SIZES = (20,)
UNIT = "ms"
MAIN = Path(jobmon.distributor.worker.__path__[0]) / "__main__.py"
PYTHON = [sys.executable, "-I", "-S"]


def cases(sizes: Sequence[int]) -> list[Case]:
    """So many starts."""
    return [Case("", size) for size in sizes]


def measure(case: Case) -> Sample:
    """One repeat."""
    with tempfile.TemporaryDirectory(prefix="jobmon-bench-") as name:
        folder = Path(name)
        peer = WorkPeer(folder)
        peer.command = "cat /proc/$PPID/task/*/schedstat"
        peer.heartbeat_seconds = 90
        try:
            starts = [_start(peer, folder / str(turn)) for turn in range(case.size)]
        finally:
            peer.close()
    return Sample(median(starts), median(_bare() for _ in range(case.size)))


def _start(peer: WorkPeer, folder: Path) -> float:
    folder.mkdir()
    peer.stdout_dir = str(folder)
    token = folder / "token"
    token.write_text("server-secret\n")
    token.chmod(0o600)
    words = [
        f"--batch-id={BATCH}", f"--index={INDEX}", f"--url={peer.url}", f"--token-file={token}",
        f"--spool-dir={folder / 'spool'}",
    ]  # fmt: skip
    subprocess.run([*PYTHON, str(MAIN), *words], check=True, stdin=subprocess.DEVNULL)
    lines = Path(output_file(peer.stdout_dir, "fit", "o", INSTANCE)).read_text().splitlines()
    return sum(int(line.split()[0]) for line in lines) / 1e6


def _bare() -> float:
    """By wait4 and by the scheduler's own clock alike; this is the former."""
    pid = os.posix_spawn(PYTHON[0], [*PYTHON, "-c", "pass"], os.environ)
    _, _, used = os.wait4(pid, 0)
    return (used.ru_utime + used.ru_stime) * 1000
