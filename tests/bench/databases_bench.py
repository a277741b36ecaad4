"""A million tasks on the database of a site: how fast they are bound, and how long one step of their run takes.

Floor: the rows of the tasks inserted into a bare table with two indexes of the same database, many in a statement.
"""

import statistics
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from bench import floors
from bench.driving import Driver
from bench.figures import Case, Sample
from bench.sandbox import in_environment
from clusters.databases import SERVERS
from faults.played import Played, claim_of
from faults.site import served

SIZES = (1_000_000,)
UNIT = "tasks/s"
STEPS = 200
ENDED_IN_STEP = 20  # 10,000 ten-minute tasks: 17 end in a second
RUNNING = 10_000


def cases(sizes: Sequence[int]) -> list[Case]:
    """All databases at every size."""
    return [Case(shape, size) for size in sizes for shape in ("sqlite", *SERVERS)]


def measure(case: Case) -> Sample:
    """One repeat."""
    with tempfile.TemporaryDirectory(prefix="jobmon-bench-") as name, ExitStack() as running:
        folder = Path(name)
        server = SERVERS.get(case.shape)
        url = running.enter_context(server(folder / case.shape)) if server else ""
        site = running.enter_context(served(folder, url))
        seen = in_environment(site.environment, folder, "databases_bench", case.size)
        if url:
            floor = floors.rows_per_second(url)
        else:
            floor = floors.sqlite_rows_per_second(site.data_dir / "jobmon.db", folder)
    return Sample(case.size / seen["bind_seconds"], floor, seen)


def inside(size: str) -> dict[str, float]:
    """Bind; the first steps, which queue what waits for nothing; then steps after some tasks have ended each."""
    running = min(RUNNING, int(size) // 2)
    driver = Driver("independent", int(size), max_concurrently_running=running)
    nodes = Played(driver.server)
    while nodes.running < running or driver.more:
        nodes.claim([claim_of(batch) for batch in driver.batches()])
    filling, driver.steps = driver.steps, []
    for _ in range(STEPS):
        nodes.end(ENDED_IN_STEP)
        nodes.claim([claim_of(batch) for batch in driver.batches()])
    steps = statistics.quantiles(driver.steps, n=100)
    return {
        "bind_seconds": driver.bind_seconds,
        "advance_median_ms": 1000 * steps[49],
        "advance_p95_ms": 1000 * steps[94],
        "first_steps": len(filling),
        "first_steps_median_ms": 1000 * statistics.median(filling),
        "tasks_done": nodes.done,
    }
