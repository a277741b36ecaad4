"""A million tasks on the database of a site: how fast they are bound, and how long one step of their run takes.

Floor: the rows of the tasks inserted into a bare table with two indexes of the same database, many in a statement.
"""

import statistics
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench import floors
from bench.driving import Driver
from bench.figures import Case, Sample
from bench.sandbox import in_environment
from clusters.databases import SERVERS
from faults.site import served
from jobmon.core import routes, wire

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
    nodes = _Nodes(driver)
    while nodes.running < running or driver.more:
        nodes.start(driver.batches())
    filling, driver.steps = driver.steps, []
    for _ in range(STEPS):
        nodes.end(ENDED_IN_STEP)
        nodes.start(driver.batches())
    steps = statistics.quantiles(driver.steps, n=100)
    return {
        "bind_seconds": driver.bind_seconds,
        "advance_median_ms": 1000 * steps[49],
        "advance_p95_ms": 1000 * steps[94],
        "first_steps": len(filling),
        "first_steps_median_ms": 1000 * statistics.median(filling),
        "tasks_done": nodes.done,
    }


class _Nodes:
    """All nodes as one runner, which claims and reports as much at a time as it is told."""

    def __init__(self, driver: Driver) -> None:
        self._server = driver.server
        self._runner = uuid.uuid4().hex
        self._sequence = 0
        self._outcomes: list[wire.Outcome] = []
        self.done = 0

    @property
    def running(self) -> int:
        """Attempts that were claimed and have not ended."""
        return len(self._outcomes)

    def start(self, batches: Sequence[wire.Batch]) -> None:
        """Claim all of these."""
        claims = [wire.Claim(batch_id=batch.batch_id, start=0, count=batch.size) for batch in batches]
        if claims:
            self._outcomes += [
                outcome for grant in self._say(claims=claims).grants for outcome in _outcomes(grant)
            ]

    def end(self, count: int) -> None:
        """Report the end of the oldest."""
        ended, self._outcomes = self._outcomes[:count], self._outcomes[count:]
        self._say(outcomes=ended)
        self.done += len(ended)

    def _say(self, **what: Any) -> wire.WorkAnswer:
        self._sequence += 1
        request = wire.WorkRequest(runner=self._runner, node="bench", sequence=self._sequence, **what)
        return self._server.call(routes.WORK, request)


def _outcomes(grant: wire.Grant) -> Iterator[wire.Outcome]:
    for instance_id, token in zip(grant.instance_id, grant.token, strict=True):
        yield wire.Outcome(instance_id=instance_id, token=token, status="D", exit_code=0)
