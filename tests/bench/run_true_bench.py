"""Running no-op shell commands on two local slots, and one task that waits for all of them.

Measured as `run-dummy` is. Floors: `xargs -P2` over the same commands (the ratio's), and two processes that
each start their half in a bare loop. Half of a floor is measured before the run and half after it.
"""

from collections.abc import Sequence
from statistics import harmonic_mean

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
    before = _floors(case.size // 2)
    with sandbox() as box:
        seen = box.run("run_dummy_bench", case.shape, case.size, "multiprocess")
    floor, loop = (harmonic_mean(pair) for pair in zip(before, _floors(case.size // 2), strict=True))
    also = {**seen, "cpu_us_per_task": box.cpu_seconds / case.size * 1e6, "loop_floor": loop}
    return Sample(case.size / seen["seconds"], floor, also)


def _floors(count: int) -> tuple[float, float]:
    return floors.xargs_per_second(count), floors.loop_per_second(count)
