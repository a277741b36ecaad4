"""Latency: what one more level of dependencies costs, and a whole small script from nothing.

`levels`: milliseconds from the end of one `true` to the end of the next one that waits for it.
Floor: starting the same command in a bare loop.

`from-nothing`: milliseconds of `python examples/quickstart.py` as a process, with no server up and no database.
Floor: starting the four Python interpreters that this takes (client, server, distributor, executor), empty.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench import floors
from bench.figures import Case, Sample
from bench.sandbox import sandbox

SIZES = (50,)
UNIT = "ms"
QUICKSTART = Path(__file__).resolve().parents[2] / "examples" / "quickstart.py"


def cases(sizes: Sequence[int]) -> list[Case]:
    """Chains of so many levels, and the script of three tasks."""
    return [*(Case("levels", size) for size in sizes), Case("from-nothing", 3)]


def measure(case: Case) -> Sample:
    """One repeat."""
    return _levels(case.size) if case.shape == "levels" else _from_nothing()


def _levels(size: int) -> Sample:
    with sandbox() as box:
        seen = box.run("chain_bench", size)
        floor = 1000 / floors.loop_per_second(size, processes=1)
    return Sample(seen["ms_per_level"], floor, {"cpu_ms_per_level": box.cpu_seconds / size * 1000})


def _from_nothing() -> Sample:
    with sandbox() as box:
        began = time.perf_counter()
        box.call([sys.executable, str(QUICKSTART)], stdout=sys.stderr)
        seconds = time.perf_counter() - began
        box.close()
        floor = floors.interpreters_seconds(4)
    return Sample(seconds * 1000, floor * 1000, {"cpu_ms": box.cpu_seconds * 1000})


def inside(size: str) -> dict[str, float]:
    """Run a chain and read the time of each level off the server's records."""
    from bench.shapes import build
    from jobmon.core import routes, wire

    workflow = build("chain", int(size), "multiprocess", command="true {i}")
    status = workflow.run()
    if status != "D":
        raise SystemExit(f"the run ended with {status}")
    asked = wire.TaskDetailQuery(task_id=[task.task_id for task in workflow.task_list])
    details = workflow.server.call(routes.TASK_DETAILS, asked).tasks
    ends = [task.attempts[-1].ended_at or 0.0 for task in details]
    return {"ms_per_level": (ends[-1] - ends[0]) / (len(ends) - 1) * 1000}
