"""The fake against what was seen of a real Slurm 22.05.8 (job ids, states, codes; times left out)."""

import os

import pytest

from fakes.slurm import FakeSlurm, Simulated

ENDS = [  # plan of the task, the job's state and code, the step's
    (Simulated(5, "FAILED", "77:0"), "FAILED|77:0", "FAILED|77:0"),
    (Simulated(5, "FAILED", "0:9"), "FAILED|0:9", "CANCELLED|0:9"),
    (Simulated(5, "FAILED", "0:11"), "FAILED|0:11", "CANCELLED|0:11"),
    (Simulated(5, "OUT_OF_MEMORY", "0:125"), "OUT_OF_MEMORY|0:125", "OUT_OF_MEMORY|0:125"),
    (Simulated(600), "TIMEOUT|0:0", "CANCELLED|0:15"),
    (Simulated(5), "COMPLETED|0:0", "COMPLETED|0:0"),
]


@pytest.mark.parametrize(("plan", "job", "step"), ENDS)
def test_states_and_codes(tmp_path, script, plan, job, step):
    with FakeSlurm(tmp_path / "it", real_time=False, behave=lambda *_: plan) as slurm:
        slurm.call(["sbatch", "--time=0:05", script])  # rounded up to a minute
        slurm.advance(60)

        assert slurm.call(["sacct", "-n", "-P", "-j", "1", "-o", "State,ExitCode"])[1] == f"{job}\n{step}\n"


def test_a_step_alone_out_of_memory_shows_in_the_derived_code(tmp_path, script):
    plan = Simulated(5, derived_exit_code="0:125")
    with FakeSlurm(tmp_path / "it", real_time=False, behave=lambda *_: plan) as slurm:
        slurm.call(["sbatch", script])
        slurm.advance(5)

        answer = slurm.call(["sacct", "-n", "-P", "-X", "-j", "1", "-o", "State,ExitCode,DerivedExitCode"])[1]
        assert answer == "COMPLETED|0:0|0:125\n"


def test_an_array_of_a_hundred_thousand_is_one_record(tmp_path, script):
    with FakeSlurm(
        tmp_path / "it", real_time=False, first_id=14, max_array_size=100_001, max_job_count=200_000
    ) as slurm:
        slurm.change_partition("all", state="DOWN")
        slurm.call(["sbatch", "--array=0-100000%1", script])

        assert slurm.call(["squeue", "-h", "--format=%i"])[1] == "14_[0-100000%1]\n"
        assert slurm.call(["squeue", "-h", "-r", "--format=%i"])[1].count("\n") == 100_001


def test_raw_ids_of_tasks(tmp_path, script):
    with FakeSlurm(tmp_path / "it", real_time=False, first_id=2) as slurm:
        slurm.call(["sbatch", "--array=0-9", script])
        slurm.advance(200)
        shown = slurm.call(["sacct", "-n", "-P", "-X", "-j", "2", "-o", "JobID,JobIDRaw"])[1]
        raw = dict(line.split("|") for line in shown.splitlines())

        assert raw["2_5"] == "8"
        assert raw["2_9"] == "2"


def test_a_cancelled_job(slurm, submit, run):
    submit()
    submit("--hold")
    run("scancel", "1", "2")
    lines = run("sacct", "-n", "-P", "-j", "1,2", "-o", "JobID,State,ExitCode,ElapsedRaw").splitlines()
    by = f"CANCELLED by {os.getuid()}"

    assert lines == [f"1|{by}|0:0|0", "1.batch|CANCELLED|0:15|0", f"2|{by}|0:0|0"]


def test_what_is_not_there(slurm):
    answers = [
        slurm.call(argv) for argv in (["squeue", "-j", "99"], ["sacct", "-n", "-j", "99"], ["scancel", "99"])
    ]

    assert answers == [(1, "", "slurm_load_jobs error: Invalid job id specified\n"), (0, "", ""), (0, "", "")]
