"""Tasks on Slurm.

noop     1,000 tasks of `true` on a real Slurm of this machine, in seconds; floor: the same array of `true` given
         to sbatch by hand. Both end when the last task is known to be done: ours by what `run` returns, the bare
         one by an empty queue. `rpcs` is what the controller was asked per 1,000 tasks but by its own nodes,
         `requests` what our server was asked per task.
lost     a node dies with a task on it: seconds until the task's attempt is suspected; floor: until Slurm itself
         calls the node down. All settings are the defaults.
virtual  100,000 tasks of ten minutes, 5,000 at once, on the fake Slurm in virtual time: requests to the controller
         a second; floor: one array in 1,000 tasks and a look at the queue each three minutes.
"""

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.figures import Case, Sample
from bench.sandbox import Sandbox, sandbox
from clusters.slurm import SlurmCluster

SIZES = (1000,)
UNIT = {"noop": "s", "lost": "s", "virtual": "requests/s"}
SERVER = Path(__file__).with_name("counting_server.py")
VIRTUAL_TASKS = 100_000
# What nodes say to the controller, and what sdiag itself asks.
NOT_OURS = re.compile(r"REQUEST_COMPLETE|EPILOG|PROLOG|REGISTRATION|STEP|PING|STATS_INFO|CONTROL_STATUS")


def cases(sizes: Sequence[int]) -> list[Case]:
    """The real Slurm at each size, then the other two."""
    return [*(Case("noop", size) for size in sizes), Case("lost", 1), Case("virtual", VIRTUAL_TASKS)]


def measure(case: Case) -> Sample:
    """One repeat."""
    if case.shape == "virtual":
        from bench.virtual_slurm import measure as virtual

        return virtual(case.size)
    with tempfile.TemporaryDirectory(prefix="jobmon-slurm-") as folder, SlurmCluster(Path(folder)) as slurm:
        _warm(slurm)
        with sandbox() as box:
            box.environment |= slurm.environment
            sample = _noop(slurm, box, case.size) if case.shape == "noop" else _lost(slurm, box)
        if case.shape == "noop":
            sample = sample._replace(also={**sample.also, "cpu_ms_per_task": box.cpu_seconds / case.size * 1000})
        return sample


def _warm(slurm: SlurmCluster) -> None:
    slurm.run("sbatch", "--wait", "--output=/dev/null", "--array=0-19", "--wrap=true", check=True)


def _noop(slurm: SlurmCluster, box: Sandbox, size: int) -> Sample:
    before = _bare(slurm, size)
    _serve(box)
    slurm.run("sdiag", "--reset", check=True)
    seen = box.run("slurm_bench", "noop", size)
    rpcs = _rpcs(slurm.run("sdiag", check=True).stdout)
    _drain(slurm)
    requests = len((box.data_dir / "requests").read_text().split()) - seen["requests_before"]
    floor = (before + _bare(slurm, size)) / 2
    also = {
        "rpcs": sum(rpcs.values()) * 1000 / size,
        "requests": requests / size,
        "tasks_per_second": size / seen["seconds"],
        "bare_tasks_per_second": size / floor,
    }
    return Sample(seen["seconds"], floor, also)


def _serve(box: Sandbox) -> None:
    """The server with a counter in front."""
    from jobmon.core import local_server

    box.data_dir.mkdir()
    subprocess.Popen([sys.executable, str(SERVER), str(box.data_dir)], env=box.environment)
    deadline = time.monotonic() + 30
    while local_server.find(box.data_dir) is None and time.monotonic() < deadline:
        time.sleep(0.02)


def _bare(slurm: SlurmCluster, size: int) -> float:
    """Seconds from sbatch to an empty queue."""
    began = time.perf_counter()
    array = f"--array=0-{size - 1}"
    slurm.run("sbatch", "--parsable", "--output=/dev/null", "--mem=100M", array, "--wrap=true", check=True)
    _drain(slurm)
    return time.perf_counter() - began


def _drain(slurm: SlurmCluster) -> None:
    while slurm.run("squeue", "--noheader", "--states=PENDING,RUNNING,COMPLETING").stdout.strip():
        time.sleep(0.25)


def _rpcs(text: str) -> dict[str, int]:
    """{message type: how many} of those that somebody asked for."""
    counts = {name: int(count) for name, count in re.findall(r"^\s+(\w+)\s+\(\s*\d+\) count:(\d+)", text, re.M)}
    return {name: count for name, count in counts.items() if name.isupper() and not NOT_OURS.search(name)}


def inside(shape: str, size: str) -> dict[str, Any]:
    """Build and run, with the server up before."""
    from bench.shapes import build
    from jobmon.core.settings import data_dir, load_settings

    command = "true {i}" if shape == "noop" else "sleep 600 # {i}"
    workflow = build("independent", int(size), "slurm", command=command)
    workflow.set_default_compute_resources_from_dict("slurm", {"memory": "100M", "runtime": "20m"})
    counter = data_dir(load_settings()) / "requests"
    before = len(counter.read_text().split()) if counter.exists() else 0
    began = time.perf_counter()
    status = workflow.run()
    seconds = time.perf_counter() - began
    if shape == "noop" and status != "D":
        raise SystemExit(f"the run ended with {status}")
    return {"seconds": seconds, "requests_before": before}


def _lost(slurm: SlurmCluster, box: Sandbox) -> Sample:
    """Kill a node with all that runs on it."""
    from jobmon.core import local_server, routes
    from jobmon.core.constants import TaskInstanceStatus
    from jobmon.core.exceptions import NotFound
    from jobmon.core.http import Server
    from jobmon.core.wire import TaskDetailQuery

    run = subprocess.Popen(
        [sys.executable, str(SERVER.with_name("run.py")), "--inside", "slurm_bench", "lost", "1"],
        env=box.environment, cwd=box.folder, stdout=subprocess.DEVNULL,
    )  # fmt: skip

    def attempt() -> Any:
        found = local_server.find(box.data_dir)
        if found is None:
            return None
        try:
            tasks = Server(lambda: found).call(routes.TASK_DETAILS, TaskDetailQuery(task_id=[1])).tasks
        except NotFound:
            return None
        return tasks[0].attempts[-1] if tasks and tasks[0].attempts else None

    try:
        _until(lambda: (one := attempt()) and one.status == TaskInstanceStatus.RUNNING)
        node = attempt().node
        began = time.perf_counter()
        slurm.kill(f"slurmd {node[-2:]}")
        slurm.kill_slurmstepd(node[-2:])
        _kill_tasks(box)
        _until(lambda: "down" in slurm.run("sinfo", "--noheader", f"--nodes={node}", "--format=%T").stdout)
        floor = time.perf_counter() - began
        _until(lambda: attempt().status != TaskInstanceStatus.RUNNING)
        return Sample(time.perf_counter() - began, floor)
    finally:
        run.terminate()
        run.wait()
        box.dismiss()


def _kill_tasks(box: Sandbox) -> None:
    """The workers of this sandbox, with their commands: what dies with a node."""
    import psutil

    mark = str(box.data_dir)
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        if any(word.startswith("--spool-dir=" + mark) for word in line) or line[:2] == ["sleep", "600"]:
            process.kill()


def _until(condition: Any, seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit("what the bench waits for does not come")
        time.sleep(0.25)
