"""How soon all goes on after everything was killed: a server over many tasks, a distributor over many jobs.

`JOBMON_TEST_LONG=1` makes it a million tasks, on MariaDB too, and ten thousand jobs. No time is asserted: what
must be so is that nothing is lost, nothing is submitted again, and how few questions the scheduler is asked.
"""

import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from bench.shapes import build
from fakes.slurm import Association, FakeSlurm, Node, Simulated, Task, faults
from faults.place import Place
from faults.played import Played, address, claim_of, server_of
from faults.site import Site, mariadb_url, served
from faults.slurm.test_fake_thousands import batch_of
from jobmon.core import local_server, wire
from jobmon.core.exceptions import ServerUnreachable
from jobmon.core.http import Unanswered
from jobmon.core.routes import READY, WORKFLOWS
from jobmon_conformance.drive import Driven
from jobmon_conformance.home import Home, opened

__all__ = ["mariadb_url"]

LONG = bool(os.environ.get("JOBMON_TEST_LONG"))
TASKS, RUNNING = (1_000_000, 10_000) if LONG else (20_000, 2_000)
JOBS = 10_000 if LONG else 300
SECONDS = 3600.0 if LONG else 120.0
CLAIMED_AT_ONCE = 200
ENDS_BEFORE, ENDS_AT_ONCE, ENDS_AT_MOST = 100, 10, 1000  # one step starts as many again
NAMES = {"sqlite": "SQLite", "mariadb": "MariaDB"}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(5 * SECONDS)]
Record = Callable[[str, object], None]


# --- a server over many tasks ----------------------------------------------------------------------------------


@pytest.fixture(params=["sqlite", *(["mariadb"] if LONG else [])])
def here(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Home, str]]:
    """This process is the script of a user: with a server of their own, or of a site's; the database's name."""
    url = request.getfixturevalue("mariadb_url") if request.param == "mariadb" else ""
    with served(tmp_path, url) if url else opened(tmp_path) as home:
        for name, value in home.environment.items():
            monkeypatch.setenv(name, value)
        yield home, NAMES[request.param]


class Ends(threading.Thread):
    """Ends what a runner has, a few at a time, until it is told that the server is gone."""

    def __init__(self, runner: Played) -> None:
        super().__init__(daemon=True)
        self._runner = runner
        self._gone = threading.Event()
        self._runner.server.retry_seconds = 0

    def run(self) -> None:
        while self._runner.done < ENDS_AT_MOST and not self._gone.is_set():
            with suppress(ServerUnreachable):
                self._runner.end(ENDS_AT_ONCE)

    def stop(self) -> None:
        self._gone.set()
        self.join()


def started(run: Driven, home: Home) -> Played:
    """A runner that has all that may run at one time."""
    runner = Played(server_of(home))
    launched: list[wire.Launched] = []
    more = True
    while more or launched or runner.running < RUNNING:
        answer = run.step(launched=launched)
        more = answer.more
        launched = [wire.Launched(batch_id=one.batch_id, job_id=str(one.batch_id)) for one in answer.submit]
        runner.claim([claim_of(batch) for batch in answer.submit])
    return runner


def is_ready(home: Home) -> bool:
    with suppress(requests.RequestException, Unanswered):
        return requests.get(f"{address(home).url}{READY.url()}", timeout=30).ok
    return False


@pytest.mark.promise("F07")
@pytest.mark.promise("F71")
def test_a_killed_server_serves_a_large_database_again_with_all_that_it_acknowledged(
    here: tuple[Home, str], record_property: Record
) -> None:
    home, database = here
    workflow = build("independent", TASKS, max_concurrently_running=RUNNING)
    workflow.bind()
    run = Driven(workflow, seconds_until_timeout=1e6)
    runner = started(run, home)
    ends = Ends(runner)
    ends.start()
    home.wait_for(lambda: runner.done >= ENDS_BEFORE, "ends that are acknowledged", SECONDS)
    home.kill("server")
    ends.stop()
    told = runner.done

    began = time.perf_counter()
    if isinstance(home, Site):
        home.serve()
    else:
        local_server.ensure(home.data_dir)
    home.wait_for(lambda: is_ready(home), "a server that is ready", SECONDS)
    ready_seconds = time.perf_counter() - began
    step = run.step()
    step_seconds = time.perf_counter() - began
    seen = run.server.call(WORKFLOWS, wire.WorkflowQuery(workflow_id=[workflow.workflow_id])).workflows[0]
    done = seen.counts.done

    assert done - told in (0, min(ENDS_AT_ONCE, ENDS_AT_MOST - told))  # the last ones got no answer
    assert (step.status, sum(batch.size for batch in step.submit), step.more) == ("R", done, False)
    assert (seen.status, seen.counts.total, seen.counts.running) == ("R", TASKS, RUNNING - done)
    assert home.task_counts() == {"D": done, "R": RUNNING - done, "I": done, "Q": TASKS - RUNNING - done}
    runner.end(ENDS_AT_ONCE)
    assert home.task_counts()["D"] == told + ENDS_AT_ONCE
    home.check(witness=False)
    seconds = f"ready {ready_seconds:.1f} s after its start, the first step of a run is answered after"
    record_property("G6", f"{database}: {TASKS:,} tasks: {seconds} {step_seconds:.1f} s")


# --- a distributor over many jobs ------------------------------------------------------------------------------

HELD_BACK = JOBS // 2  # by a limit of the account; the others run
TAKEN_OVER = f"Slurm: {HELD_BACK} tasks wait (AssocMaxJobsLimit)"
NOTICE = "SELECT notice FROM workflow_run WHERE id = 2"


class Nodes:
    """What Slurm starts there claims its attempt, and ends only when the test says so."""

    def __init__(self, home: Home) -> None:
        self._runner = Played(server_of(home))
        self._started: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._released, self._closed = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def behave(self, *_: object) -> Simulated:
        return Simulated(seconds=1e6, on_start=self._started.put)

    def release(self) -> None:
        """Let everything end, what starts later too."""
        self._released.set()
        self._started.put(None)

    def close(self) -> None:
        self._closed.set()
        self._started.put(None)
        self._thread.join(60)

    def _work(self) -> None:
        while not self._closed.is_set():
            started = [self._started.get()]
            while len(started) < CLAIMED_AT_ONCE and not self._started.empty():
                started.append(self._started.get())
            self._runner.claim([claim_of_task(task) for task in started if task])
            while self._released.is_set() and self._runner.running:
                self._runner.end(CLAIMED_AT_ONCE)


def claim_of_task(task: Task) -> wire.Claim:
    return wire.Claim(batch_id=batch_of(task), start=task.index or 0, count=1)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[tuple[Place, FakeSlurm, Nodes]]:
    """A home beside a Slurm that looks at its queue when a run is taken over, and not again for long."""
    machine = [Node("n1", cpus=2 * JOBS, memory_mb=10**9)]
    with opened(tmp_path) as home:
        nodes = Nodes(home)
        with FakeSlurm(tmp_path / "slurm", machine, behave=nodes.behave, max_job_count=2 * JOBS) as fake:
            here = faults.mangled(lambda text: text.replace("NodeHostName=fakehost", "NodeHostName=localhost"))
            fake.fault("scontrol", here, times=None, when=lambda call: "node" in call.argv)
            fake.settings.associations.append(Association(fake.user, max_jobs=JOBS - HELD_BACK))
            place = Place(home, "slurm", fake.environment)
            place.option(poll_seconds=SECONDS, poll_seconds_max=SECONDS)
            home.environment["JOBMON__HEARTBEAT__TASK_INSTANCE_INTERVAL_SECONDS"] = str(SECONDS)
            yield place, fake, nodes
            nodes.close()


@pytest.mark.promise("F46")
@pytest.mark.promise("F61")
@pytest.mark.promise("F63")
def test_thousands_of_jobs_are_adopted_with_few_questions(
    scene: tuple[Place, FakeSlurm, Nodes], record_property: Record
) -> None:
    place, fake, nodes = scene
    place.start(JOBS)
    on_cluster = {"O": HELD_BACK, "R": JOBS - HELD_BACK}
    place.wait(lambda: place.home.task_counts() == on_cluster, "all jobs", SECONDS)
    ids, before = place.launched(), len(fake.calls)
    place.home.kill_client()
    place.home.kill("distributor")

    began = time.perf_counter()
    again = place.resume()
    place.wait(lambda: place.home.value(NOTICE) == TAKEN_OVER, "a distributor that has them all", SECONDS)
    seconds = time.perf_counter() - began
    calls = [" ".join(call.argv) for call in fake.calls[before:] if "node" not in call.argv]

    assert place.home.task_counts() == on_cluster
    place.home.check(witness=False)
    fake.settings.associations.clear()
    fake.change_partition("all")  # so that it looks what may start now
    nodes.release()
    place.wait(lambda: again.is_over, "the end of the resume", SECONDS)
    assert again.end() == 0, again.err + place.log()
    assert place.home.task_counts() == {"D": JOBS}
    assert place.job_ids() == ids
    assert len(fake.called("sbatch")) == len(ids)
    assert len(calls) <= 3, calls
    place.home.check(witness=False)
    told = f"adopted {seconds:.1f} s after the resume began, with {len(calls)} calls of the scheduler"
    record_property("G6", f"{JOBS:,} jobs {told} and one that only a server on the loopback needs")
