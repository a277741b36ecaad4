"""The worker of a batch cluster: CPU of its life with the command `true`, in milliseconds.

All of it counts: interpreter, claim, guardian, shell, report. The floor, beside it, is a bare interpreter that is
started as the worker is and ends at once; `before_command` is what the worker has used when its command begins
(read by a command from /proc/PID/task/*/schedstat). Medians of 20 lives each, one after the other in turn.
"""

import os
import resource
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from bench.figures import Case, Sample
from fakes.work_peer import BATCH, INDEX, INSTANCE, WorkPeer
from jobmon.core.paths import output_file
from jobmon.distributor import worker_file

SIZES = (20,)
UNIT = "ms"
BARE = (sys.executable, "-I", "-S", "-c", "pass")
TELL = "cat /proc/$PPID/task/*/schedstat"


def cases(sizes: Sequence[int]) -> list[Case]:
    """So many lives."""
    return [Case("", size) for size in sizes]


def measure(case: Case) -> Sample:
    """One repeat."""
    with tempfile.TemporaryDirectory(prefix="jobmon-bench-") as name:
        folder = Path(name)
        peer = WorkPeer(folder)
        peer.heartbeat_seconds = 90
        argv = _argv(peer, folder)
        try:
            turns = [(_life(peer, argv), _life_ms(BARE), _before_command(peer, argv)) for _ in range(case.size)]
        finally:
            peer.close()
    lives, bare, before = zip(*turns, strict=True)
    return Sample(median(lives), median(bare), {"before_command": median(before)})


def _argv(peer: WorkPeer, folder: Path) -> list[str]:
    token = folder / "token"
    token.write_text("server-secret\n")
    token.chmod(0o600)
    return [
        *worker_file.start(sys.executable, worker_file.build(folder)),
        f"--batch-id={BATCH}", f"--index={INDEX}", f"--url={peer.url}", f"--token-file={token}",
        f"--spool-dir={folder / 'spool'}", f"--working-dir={folder}",
        f"--environment={worker_file.keep_environment(folder)}",
    ]  # fmt: skip


def _life(peer: WorkPeer, argv: Sequence[str]) -> float:
    peer.command = "true"
    return _life_ms(argv)


def _before_command(peer: WorkPeer, argv: Sequence[str]) -> float:
    peer.command = TELL
    output = Path(output_file(peer.stdout_dir, "fit", "o", INSTANCE))
    output.unlink(missing_ok=True)
    _life_ms(argv)
    return sum(int(line.split()[0]) for line in output.read_text().splitlines()) / 1e6


def _life_ms(argv: Sequence[str]) -> float:
    """CPU of a process with all that comes of it; what outlives it, as the guardian may, `bench.run` adopts."""
    before = _used()
    first = os.posix_spawn(argv[0], argv, os.environ)
    while True:
        try:
            pid, status = os.wait()
        except ChildProcessError:
            return (_used() - before) * 1000
        assert pid != first or status == 0, f"{argv} ended with wait status {status}"


def _used() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
