"""Running no-op shell commands on two local slots, and one task that waits for all of them.

Measured as `run-dummy` is. Floors: `xargs -P2` over the same commands (the ratio's), and two processes that
each start their half in a bare loop.
"""

from collections.abc import Sequence

from bench import floors
from bench.figures import Case, Sample
from bench.sandbox import sandbox

SIZES = (1000, 10_000)
UNIT = "tasks/s"


def cases(sizes: Sequence[int]) -> list[Case]:
    """One at each size."""
    return [Case("fan-in", size) for size in sizes]


def measure(case: Case) -> Sample:
    """One repeat."""
    with sandbox() as box:
        floor = floors.xargs_per_second(case.size)
        loop = floors.loop_per_second(case.size)
    with sandbox() as box:
        seen = box.run("run_dummy_bench", case.shape, case.size, "multiprocess")
    also = {**seen, "cpu_us_per_task": box.cpu_seconds / case.size * 1e6, "loop_floor": loop}
    return Sample(case.size / seen["seconds"], floor, also)
