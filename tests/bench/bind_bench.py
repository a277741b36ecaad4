"""Binding: from a built graph to a workflow whose tasks are all in the database.

Floor: the same rows put into a bare SQLite table with two indexes; for the all-to-all, as many independent
tasks bound by us, because a million edges must cost no more than twice that.
"""

import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

from bench import floors
from bench.figures import Case, Sample
from bench.sandbox import Sandbox, sandbox

SIZES = (10_000, 100_000, 1_000_000)
UNIT = "tasks/s"
ALL_TO_ALL = 2000


def cases(sizes: Sequence[int]) -> list[Case]:
    """Fan-out and map-map-reduce at all sizes; a 1000 x 1000 all-to-all, or less if all sizes are."""
    every = [Case(shape, size) for shape in ("fan-out", "map-map-reduce") for size in sizes]
    return [*every, Case("all-to-all", min(ALL_TO_ALL, max(sizes)))]


def measure(case: Case) -> Sample:
    """One repeat."""
    with sandbox() as box:
        seen = box.run("bind_bench", case.shape, case.size)
        box.close()
        bytes_per_task = _database_bytes(box) / case.size
        floor = floors.sqlite_rows_per_second(box.data_dir / "jobmon.db", box.folder)
    if case.shape == "all-to-all":
        with sandbox() as plain:
            floor = case.size / plain.run("bind_bench", "independent", case.size)["bind_seconds"]
    return Sample(
        case.size / seen["bind_seconds"],
        floor,
        {
            "build_seconds": seen["build_seconds"],
            "bind_seconds": seen["bind_seconds"],
            "client_bytes_per_task": seen["client_bytes"] / case.size,
            "database_bytes_per_task": bytes_per_task,
            "cpu_us_per_task": box.cpu_seconds / case.size * 1e6,
        },
    )


def inside(shape: str, size: str) -> dict[str, float]:
    """Build and bind, with the server up before."""
    from bench.shapes import build

    build("chain", 3).bind()  # everything is imported and connected
    before = _memory_bytes("VmRSS")
    began = time.perf_counter()
    workflow = build(shape, int(size))
    built = time.perf_counter()
    workflow.bind()
    bound = time.perf_counter()
    return {
        "build_seconds": built - began,
        "bind_seconds": bound - built,
        "client_bytes": _memory_bytes("VmHWM") - before,
    }


def _memory_bytes(kind: str) -> int:
    """VmRSS is the memory in use now, VmHWM the most it ever was."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{kind}:"))


def _database_bytes(box: Sandbox) -> int:
    """The file with all that was in its log; what an empty database has is in it too."""
    file = box.data_dir / "jobmon.db"
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.close()
    return file.stat().st_size
