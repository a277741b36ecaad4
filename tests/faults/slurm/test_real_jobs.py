"""What becomes of jobs under a run, on a real Slurm whose daemons are well."""

import sys

import pytest

from clusters.slurm import SlurmCluster
from faults.place import Place

pytestmark = pytest.mark.slow

MIB = 2**20
LOST, DONE = ("X", "infrastructure"), ("D", "")
DRIVEN = "SELECT holder <> '' AND id = 2 FROM workflow_run ORDER BY id DESC LIMIT 1"
EATS = (
    "[ -e ${WITNESS%/*}/again ] || { touch ${WITNESS%/*}/again; "
    f"{sys.executable} -c 'eaten = bytes(range(200)) * {MIB}'; }}"
)
FATES = "SELECT i.status FROM task_instance i WHERE i.task_id = ? ORDER BY i.id"


def queued(slurm: SlurmCluster, job_id: str) -> str:
    return slurm.run("squeue", "--noheader", "--jobs", job_id, check=False).stdout


@pytest.mark.promise("F30")
@pytest.mark.promise("F34")
@pytest.mark.promise("F35")
@pytest.mark.promise("F36")
def test_each_fate_of_a_job_is_told_from_the_others(slurm: SlurmCluster, site: Place) -> None:
    """Task 1 is cancelled by hand, 2 loses its worker, 3 is put back by an administrator, 4 meets its limit."""
    site.option(requeue="true")
    script = site.start(5, "--attempts", "2", "--resources", '{"runtime": "10m"}')
    site.runs(5)
    (job_id,) = site.launched()
    slurm.run("scancel", f"{job_id}_0", check=True)
    site.kill_worker(2)
    slurm.scontrol("requeue", f"{job_id}_2")
    slurm.scontrol("update", f"jobid={job_id}_3", "EndTime=now+1")
    site.wait(lambda: all(site.home.column(FATES, task)[1:] == ["R"] for task in (2, 3, 4)), "three more attempts")
    site.release()

    site.ends(script, "E")
    assert [site.home.column(FATES, task) for task in range(1, 6)] == [["F"], *[["X", "D"]] * 2, ["Z", "D"], ["D"]]
    assert site.failures()[1:] == [(0, 1), (0, 1), (1, 0), (0, 0)]
    assert site.home.task_counts() == {"D": 4, "F": 1}


@pytest.mark.promise("F32")
def test_a_command_above_its_memory_gets_more(slurm: SlurmCluster, site: Place) -> None:
    if slurm.memory_enforced_by != "cgroup/v1":
        pytest.skip(f"this machine lets no job have a control group: {slurm.memory_enforced_by}")
    words = ("--attempts", "2", "--resources", '{"memory": "100M"}', "--scales", '{"memory": 1.0}')
    script = site.start(1, "--command", EATS, *words)

    site.ends(script)
    assert site.attempts() == [("Z", "resource"), DONE]


@pytest.mark.promise("F55")
def test_a_job_that_can_never_start_fails_with_slurms_reason(slurm: SlurmCluster, site: Place) -> None:
    script = site.start(2, "--attempts", "3", "--resources", '{"queue": "short", "nodes": "3"}')

    site.ends(script, "E")
    assert site.attempts() == [("F", "fatal")] * 2
    assert "PartitionNodeLimit" in site.errors()
    (job_id,) = site.job_ids()
    site.wait(lambda: "PD" not in queued(slurm, job_id), "a queue without it")


@pytest.mark.promise("F46")
@pytest.mark.promise("F63")
def test_a_resume_adopts_what_runs_and_what_waits(slurm: SlurmCluster, site: Place) -> None:
    site.start(6, "--resources", '{"cores": 16}')  # four of them find a node
    site.runs(4)
    ids = site.launched()
    site.home.kill_client()
    site.home.kill("distributor")
    again = site.resume()
    site.wait(lambda: site.home.value(DRIVEN), "a new driver")
    site.release()
    site.wait(lambda: again.is_over, "the end of the resume")

    assert (again.end(), site.job_ids()) == (0, ids)
    site.ran_once(6)
    site.holds()


@pytest.mark.promise("F31")
def test_what_a_command_leaves_behind_is_ended(site: Place) -> None:
    script = site.start(2, "--command", "(setsid sleep 1000 &) ; (sleep 1000 & exec setsid sleep 1000 &); true")

    site.ends(script)
    site.ran_once(2)
    site.wait(lambda: not any("sleep 1000" in line for line in site.home.processes().values()), "quiet")
