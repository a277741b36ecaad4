"""Going on with a workflow of which one task is left: build, resume, run that one.

In seconds, from the first line that builds the graph to the status that `run` returns, in a new process with the
server up. Floor: as many commands rendered and hashed in a bare loop, which is the least that recognising the
workflow can take.
"""

import time
from collections.abc import Sequence

from bench import floors
from bench.figures import Case, Sample
from bench.sandbox import sandbox

SIZES = (10_000, 100_000)
UNIT = "s"


def cases(sizes: Sequence[int]) -> list[Case]:
    """One at each size."""
    return [Case("one-left", size) for size in sizes]


def measure(case: Case) -> Sample:
    """One repeat."""
    with sandbox() as box:
        box.run("resume_bench", case.size, "first")
        (box.folder / "flag").touch()
        seen = box.run("resume_bench", case.size, "resume")
        floor = floors.identity_seconds(case.size)
    return Sample(seen["seconds"], floor, seen)


def inside(size: str, which: str) -> dict[str, float]:
    """All but the last task run on `dummy`; the last one fails until there is a file called flag."""
    from bench.shapes import build

    if which == "resume":
        build("chain", 3).bind()  # everything is imported and connected
    began = time.perf_counter()
    workflow = build("independent", int(size) - 1, "dummy", args="resumed")
    last = workflow.tool.get_task_template(template_name="last", command_template="test -e flag")
    workflow.add_task(last.create_task(cluster_name="multiprocess", max_attempts=1))
    built = time.perf_counter()
    status = workflow.run(resume=which == "resume")
    ended = time.perf_counter()
    if status != ("D" if which == "resume" else "E") or workflow.result is None:
        raise SystemExit(f"the run ended with {status}")
    before = workflow.result.num_previously_complete
    if which == "resume" and before != int(size) - 1:
        raise SystemExit(f"{before} tasks were done before")
    return {
        "seconds": ended - began,
        "build_seconds": built - began,
        "run_seconds": workflow.result.elapsed_seconds,
    }
