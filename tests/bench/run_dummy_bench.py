"""Running tasks of which nothing is started: what all the bookkeeping costs.

From a built graph to the status that `run` returns, the bind and the start of distributor and executor
included. Floor: the audit rows of such a run alone, put into a bare SQLite table in bulk.
"""

import time
from collections.abc import Sequence

from bench import floors
from bench.figures import Case, Sample
from bench.sandbox import sandbox

SIZES = (10_000, 100_000)
UNIT = "tasks/s"


def cases(sizes: Sequence[int]) -> list[Case]:
    """One at each size."""
    return [Case("independent", size) for size in sizes]


def measure(case: Case) -> Sample:
    """One repeat."""
    with sandbox() as box:
        seen = box.run("run_dummy_bench", case.shape, case.size, "dummy")
        floor = floors.audit_rows_per_second(box.folder, case.size)
    also = {**seen, "cpu_us_per_task": box.cpu_seconds / case.size * 1e6}
    return Sample(case.size / seen["seconds"], floor, also)


def inside(shape: str, size: str, cluster: str) -> dict[str, float]:
    """Build and run, with the server up before."""
    from bench.shapes import build

    build("chain", 3).bind()
    workflow = build(shape, int(size), cluster, command="true {i}")
    began = time.perf_counter()
    status = workflow.run()
    seconds = time.perf_counter() - began
    if status != "D" or workflow.result is None:
        raise SystemExit(f"the run ended with {status}")
    return {"seconds": seconds, "run_seconds": workflow.result.elapsed_seconds}
