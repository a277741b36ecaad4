"""scontrol, sinfo, sdiag, --version."""

import pytest

from fakes.slurm import FakeSlurm, Node, Partition


def fields(line):
    return dict(word.split("=", 1) for word in line.split() if "=" in word)


@pytest.mark.parametrize(
    "command", ["sbatch", "scontrol", "squeue", "sacct", "sinfo", "scancel", "sacctmgr", "sdiag"]
)
def test_every_command_tells_its_version(slurm, run, command):
    slurm.settings.version = "24.11.5"

    assert run(command, "--version") == "slurm-wlm 24.11.5\n"
    assert slurm.rpcs == {}


def test_the_configuration_is_lines_of_key_and_value(slurm, run):
    slurm.settings.max_array_size = 5001
    lines = run("scontrol", "show", "config").splitlines()
    config = dict(line.split("=", 1) for line in lines if "=" in line)
    config = {key.strip(): value.strip() for key, value in config.items()}

    assert lines[0].startswith("Configuration data as of ")
    assert config["MaxArraySize"] == "5001"
    assert config["MessageTimeout"] == "10 sec"
    assert config["MinJobAge"] == "300 sec"
    assert config["JobRequeue"] == "1"
    assert config["SLURM_VERSION"] == "22.05.8"


def test_a_job_is_one_line_a_record(submit, run, fail):
    submit("--array=0-5", "--job-name=fit", "--no-requeue")
    lines = run("scontrol", "show", "job", "-o", "1").splitlines()
    rest, first = fields(lines[0]), fields(lines[1])

    assert len(lines) == 5
    assert (rest["JobId"], rest["ArrayTaskId"], rest["JobState"], rest["Reason"]) == (
        "1",
        "4-5",
        "PENDING",
        "Resources",
    )
    assert (first["JobId"], first["ArrayJobId"], first["ArrayTaskId"]) == ("2", "1", "0")
    assert (first["JobName"], first["JobState"], first["Requeue"], first["ExitCode"]) == (
        "fit",
        "RUNNING",
        "0",
        "0:0",
    )
    assert len(run("scontrol", "show", "job", "-o", "1_3").splitlines()) == 1
    assert fail("scontrol", "show", "job", "-o", "77") == "slurm_load_jobs error: Invalid job id specified\n"


def test_nodes_tell_what_they_have_and_how_they_are(slurm, submit, run):
    submit("--cpus-per-task=2", "--mem=1000")
    slurm.fail_node("n2")
    first, second = (fields(line) for line in run("scontrol", "show", "node", "-o").splitlines())

    assert (first["NodeName"], first["State"], first["CPUAlloc"], first["CPUTot"]) == ("n1", "ALLOCATED", "2", "2")
    assert (first["RealMemory"], first["AllocMem"]) == ("64000", "1000")
    assert (second["State"], second["Reason"]) == ("DOWN", "Not")


def test_partitions_tell_their_limits(tmp_path):
    queues = [Partition("long", is_default=True), Partition("short", ("n1",), max_minutes=1500, state="DOWN")]
    with FakeSlurm(tmp_path, 3, queues, real_time=False) as slurm:
        shown = slurm.call(["scontrol", "show", "partition", "-o"])[1]
        info = slurm.call(["sinfo", "-h", "--exact", "--format=%P|%R|%l|%m|%c|%a|%N|%D|%F"])[1]
    long, short = (fields(line) for line in shown.splitlines())

    assert (long["PartitionName"], long["MaxTime"], long["Nodes"]) == ("long", "UNLIMITED", "n[1-3]")
    assert (short["MaxTime"], short["State"], short["TotalCPUs"]) == ("1-01:00:00", "DOWN", "16")
    assert info.splitlines() == [
        "long*|long|infinite|64000|16|up|n[1-3]|3|0/3/0/3",
        "short|short|1-01:00:00|64000|16|down|n1|1|0/1/0/1",
    ]


def test_unequal_nodes_have_lines_of_their_own_only_when_exact(tmp_path):
    nodes = [Node("a1", 4, 1000), Node("a2", 4, 1000), Node("b1", 8, 2000)]
    with FakeSlurm(tmp_path, nodes, real_time=False) as slurm:
        exact = slurm.call(["sinfo", "-h", "--exact", "--format=%R %m %c %N %D"])[1]
        merged = slurm.call(["sinfo", "-h", "--format=%R %m %c %N"])[1]

    assert exact == "all 1000 4 a[1-2] 2\nall 2000 8 b1 1\n"
    assert merged == "all 1000+ 4+ a[1-2],b1\n"


def test_sdiag_counts_what_the_commands_ask(slurm, submit, run):
    submit("--array=0-3")
    run("squeue", "-h")
    run("squeue", "-h", "--jobs=1")
    run("scancel", "1_0", "1_1")
    run("sacct", "--jobs=1")

    assert slurm.rpcs == {
        "REQUEST_SUBMIT_BATCH_JOB": 1,
        "REQUEST_JOB_INFO": 2,
        "REQUEST_JOB_INFO_SINGLE": 1,
        "REQUEST_KILL_JOB": 2,
    }
    assert "REQUEST_KILL_JOB                        ( 5032) count:2 " in run("sdiag")


def test_an_administrator_may_hold_release_requeue_and_take_nodes_away(slurm, submit, run, fail):
    submit("--hold")
    run("scontrol", "release", "1")
    run("scontrol", "requeue", "1")
    restarts = run("scontrol", "show", "job", "-o", "1")
    run("scontrol", "update", "nodename=n1", "state=drain", "reason=disk")
    submit("--no-requeue")

    assert "Restarts=1 " in restarts
    assert slurm.nodes["n1"].state == "MIXED+DRAIN"
    assert fail("scontrol", "requeue", "2") == "Requested operation is presently disabled for job 2\n"
    run("scontrol", "update", "nodename=n1", "state=resume")
    assert slurm.nodes["n1"].condition == ""


def test_the_end_of_a_task_can_be_moved(slurm, submit, run):
    submit("--time=60")
    run("scontrol", "update", "jobid=1", "EndTime=now+3")
    slurm.advance(3)

    assert slurm.state("1") == "TIMEOUT"
