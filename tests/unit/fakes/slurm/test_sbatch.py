import subprocess

import pytest

from fakes.slurm import Association

FAILED = "sbatch: error: Batch job submission failed: "


def test_the_id_is_alone_on_its_line_when_parsable(slurm, run, script):
    first, second = run("sbatch", "--parsable", script), run("sbatch", script)
    slurm.settings.tells_cluster = True
    third = run("sbatch", "--parsable", script)

    assert (first, second, third) == ("1\n", "Submitted batch job 2\n", "3;fake\n")


def test_options_are_kept_with_script_and_arguments(slurm, run, script):
    run(
        "sbatch",
        "-J",
        "fit",
        "--mem=2G",
        "--cpus-per-task=2",
        "--time=1:30:00",
        "--nice",
        "--account=",
        script,
        "a b",
        "--x",
    )
    asked = slurm.jobs[0].submission

    assert (asked.name, asked.memory_mb, asked.cpus, asked.minutes) == ("fit", 2048, 2, 90)
    assert (asked.command, asked.arguments) == (script, ("a b", "--x"))
    assert (asked.account, asked.folder) == ("default", "/")
    assert asked.script == "#!/bin/sh\nexit 0\n"


def test_a_script_may_come_by_stdin_with_options_in_it(slurm):
    rc, stdout, _ = slurm.call(["sbatch"], stdin="#!/bin/sh\n#SBATCH --job-name=inside -c 2\ntrue\n#SBATCH -c 9\n")

    assert (rc, stdout) == (0, "Submitted batch job 1\n")
    assert (slurm.jobs[0].name, slurm.jobs[0].submission.cpus) == ("inside", 2)


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--array=0-1001", FAILED + "Invalid job array specification"),
        ("--array=x", FAILED + "Invalid job array specification"),
        (
            "--partition=nowhere",
            "sbatch: error: invalid partition specified: nowhere\n" + FAILED + "Invalid partition name specified",
        ),
        (
            "--mem=1T",
            "sbatch: error: Memory specification can not be satisfied\n"
            + FAILED
            + "Requested node configuration is not available",
        ),
        ("--cpus-per-task=99", FAILED + "Requested node configuration is not available"),
        ("--qos=gold", FAILED + "Invalid qos specification"),
        ("--constraint=gpu", FAILED + "Invalid feature specification"),
        ("--reservation=x", FAILED + "Requested reservation is invalid"),
        ("--time=soon", "sbatch: error: Invalid --time specification"),
        ("--mem=much", "sbatch: error: Invalid --mem specification"),
        ("--frobnicate", "sbatch: unrecognized option '--frobnicate'\nTry \"sbatch --help\" for more information"),
    ],
)
def test_what_cannot_be_is_refused_in_slurms_words(slurm, fail, script, option, words):
    assert fail("sbatch", "--parsable", option, script) == words + "\n"
    assert slurm.jobs == []


def test_a_script_that_is_none_is_refused(fail, tmp_path):
    (tmp_path / "binary").write_text("ELF")

    assert fail("sbatch", "/no/where") == "sbatch: error: Unable to open file /no/where\n"
    assert "This does not look like a batch script" in fail("sbatch", str(tmp_path / "binary"))


def test_the_highest_index_is_one_below_max_array_size(slurm, submit):
    submit("--array=0-1000")

    assert slurm.jobs[0].size == 1001


def test_the_submit_limit_of_an_association_counts_live_tasks(slurm, submit, fail, script):
    slurm.settings.associations = [Association(slurm.user, "lab", max_submit=10)]
    submit("--array=0-7")
    words = fail("sbatch", "--array=0-2", script)
    slurm.advance(60)

    assert words == (
        "sbatch: error: AssocMaxSubmitJobLimit\n" + FAILED + "Job violates accounting/QOS policy "
        "(job submit limit, user's size and/or time limits)\n"
    )
    assert submit("--array=0-2") > 0
    assert slurm.jobs[-1].submission.account == "lab"
    assert "Invalid account or account/partition" in fail("sbatch", "--account=other", script)


def test_a_full_controller_lets_sbatch_try_for_ever(slurm, submit, script):
    slurm.settings.max_job_count = 10
    submit("--array=0-8")
    with pytest.raises(subprocess.TimeoutExpired) as caught:
        slurm.call(["sbatch", "--array=0-1", script], timeout=30)

    assert caught.value.stderr == "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying\n"
    assert slurm.calls[-1].rc is None
    assert len(slurm.jobs) == 1


def test_a_time_limit_above_the_partitions_is_taken_and_pends(slurm, submit, run):
    slurm.change_partition("all", max_minutes=60)
    job_id = submit("--time=61")

    assert (
        run("squeue", "-h", f"--jobs={job_id}", "--format=%T %r %R")
        == "PENDING PartitionTimeLimit (PartitionTimeLimit)\n"
    )
