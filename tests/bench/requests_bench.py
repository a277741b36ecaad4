"""HTTP requests per task of a local run, all of them: bind, run, advance, work, watch.

They are counted where they arrive: the server of this bench is the embedded one with a counter in front
(`counting_server.py`). Floor: a request for each 1000 tasks.
"""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench.figures import Case, Sample
from bench.sandbox import sandbox
from jobmon.core import local_server

SIZES = (1000, 10_000)
UNIT = "requests/task"
SERVER = Path(__file__).with_name("counting_server.py")


def cases(sizes: Sequence[int]) -> list[Case]:
    """Nothing to run, and no-op commands."""
    return [Case(shape, size) for shape in ("dummy", "true") for size in sizes]


def measure(case: Case) -> Sample:
    """One repeat."""
    with sandbox() as box:
        box.data_dir.mkdir()
        with subprocess.Popen([sys.executable, str(SERVER), str(box.data_dir)], env=box.environment):
            cluster = "dummy" if case.shape == "dummy" else "multiprocess"
            deadline = time.monotonic() + 30
            while local_server.find(box.data_dir) is None and time.monotonic() < deadline:
                time.sleep(0.02)
            box.run("run_dummy_bench", "fan-in", case.size, cluster)
            counts = _counts(box.data_dir)
            box.close()
    total = sum(counts.values())
    return Sample(total / case.size, 0.001, {"total": total, **counts})


def _counts(data_dir: Path) -> dict[str, int]:
    """{last word of the path: requests}, without the looks at its health."""
    lines = (data_dir / "requests").read_text().split()
    names = [line.rpartition("/")[2] for line in lines]
    return {name: names.count(name) for name in ("workflow", "chunk", "run", "lease", "advance", "work", "watch")}
