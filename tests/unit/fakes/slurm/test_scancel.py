import os

import pytest

from fakes.slurm import FakeSlurm, Simulated

BY = f"CANCELLED by {os.getuid()}"


def accounting(run, *options):
    return run("sacct", "-n", "-P", "-X", "--jobs=1", "--format=JobID,State,Start,ExitCode", *options).splitlines()


def test_single_tasks_are_ended_running_or_not(slurm, submit, run):
    submit("--array=0-9")
    run("scancel", "--quiet", "1_[0,5-6]", "1_9")
    states = slurm.states(1)

    assert {index for index, state in states.items() if state == "CANCELLED"} == {0, 5, 6, 9}
    assert accounting(run)[:1] == ["1_[7-8]|PENDING|Unknown|0:0"]
    assert f"1_5|{BY}|None|0:0" in accounting(run)
    assert f"1_0|{BY}|1800000000|0:0" in accounting(run)


def test_the_pending_rest_of_an_array_goes_as_one_record(slurm, submit, run):
    submit("--array=0-9")
    run("scancel", "1")

    assert set(slurm.states(1).values()) == {"CANCELLED"}
    assert f"1_[4-9]|{BY}|None|0:0" in accounting(run)
    assert "1_[4-9]|CANCELLED" in run("squeue", "-h", "-t", "all", "--format=%i|%T").splitlines()
    assert run("squeue", "-h") == ""
    slurm.advance(1000)
    assert set(slurm.states(1).values()) == {"CANCELLED"}


@pytest.mark.parametrize("reference", ["77", "77_3", "1_99", "1"])
def test_what_is_unknown_or_over_is_no_error(slurm, submit, run, reference):
    submit()
    slurm.advance(60)

    assert run("scancel", reference) == ""
    assert slurm.state("1") == "COMPLETED"


def test_a_name_cancels_all_jobs_of_it(slurm, submit, run):
    submit("--job-name=a")
    submit("--job-name=b")
    run("scancel", "--name=a")

    assert (slurm.state("1"), slurm.state("2")) == ("CANCELLED", "RUNNING")


def test_a_task_that_ignores_term_is_completing_until_kill_wait_is_over(tmp_path, script):
    plan = Simulated(600, term_seconds=1000)
    squeue = ["squeue", "-h", "-t", "all", "--format=%T %t"]
    with FakeSlurm(tmp_path / "it", real_time=False, behave=lambda *_: plan, kill_wait=30) as slurm:
        slurm.call(["sbatch", script])
        slurm.call(["scancel", "1"])
        slurm.advance(29)
        before = slurm.call(squeue)[1]
        slurm.advance(1)

        assert before == "COMPLETING CG\n"
        assert slurm.call(squeue)[1] == "CANCELLED CA\n"


def test_nothing_to_cancel_is_an_error(fail):
    assert fail("scancel") == "scancel: error: No job identification provided\n"
    assert fail("scancel", "x") == "scancel: error: Invalid job id x\n"
