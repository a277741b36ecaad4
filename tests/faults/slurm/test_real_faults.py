"""Daemons of a real Slurm are stopped, killed, frozen under a run."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from clusters.slurm import SlurmCluster
from faults.place import Place
from faults.slurm.conftest import beside_real
from jobmon_conformance.home import wait_for

pytestmark = pytest.mark.slow

SILENT = "has not answered since"
UNKNOWN = "may have taken batch"
FAILS_ONCE = "while [ ! -e ${WITNESS%/*}/release ]; do sleep 0.1; done; [ -e ${WITNESS%/*}/mended ]"


def submissions(place: Place) -> list[int]:
    """The pids of `sbatch` for the newest batch."""
    word = f"--job-name={place.home.value('SELECT name FROM batch ORDER BY id DESC LIMIT 1')}".encode()
    lines = ((int(path.parent.name), command_line(path)) for path in Path("/proc").glob("[0-9]*/cmdline"))
    return [pid for pid, words in lines if word in words]


def command_line(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().split(b"\0")
    except OSError:
        return []


@contextmanager
def frozen(slurm: SlurmCluster, name: str) -> Iterator[None]:
    slurm.freeze(name)
    try:
        yield
    finally:
        slurm.thaw(name)


def jobs_named(slurm: SlurmCluster, place: Place) -> list[str]:
    """The ids of all jobs of all batches."""
    names = ",".join(place.home.column("SELECT name FROM batch"))
    done = slurm.run("squeue", "--noheader", "--states=all", f"--name={names}", "--format=%F", check=True)
    return sorted(set(done.stdout.split()), key=int)


def save(slurm: SlurmCluster, job_id: str) -> None:
    """Wait until the controller has written down that this job runs."""
    file = slurm.folder / "state" / "job_state"
    before = file.stat().st_mtime_ns if file.exists() else 0
    slurm.scontrol("update", f"jobid={job_id}", "comment=saved")
    wait_for(lambda: file.exists() and file.stat().st_mtime_ns > before, "a saved state")


@pytest.mark.promise("F46")
@pytest.mark.promise("F47")
@pytest.mark.parametrize("killed", [True, False])
def test_a_submission_to_a_frozen_controller_is_found_and_not_repeated(
    breakable: SlurmCluster, beside: Place, killed: bool
) -> None:
    """The controller takes it when it goes on; the distributor was killed meanwhile, or was told of a time-out."""
    beside.option(poll_seconds=60, poll_seconds_max=60)  # nothing else is asked meanwhile
    script = beside.start(1, "--attempts", "2", "--command", FAILS_ONCE)
    beside.runs(1)
    beside.launched()
    with frozen(breakable, "slurmctld"):
        beside.release()
        beside.wait(lambda: submissions(beside) or UNKNOWN in beside.log(), "an sbatch")
        (beside.home.folder / "mended").touch()
        if killed:
            beside.home.kill("distributor")
        else:
            beside.wait(lambda: UNKNOWN in beside.log(), "the end of sbatch")

    beside.ends(script)
    assert sorted(beside.home.witness.starts().values()) == [2]
    ids = [id for id in beside.job_ids() if id]
    assert set(ids) <= set(jobs_named(breakable, beside)) and len(jobs_named(breakable, beside)) == 2


@pytest.mark.promise("F48")
@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_controller_that_is_away_changes_no_task(breakable: SlurmCluster, beside: Place, how: str) -> None:
    beside.be_patient()
    script = beside.start(4)
    beside.runs()
    (job_id,) = beside.launched()
    save(breakable, job_id)
    before = beside.audited()
    getattr(breakable, how)("slurmctld")
    try:
        beside.says(SILENT)
        assert beside.audited() == before
    finally:
        breakable.start("slurmctld")
    if how == "stop":
        beside.wait(lambda: SILENT not in beside.notice(), "a controller that is back")
    beside.release()

    beside.ends(script)
    if how == "stop":
        beside.ran_once()
        assert jobs_named(breakable, beside) == [job_id]


@pytest.mark.promise("F49")
def test_a_controller_that_dies_after_it_took_a_job_loses_no_task(
    own_slurm: Callable[..., SlurmCluster], tmp_path: Path
) -> None:
    """It forgets what it had not saved, and gives the id to the next job: no node may know the id yet."""
    slurm = own_slurm()
    slurm.scontrol("update", "partitionname=all", "state=down")
    with beside_real(slurm, tmp_path) as place:
        script = place.start(4)
        place.launched()
        slurm.kill("slurmctld")
        slurm.start("slurmctld")
        slurm.scontrol("update", "partitionname=all", "state=up")
        place.release()

        place.ends(script)
        place.ran_once(4)
        assert {failures for failures, _ in place.failures()} == {0}


@pytest.mark.promise("F51")
def test_without_accounting_a_run_goes_on(breakable: SlurmCluster, beside: Place) -> None:
    script = beside.start(2)
    beside.runs(2)
    beside.launched()
    breakable.stop("slurmdbd")
    try:
        beside.kill_worker(1)
        beside.runs(3)
        beside.release()
        beside.ends(script)
    finally:
        breakable.start("slurmdbd")

    assert sorted(beside.failures()) == [(0, 0), (0, 1)]
    assert sorted(beside.attempts()) == [("D", "")] * 2 + [("X", "infrastructure")]


@pytest.mark.promise("F50")
def test_a_kill_that_a_frozen_controller_does_not_take_is_repeated(breakable: SlurmCluster, beside: Place) -> None:
    beside.option(impossible_seconds=600)
    script = beside.start(2, "--resources", '{"queue": "short", "nodes": "3"}')  # it pends
    beside.launched()
    with frozen(breakable, "slurmctld"):
        beside.stop(script)
        beside.says(SILENT)
    beside.wait(lambda: beside.home.run_status() == "S", "the end of the run")

    assert set(beside.attempts()) == {("F", "killed")}
    assert breakable.run("squeue", "--noheader", "--states=PD,R", check=True).stdout == ""
    beside.holds()


@pytest.mark.promise("F28")
@pytest.mark.promise("F29")
@pytest.mark.timeout(900)
def test_a_dead_node_costs_no_attempt_and_one_held_for_dead_runs_nothing_twice(
    breakable: SlurmCluster, beside: Place
) -> None:
    """The slurmd of one node is frozen while its worker lives; another node dies with all that is on it."""
    beside.be_patient(10)  # a worker that stands still for longer than its lease is rightly held for dead
    script = beside.start(4, "--resources", '{"cores": 16}')
    beside.runs(4)
    beside.launched()
    node_of = dict(beside.home.query("SELECT node, task_id FROM task_instance"))
    silent, dead = breakable.nodes[:2]
    with frozen(breakable, f"slurmd {silent}"):
        breakable.kill(f"slurmd {dead}")
        breakable.kill_slurmstepd(dead)
        beside.kill_worker(node_of[dead])
        beside.wait(lambda: sum(system for _, system in beside.failures()) >= 1, "a lost attempt", 240)
        beside.release()
        beside.ends(script)
    breakable.start(f"slurmd {dead}")

    assert beside.home.task_counts() == {"D": 4}
    assert beside.failures()[node_of[dead] - 1] == (0, 1)
    assert beside.failures()[node_of[silent] - 1] == (0, 0)
    assert beside.home.witness.starts()[node_of[silent]] == 1
