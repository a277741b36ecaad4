"""A site's server with thousands of workers: one process of `jobmon-server serve` on a real MariaDB.

steady  workers heartbeat every 90 s and end their 30-minute tasks, and others take their places: the 99th
        percentile of a report
return  the same after the server was away: the 99th percentile of all they say, from a minute after its return on

Floor: the 99th percentile of `/health`, asked in the same seconds, which no database is asked for.
"""

import asyncio
import json
import os
import random
import statistics
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import psutil

from bench.driving import Driver
from bench.figures import Case, Sample
from bench.simulated_workers import Place, Said, Workers
from clusters.databases import mariadb
from faults.site import served

SIZES = (10_000,)
UNIT = "ms"
HEARTBEAT_SECONDS = 90.0
TASK_SECONDS = 1800.0
WINDOW_SECONDS = 180.0
SETTLE_SECONDS = 60.0
AWAY_SECONDS = float(os.environ.get("JOBMON_BENCH_AWAY_SECONDS", "600"))
PROBE_SECONDS = 0.2
THREADS = 64


def cases(sizes: Sequence[int]) -> list[Case]:
    """Both, at every size."""
    return [Case(shape, size) for size in sizes for shape in ("steady", "return")]


def measure(case: Case) -> Sample:
    """One repeat."""
    with (
        tempfile.TemporaryDirectory(prefix="jobmon-bench-") as name,
        mariadb(Path(name, "mariadb")) as url,
        served(Path(name), url, JOBMON__SERVER__THREADS=str(THREADS)) as site,
    ):
        words = ["--inside", "workers_bench", case.shape, str(case.size), str(site.server_pid), url]
        script = site.start(str(Path(__file__).with_name("run.py")), *words)
        if case.shape == "return":
            site.wait_for(lambda: "workers run" in script.err, "all workers", 3600)
            site.kill("server")
            time.sleep(AWAY_SECONDS)
            site.serve()
            (Path(name) / "back").write_text(str(site.server_pid))
        assert script.end(7200) == 0, script.err
        seen = json.loads(script.out.splitlines()[-1])
    return Sample(seen.pop("p99_ms"), seen.pop("floor_ms"), seen)


def inside(shape: str, size: str, server_pid: str, url: str) -> dict[str, float]:
    """Bind, drive and simulate, in the environment of a user of that server."""
    return asyncio.run(_live(shape, int(size), int(server_pid), url))


async def _live(shape: str, size: int, server_pid: int, url: str) -> dict[str, float]:
    places: asyncio.Queue[Place] = asyncio.Queue()
    driver = Driver("independent", 2 * size, max_concurrently_running=size)
    workers = Workers(os.environ["JOBMON__HTTP__SERVICE_URL"], driver.token, HEARTBEAT_SECONDS)
    driving = asyncio.create_task(_drive(driver, places))
    living: set[asyncio.Task[None]] = set()
    fresh = [random.random() * TASK_SECONDS for _ in range(size)]  # the first ones are in the midst of their tasks

    async def staff() -> None:
        """A worker for each place, as the cluster would start one."""
        while True:
            place = await places.get()
            one = asyncio.create_task(workers.live(place, lambda: fresh.pop() if fresh else TASK_SECONDS))
            living.add(one)
            one.add_done_callback(living.discard)
            while (
                workers.running < size and len(living) - workers.running > 200
            ):  # a cluster starts some at a time
                await asyncio.sleep(0.01)

    staffing = asyncio.create_task(staff())
    while workers.running < size * 0.99:
        await _alive(driving, staffing)
    _say(f"{workers.running} workers run")
    if shape == "return":
        while not Path("back").exists():
            await _alive(driving, staffing)
        server_pid = int(Path("back").read_text())
        await asyncio.sleep(SETTLE_SECONDS)
    processes = [psutil.Process(server_pid), *psutil.Process(server_pid).children()]
    database = _listening(url)
    cpu, began, refused = _cpu(processes), time.monotonic(), dict(workers.refused)
    database_cpu, own_cpu = _cpu([database]), time.process_time()
    probe = _Probe(os.environ["JOBMON__HTTP__SERVICE_URL"])
    while time.monotonic() < began + WINDOW_SECONDS:
        await _alive(driving, staffing)
    seconds = time.monotonic() - began
    said = [one for one in workers.said if one.began >= began]
    reports = [one for one in said if one.kind == "report"] if shape == "steady" else said
    return {
        "p99_ms": _percentile(reports, 99),
        "floor_ms": 1000 * probe.percentile(99),
        "p50_ms": _percentile(reports, 50),
        "heartbeat_p99_ms": _percentile([one for one in said if one.kind == "heartbeat"], 99),
        "claim_p99_ms": _percentile([one for one in said if one.kind == "claim"], 99),
        "reports": len([one for one in said if one.kind == "report"]),
        "requests_per_second": len(said) / seconds,
        "put_off": sum(workers.refused.values()) - sum(refused.values()),
        "server_cores": (_cpu(processes) - cpu) / seconds,
        "database_cores": (_cpu([database]) - database_cpu) / seconds,
        "simulation_cores": (time.process_time() - own_cpu) / seconds,
        "workers": workers.running,
    }


async def _drive(driver: Driver, places: asyncio.Queue[Place]) -> None:
    """As a distributor does whose cluster takes everything; each place is there at once."""
    driver.server.retry_seconds = None
    while True:
        for batch in await asyncio.to_thread(driver.batches, wait_seconds=1):
            for index in range(batch.size):
                places.put_nowait(Place(batch.batch_id, index))


async def _alive(*tasks: "asyncio.Task[None]") -> None:
    """A moment, in which nothing may have failed."""
    await asyncio.sleep(0.2)
    for task in tasks:
        if task.done():
            task.result()


class _Probe:
    """Asks for `/health` all the while, from a thread."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/health"
        self._seconds: list[float] = []
        threading.Thread(target=self._ask, daemon=True).start()

    def _ask(self) -> None:
        while True:
            began = time.monotonic()
            urllib.request.urlopen(self._url, timeout=60).read()
            self._seconds.append(time.monotonic() - began)
            time.sleep(PROBE_SECONDS)

    def percentile(self, percent: int) -> float:
        """Of what was asked so far."""
        return statistics.quantiles(self._seconds, n=100)[percent - 1]


def _percentile(said: Sequence[Said], percent: int) -> float:
    """In milliseconds, of the tries that were answered."""
    return 1000 * statistics.quantiles([one.seconds for one in said], n=100)[percent - 1] if len(said) > 1 else 0.0


def _listening(url: str) -> psutil.Process:
    """The database's process, by its port."""
    port = int(url.rpartition(":")[2].partition("/")[0])
    pid = next(
        one.pid for one in psutil.net_connections("tcp") if one.laddr.port == port and one.status == "LISTEN"
    )
    return psutil.Process(pid)


def _cpu(processes: Sequence[psutil.Process]) -> float:
    return sum(sum(one.cpu_times()[:2]) for one in processes)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
