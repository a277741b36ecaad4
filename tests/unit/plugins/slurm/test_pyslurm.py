import getpass
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jobmon.core.scheduler.shapes import NoAnswer, Queued, Refused, Submission, Unreachable
from jobmon_slurm.api import choose
from jobmon_slurm.back_end import Partition
from jobmon_slurm.commands import Commands
from jobmon_slurm.options import Options
from jobmon_slurm.pyslurm_client import Pyslurm

MODULE = str(Path(__file__).parents[3] / "fakes" / "pyslurm_module")
USER = getpass.getuser()
PATIENCE_SECONDS = 90.0  # only a failure waits so long


class Cluster:
    """The cluster behind the fake pyslurm, and commands that write down how they are called."""

    def __init__(self, folder: Path) -> None:
        self.conf = folder / "slurm.conf"
        self.conf.write_text("ClusterName=test\n")
        self.bin_dir = folder / "bin"
        self.bin_dir.mkdir()
        self._state, self._calls = folder / "pyslurm.json", folder / "calls"
        self.command("sbatch", '[ "$1" = --version ] && echo slurm-wlm 25.11.7 || echo 4711')
        self.command("scancel", "true")

    def command(self, name: str, body: str) -> None:
        path = self.bin_dir / name
        path.write_text(f'#!/bin/sh\necho {name} "$@" >> {self._calls}\n{body}\n')
        path.chmod(0o755)

    def holds(self, **state: object) -> None:
        self._state.write_text(json.dumps(state))

    def fails(self, call: str, **fault: object) -> None:
        self.holds(faults={call: fault})

    @property
    def submitted(self) -> list[dict]:
        return json.loads(self._state.read_text())["submitted"]

    @property
    def calls(self) -> list[str]:
        return self._calls.read_text().splitlines() if self._calls.exists() else []


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    path = os.pathsep.join(filter(None, (MODULE, os.environ.get("PYTHONPATH"))))
    monkeypatch.setenv("PYTHONPATH", path)
    cluster = Cluster(tmp_path)
    cluster.holds()
    return cluster


def made(cluster: Cluster) -> Pyslurm:
    conf = str(cluster.conf)
    return Pyslurm(Commands(conf, str(cluster.bin_dir), PATIENCE_SECONDS), conf, PATIENCE_SECONDS)


@pytest.fixture
def back_end(cluster):
    back_end = made(cluster)
    yield back_end
    back_end.close()


@pytest.fixture
def submission(tmp_path):
    script = tmp_path / "array.sh"
    script.write_text("#!/bin/sh\nexit 0\n")
    return Submission("jm-1", 3, str(script), ["--node", "a b"], "/logs/%A_%a", {"time": "90", "mem": "512M"})


def absent(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.environ["PYTHONPATH"].replace(MODULE, "/nowhere"))


def another(folder, monkeypatch, code: str):
    module = folder / "another" / "pyslurm"
    module.mkdir(parents=True)
    (module / "__init__.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", os.environ["PYTHONPATH"].replace(MODULE, str(module.parent)))


def options(cluster: Cluster, backend: str = "auto") -> Options:
    there = {"conf": str(cluster.conf), "bin_dir": str(cluster.bin_dir)}
    return Options(**there, backend=backend, answer_seconds=PATIENCE_SECONDS)


def test_a_pyslurm_of_the_right_release_is_chosen(cluster, monkeypatch):
    monkeypatch.syspath_prepend(MODULE)
    back_end, why = choose(options(cluster))
    back_end.close()

    assert isinstance(back_end, Pyslurm)
    assert why == "pyslurm 25.11.2, beside Slurm 25.11.7"
    assert "pyslurm" not in sys.modules


def test_a_pyslurm_of_another_release_is_left_alone_and_the_reason_is_told(cluster, monkeypatch):
    monkeypatch.syspath_prepend(MODULE)
    cluster.holds(version="24.11.0")
    back_end, why = choose(options(cluster))

    assert isinstance(back_end, Commands)
    assert "pyslurm 24.11.0 is not made for Slurm 25.11.7" in why


def test_a_pyslurm_that_cannot_start_is_left_alone_and_the_reason_is_told(cluster, monkeypatch):
    monkeypatch.syspath_prepend(MODULE)
    cluster.fails("init", exit="fatal: Unable to process configuration file")
    back_end, why = choose(options(cluster))

    assert isinstance(back_end, Commands)
    assert "pyslurm ended while it started: Unable to process configuration file" in why


def test_who_asks_for_a_pyslurm_that_is_not_there_is_told_so(cluster, monkeypatch):
    absent(monkeypatch)
    with pytest.raises(Unreachable, match="asks for pyslurm.*pyslurm is not installed for"):
        choose(options(cluster, "pyslurm"))


def test_nothing_is_started_before_the_first_question(cluster, back_end, monkeypatch):
    absent(monkeypatch)
    back_end.close()

    with pytest.raises(Unreachable, match="pyslurm is not installed for"):
        back_end.version()


def test_a_pyslurm_that_ends_the_process_without_a_configuration_is_unreachable(cluster, back_end):
    cluster.conf.unlink()

    with pytest.raises(Unreachable, match="pyslurm ended while it started: Could not establish"):
        back_end.queue(USER)


def test_a_pyslurm_that_does_not_start_in_time_is_unreachable(cluster, back_end):
    cluster.fails("init", freeze=True)
    back_end.answer_seconds = 0.3

    with pytest.raises(Unreachable, match="did not answer within 0.3 s while it started"):
        back_end.version()


def test_a_pyslurm_with_an_older_interface_is_unreachable(back_end, tmp_path, monkeypatch):
    another(tmp_path, monkeypatch, "class RPCError(Exception): ...")

    with pytest.raises(Unreachable, match="this pyslurm has no JobSubmitDescription, Jobs, Nodes, Partitions"):
        back_end.version()


def test_what_is_printed_in_the_process_is_no_answer(back_end, tmp_path, monkeypatch):
    code = "print('hello')\nJobSubmitDescription = Jobs = Nodes = Partitions = RPCError = Exception\n"
    another(tmp_path, monkeypatch, code + "__version__ = '25.11.3'")

    assert back_end.version() == "25.11.3"


def test_a_frozen_call_is_killed_and_the_next_question_is_answered(cluster, back_end):
    back_end.version()
    cluster.fails("load_jobs", freeze=True)
    back_end.answer_seconds = 0.2
    begin = time.monotonic()
    with pytest.raises(NoAnswer, match="pyslurm did not answer within"):
        back_end.queue(USER)
    took = time.monotonic() - begin
    cluster.holds(jobs=[{"job_id": 7, "name": "x", "job_state": "RUNNING"}])
    back_end.answer_seconds = PATIENCE_SECONDS

    assert took < PATIENCE_SECONDS
    assert [job.array_id for job in back_end.queue(USER)] == ["7"]


def test_a_call_that_ends_the_process_may_have_been_carried_out(cluster, back_end, submission):
    cluster.fails("submit_batch_job", exit="slurm_submit_batch_job: Aborted")
    with pytest.raises(NoAnswer, match="pyslurm ended: Aborted"):
        back_end.submit(submission)

    assert [job.name for job in back_end.queue(USER)] == ["jm-1"]


def test_a_process_that_ended_between_two_questions_is_replaced(cluster, back_end):
    back_end.version()
    process = back_end._process._child.process
    process.kill()
    process.wait()

    assert back_end.queue(USER) == []


@pytest.mark.parametrize(
    ("errno", "words", "raised"),
    [
        (1800, "", Unreachable),
        (1800, "nonsense", Unreachable),
        (5004, "Socket timed out on send/recv operation", NoAnswer),
        (5005, "", NoAnswer),
        (-1, "Zero Bytes were transmitted or received", NoAnswer),
        (-1, "Connection refused", Unreachable),
        (2014, "", Refused),
        (2038, "Job dependency problem", Refused),
        (9999, "", Refused),
    ],
)
def test_an_error_of_slurm_is_one_of_the_three_errors(cluster, back_end, errno, words, raised):
    cluster.fails("load_jobs", errno=errno, words=words)
    with pytest.raises(raised) as caught:
        back_end.queue(USER)

    assert type(caught.value) is raised
    assert (words or {2014: "Requested node configuration is not available"}.get(errno, "pyslurm")) in str(
        caught.value
    )


def test_an_error_of_slurm_leaves_the_process_alone(cluster, back_end):
    cluster.fails("load_jobs", errno=2017)
    back_end.version()
    pid = back_end._process.pid
    with pytest.raises(Refused):
        back_end.queue(USER)
    cluster.holds()

    assert back_end.queue(USER) == []
    assert back_end._process.pid == pid


def test_a_refused_submission_reads_like_that_of_sbatch(cluster, back_end, submission):
    cluster.holds(partitions=[{"name": "long"}])
    wrong = Submission(**{**vars(submission), "options": {"partition": "gone"}})

    with pytest.raises(Refused, match="Batch job submission failed: Invalid partition name specified"):
        back_end.submit(wrong)


def test_what_pyslurm_itself_refuses_is_told_in_its_words(back_end, submission):
    missing = Submission(**{**vars(submission), "script": "/nowhere/array.sh"})

    with pytest.raises(Refused, match="pyslurm: Passing arguments to a script .*ValueError"):
        back_end.submit(missing)


def test_an_array_is_submitted_with_all_that_was_asked_for(cluster, back_end, submission):
    asked = {
        "time": "90",
        "mem": "512M",
        "cpus-per-task": "2",
        "partition": "long",
        "account": "proj",
        "nice": "5",
    }
    cluster.holds(partitions=[{"name": "long"}])
    job_id = back_end.submit(Submission(**{**vars(submission), "options": asked, "singleton": True}))
    [given] = cluster.submitted
    expected = {
        "name": "jm-1",
        "array": "0-2",
        "script": "#!/bin/sh\nexit 0\n",
        "script_args": ["--node", "a b"],
        "working_directory": "/",
        "standard_output": "/logs/%A_%a",
        "standard_error": "/logs/%A_%a",
        "is_requeueable": False,
        "dependencies": "singleton",
        "time_limit": 90,
        "memory_per_node": "512M",
        "cpus_per_task": 2,
        "partitions": "long",
        "account": "proj",
        "nice": 5,
    }

    assert {name: value for name, value in given.items() if name not in ("environment", "signal")} == expected
    assert back_end.queue(USER) == [
        Queued(job_id, [0, 1, 2], "jm-1", "PENDING", since=time.strftime("%FT%T", time.localtime(1_700_000_000)))
    ]
    assert cluster.calls == []


def test_the_tasks_get_no_variables_of_the_login_session(cluster, submission, monkeypatch):
    leftovers = ("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "SLURM_JOB_ID", "SLURM_CPU_BIND", "SECRET")
    for name in leftovers:
        monkeypatch.setenv(name, "left over")
    back_end = made(cluster)
    back_end.submit(submission)
    back_end.close()
    environment = cluster.submitted[0]["environment"]
    mask = os.umask(0)
    os.umask(mask)

    assert "left over" not in environment.values()
    assert {"PATH", "HOME", "LC_ALL"} - environment.keys() <= {"PATH", "HOME"} - os.environ.keys()
    assert {name for name in environment if name.startswith(("SLURM_", "PY"))} == {
        "SLURM_CONF",
        "SLURM_BITSTR_LEN",
        "SLURM_UMASK",
    }
    assert environment["SLURM_CONF"] == str(cluster.conf)
    assert int(environment["SLURM_UMASK"], 8) == mask


@pytest.mark.parametrize(
    ("name", "value"), [("signal", "B:USR1@30"), ("gres", "gpu:1"), ("ntasks", "4"), ("time", "1-0"), ("nice", "")]
)
def test_what_pyslurm_has_no_words_for_is_submitted_by_sbatch(cluster, back_end, submission, name, value):
    job_id = back_end.submit(Submission(**{**vars(submission), "options": {name: value}}))

    assert job_id == "4711"
    assert f"--{name}={value}".rstrip("=") in cluster.calls[0].split()


def test_tasks_of_an_array_are_cancelled_by_scancel(cluster, back_end):
    back_end.cancel(["12_[3-5]", "13"])

    assert cluster.calls == ["scancel 12_[3-5] 13"]


def test_the_task_without_a_task_id_is_task_0(cluster, back_end):
    cluster.holds(
        jobs=[
            {"job_id": 8, "array_job_id": 7, "array_task_id": 0, "job_state": "RUNNING", "nodes": "n1"},
            {"job_id": 9, "array_job_id": 7, "array_task_id": 1, "job_state": "FAILED"},
            {"job_id": 7, "array_job_id": 7, "array_task_str": "2-4,7%2", "state_reason": "Priority"},
            {"job_id": 10, "job_state": "COMPLETED"},
        ]
    )

    assert back_end.queue(USER) == [
        Queued("7", [0], "", "RUNNING", nodes="n1"),
        Queued("7", [1], "", "FAILED"),
        Queued("7", [2, 3, 4, 7], "", "PENDING", "Priority"),
        Queued("10", [], "", "COMPLETED"),
    ]


def test_the_jobs_of_others_are_left_out(cluster, back_end):
    cluster.holds(jobs=[{"job_id": 1, "user_id": os.getuid() + 1}, {"job_id": 2}])

    assert [job.array_id for job in back_end.queue(USER)] == ["2"]


def test_an_answer_of_many_jobs_arrives_whole(cluster, back_end):
    cluster.holds(jobs=[{"job_id": number, "name": f"job {number}"} for number in range(1, 5001)])

    assert len(back_end.queue(USER)) == 5000


def test_a_partition_gives_what_its_largest_node_has_within_its_limits(cluster, back_end):
    cluster.holds(
        partitions=[
            {"name": "long", "max_time": None, "max_cpus_per_node": 12},
            {"name": "short", "is_default": True, "max_time": 60, "max_memory_per_node": 1000},
            {"name": "empty", "state": "DOWN"},
        ],
        nodes=[
            {
                "name": "n1",
                "hostname": "h1",
                "real_memory": 4000,
                "total_cpus": 8,
                "partitions": ["long", "short"],
            },
            {"name": "n2", "real_memory": 2000, "total_cpus": 16, "partitions": ["long"]},
        ],
    )
    mib = 2**20

    assert back_end.partitions() == [
        Partition("short", default=True, max_seconds=3600, max_memory_bytes=1000 * mib, max_cores=8),
        Partition("long", max_memory_bytes=4000 * mib, max_cores=12),
        Partition("empty", up=False),
    ]
    assert back_end.node_addresses() == ["h1", "n2"]


def test_the_fake_has_the_defects_that_send_some_questions_to_the_commands(cluster):
    record = {"job_id": 7, "state": "NODE_FAIL"}
    cluster.holds(records=[record, {"job_id": 7, "state": "COMPLETED"}])
    script = """
import pyslurm

def raised(call, *arguments, **named):
    try:
        call(*arguments, **named)
    except Exception as error:
        return type(error).__name__

def submit(**named):
    pyslurm.JobSubmitDescription(script="#!/bin/sh", **named).submit()

print(raised(pyslurm.Job, "44_5"), raised(pyslurm.Job(44).cancel), raised(pyslurm.Job.load, 44))
print(raised(pyslurm.db.JobFilter, ids=["44_5"]))
print(*[record.state for record in pyslurm.db.Jobs.load(pyslurm.db.JobFilter(ids=[7])).values()])
print(raised(submit, time_limit="5"), raised(submit, signal="B:USR1@30"), raised(submit, signal={"signal": 10}))
submit(environment={})
"""
    environment = {**os.environ, "SLURM_CONF": str(cluster.conf), "SECRET": "all of it"}
    process = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )

    assert process.stdout.split() == [
        *("TypeError", "None", "RPCError"),
        "TypeError",
        "COMPLETED",
        *("TypeError", "ValueError", "TypeError"),
    ]
    assert cluster.submitted[0]["environment"]["SECRET"] == "all of it"
