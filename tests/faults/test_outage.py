"""The server is away for a while: in each phase of a run everybody waits, commands go on, all results come in.

A site's server, which only the test starts again. The long form (JOBMON_TEST_LONG=1) leaves it away for minutes.
For how long workers try to report is shortened: they leave their outcomes on the disk as they do after 5 min.
"""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fakes.slurm import FakeSlurm
from faults.crash.paused import go_on, pausing, wait_until_it_pauses
from faults.place import QUICK, SCRIPT, Place
from faults.site import Site, served
from faults.slurm.conftest import fake

__all__ = ["fake"]

SCENE = str(Path(__file__).parent / "crash" / "scene.py")
AWAY_SECONDS = 600.0 if os.environ.get("JOBMON_TEST_LONG") else 4.0
RESULTS_SECONDS = 60.0
TASKS = 6
# Tasks with odd ids end when there is a file `release1`, the others when there is a file `release0`.
HALVES = "file=${WITNESS%/*}/release$((JOBMON_TASK_ID % 2)); while [ ! -e $file ]; do sleep 0.1; done"
IMPATIENT = {
    **QUICK,
    "JOBMON__WORKER__REPORT_RETRY_SECONDS": "1",
    "JOBMON__LOCAL__PARALLELISM": str(TASKS),
}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(AWAY_SECONDS + 300)]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """The home of a user of a site."""
    with served(tmp_path, **IMPATIENT) as site:
        yield site


@pytest.fixture
def place(site: Site, fake: FakeSlurm) -> Place:
    """The same beside a Slurm."""
    place = Place(site, "slurm", fake.environment)
    site.environment |= IMPATIENT
    return place


def stay_away(site: Site, since: float, until: Callable[[], object], what: str) -> None:
    """Until the server was away for as long as it shall be, and that has come about meanwhile."""
    site.wait_for(until, what)
    left_seconds = AWAY_SECONDS - (time.monotonic() - since)
    site.wait_for(lambda: time.monotonic() - since >= AWAY_SECONDS, "the end of the outage", left_seconds + 60)


def holds(site: Site, tasks: int) -> None:
    """Each command ran once and ended well, and that is what the server has."""
    assert site.task_counts() == {"D": tasks}
    assert sorted(site.witness.starts().values()) == [1] * tasks == [1] * len(site.witness.ends())
    site.check()
    site.witness.check()


@pytest.mark.promise("F01")
def test_a_bind_waits_for_the_server_and_goes_on_at_the_next_chunk(site: Site) -> None:
    script = site.start(SCENE, "--tasks", "60", **pausing(site))
    wait_until_it_pauses(site)
    site.kill("server")
    sent, bound = site.query("SELECT next_chunk, bound_at FROM workflow")[0]
    go_on(site)
    site.wait_for(lambda: f"waiting for the server {site.url}" in script.err, "a client that says so")
    site.serve()

    assert bound is None and 0 < sent < 30
    assert (script.end(), script.out.split()[-1:]) == (0, ["D"]), script.out + script.err
    assert site.column("SELECT id FROM workflow") == [1]
    holds(site, 60)
    site.leave()  # an executor may wait for more


@pytest.mark.promise("F02")
@pytest.mark.promise("F03")
@pytest.mark.promise("F04")
def test_jobs_that_start_while_the_server_is_away_wait_with_their_commands(
    site: Site, place: Place, fake: FakeSlurm
) -> None:
    """Also what was handed over just before is known by its name, and not handed over again."""
    fake.change_partition("all", state="DOWN")
    script = place.start(TASKS, "--command", "true")
    fake.wait(lambda: fake.called("sbatch"), 120)
    site.kill("server")
    fake.change_partition("all", state="UP")
    fake.wait(lambda: fake.jobs and set(fake.states(1).values()) == {"RUNNING"}, 120)
    before = site.witness.count()
    site.serve()

    assert before == 0
    place.ends(script)
    holds(site, TASKS)
    assert len(fake.called("sbatch")) == 1
    assert place.failures() == [(0, 0)] * TASKS


@pytest.mark.promise("F05")
@pytest.mark.promise("F06")
@pytest.mark.parametrize("cluster", ["local", "slurm"])
def test_commands_survive_a_server_that_is_away_and_all_their_results_come_in(
    request: pytest.FixtureRequest, site: Site, cluster: str, record_property: Callable[[str, object], None]
) -> None:
    """Half of them end while it is away, and leave their outcomes on the disk; the others end after its return."""
    if cluster == "slurm":
        request.getfixturevalue("place")
    script = site.start(SCRIPT, "--cluster", cluster, "--tasks", str(TASKS), "--command", HALVES)
    site.wait_for(lambda: site.witness.count() == TASKS, "running commands")
    site.wait_for(lambda: site.task_counts() == {"R": TASKS}, "a server that knows of them")
    site.kill("server")
    began = time.monotonic()
    (site.folder / "release1").touch()
    spools = site.data_dir / "clusters"
    if cluster == "slurm":
        stay_away(site, began, lambda: len(list(spools.rglob("outcome-*.json"))) == TASKS // 2, "the spools")
    else:
        stay_away(site, began, lambda: len(site.witness.ends()) == TASKS // 2, "the end of commands")
    running = {line.pid for line in site.witness.lines() if line.task not in site.witness.ends()}

    assert running <= site.processes().keys() and len(running) == TASKS // 2
    assert site.task_counts() == {"R": TASKS}
    site.serve()
    away, back = time.monotonic() - began, time.monotonic()
    site.wait_for(lambda: site.task_counts().get("D") == TASKS // 2, "the results", RESULTS_SECONDS)
    took = time.monotonic() - back
    (site.folder / "release0").touch()
    assert (script.end(), script.out.split()[-1:]) == (0, ["D"]), script.out + script.err
    holds(site, TASKS)
    assert site.query("SELECT DISTINCT failures, system_failures FROM task") == [(0, 0)]
    site.leave()  # an executor may wait for more
    told = f"the results of the {TASKS // 2} that ended meanwhile in {took:.1f} s after its return"
    record_property("G3", f"{cluster}: a server away for {away:.0f} s: 0 of {TASKS} commands killed, {told}")
