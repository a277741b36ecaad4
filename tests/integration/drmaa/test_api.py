"""The api over a real Grid Engine: what it submits runs, what it is told is true."""

import itertools
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from clusters.sge import SgeCluster
from clusters.sge.packages import DRMAA
from jobmon.core.cluster import JobState
from jobmon.core.resources import Resources
from jobmon.core.scheduler.refusals import Meaning
from jobmon.core.scheduler.shapes import NoAnswer, Queued, Record, Refused, Submission, Unreachable
from jobmon.core.scheduler.states import Fate
from jobmon_drmaa.api import GridEngine
from jobmon_drmaa.corrections import FLUSH_SECONDS
from jobmon_drmaa.options import Options
from jobmon_drmaa.queues import Environment, Queue
from jobmon_drmaa.refusals import meaning
from jobmon_drmaa.resources import Request, qsub_options
from jobmon_drmaa.states import DELETED, EXITED, KILLED, MEMORY, NOT_STARTED, SIGNALLED, STATES, TIME

SECONDS = 120.0
NAMES = itertools.count(1)
Done = TypeVar("Done")


class Clock:
    """Real time, and what a test adds to it."""

    added = 0.0
    stands_at: float | None = None

    def __call__(self) -> float:
        return (time.monotonic() if self.stands_at is None else self.stands_at) + self.added

    def stand_still(self) -> None:
        """From now on only what the test adds goes by."""
        self.stands_at = time.monotonic()


class Site:
    """The api of one cluster, with scripts and logs in a folder."""

    def __init__(self, cluster: SgeCluster, folder: Path, **options: object) -> None:
        self.cluster, self.folder, self.clock = cluster, folder, Clock()
        self.options = options_of(cluster, **options)
        self.grid_engine = GridEngine(self.options, clock=self.clock)

    def submission(self, script: str, size: int = 1, **more: object) -> Submission:
        number = next(NAMES)
        path = self.folder / f"script{number}"
        path.write_text(f"#!/bin/sh\n{script}\n")
        named = {"name": f"{self.own_names}{number}", "log_pattern": self.log_pattern}
        return Submission(**{"size": size, "script": str(path), "arguments": [], **named, **more})

    @property
    def own_names(self) -> str:
        """How the names of its jobs begin: others use the cluster too."""
        return f"jm-{os.getpid()}-{self.folder.name[-20:]}-"

    @property
    def log_pattern(self) -> str:
        return f"{self.folder}/$JOB_ID.$TASK_ID.log"

    def submit(self, script: str, size: int = 1, **more: object) -> str:
        return self.grid_engine.submit(self.submission(script, size, **more))

    def rows(self, job: str) -> list[Queued]:
        return [row for row in self.grid_engine.queue() if row.array_id == job]

    def states(self, job: str) -> dict[int, str]:
        return {index: row.state for row in self.rows(job) for index in row.indices}

    def ended(self, job: str, *indices: int) -> dict[int | None, Record]:
        """The records of these tasks, as soon as all are there."""
        found: dict[int | None, Record] = {}

        def are_there() -> bool:
            records = self.grid_engine.history({job: indices or (0,)}, 1)
            found.update({record.index: record for record in records})
            return found.keys() >= set(indices or (0,))

        wait_for(are_there, found)
        return found

    def log(self, job: str, task: int = 1) -> str:
        path = self.folder / f"{job}.{task}.log"
        return path.read_text() if path.exists() else ""


def options_of(cluster: SgeCluster, **options: object) -> Options:
    """Nothing of the cluster is in our own environment."""
    site = cluster.site
    named = {
        "root": str(site.root),
        "cell": "default",
        "qmaster_port": site.ports["qmaster"],
        "execd_port": site.ports["execd"],
        "library": str(DRMAA),
        "bin_dir": str(site.programs),
    }
    patient = {"requests_per_second": 1000, "burst": 1000, "answer_seconds": 120}
    return Options(**{**patient, **named, **options})


@pytest.fixture
def site(sge, tmp_path) -> Iterator[Site]:
    site = Site(sge, tmp_path)
    yield site
    site.grid_engine.close()


@pytest.fixture
def own_site(own_sge, tmp_path) -> Iterator[Callable[..., Site]]:
    sites = []

    def make(settings: dict[str, object] | None = None, **options: object) -> Site:
        sites.append(Site(own_sge(options=settings), tmp_path, **options))
        return sites[-1]

    yield make
    for site in sites:
        site.grid_engine.close()


def wait_for(condition: Callable[[], bool], seen: object) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not so after {SECONDS:g} s: {seen}"
        time.sleep(0.1)


def listed(site: Site, job: str) -> set[str]:
    """The states of a job in the cluster's own list. The api is not asked: it would remember why the job waits."""
    lines = [line.split() for line in site.cluster.run("qstat", "-u", "*", check=True).stdout.splitlines()]
    return {words[4] for words in lines if words[:1] == [job]}


def in_the_end(site: Site, act: Callable[[], Done]) -> Done:
    """What it gives once a cluster that was frozen, or is only slow, has answered in time."""
    deadline = time.monotonic() + SECONDS
    while True:
        site.clock.added += 1000
        try:
            return act()
        except (NoAnswer, Unreachable):
            assert time.monotonic() < deadline


def test_an_array_runs_and_is_told_by_indices_from_nought(site):
    script = f'echo "$@"; until test -e {site.folder}/go; do sleep 0.1; done; exit $((SGE_TASK_ID + 1))'
    name = f"jm-a-name-that-is-longer-than-qstat-shows-it-{os.getpid()}-{site.folder.name[-20:]}"
    job = site.submit(script, 3, name=name, arguments=["a b", "", "$HOME;*", "ü"])
    wait_for(lambda: set(site.states(job).values()) == {"r"}, site.rows(job))
    rows = site.rows(job)
    (site.folder / "go").touch()

    records = site.ended(job, 0, 1, 2)
    assert {row.name for row in rows} == {name}
    assert sorted(index for row in rows for index in row.indices) == [0, 1, 2]
    assert {row.nodes for row in rows} == {"localhost"}
    assert {index: (one.state, one.exit_code) for index, one in records.items()} == {
        0: (EXITED, 2),
        1: (EXITED, 3),
        2: (EXITED, 4),
    }
    assert {(one.name, one.user, one.nodes) for one in records.values()} == {
        (name, site.grid_engine.user, "localhost")
    }
    assert site.log(job, 3) == "a b  $HOME;* ü\n"
    wait_for(lambda: site.rows(job) == [], "the queue")


def test_records_are_found_by_name_too_and_those_of_others_are_not(site):
    submission = site.submission("exit 3", 2)
    job = site.grid_engine.submit(submission)
    site.ended(job, 0, 1)

    found = site.grid_engine.history_of_names([submission.name, "jm-that-was-never-there"], 1)
    assert sorted((one.array_id, one.index, one.exit_code) for one in found) == [(job, 0, 3), (job, 1, 3)]
    assert site.grid_engine.history({"99999999": None}, 1) == []


def test_use_is_measured(site):
    program = "import time; block = b'x' * 150_000_000; time.sleep(2); sum(range(3_000_000))"
    job = site.submit(f'exec {sys.executable} -c "{program}"', options={"l": "h_vmem=1G"})

    (record,) = site.ended(job).values()
    assert 150e6 < record.peak_memory_bytes < 300e6
    assert record.cpu_seconds > 0
    assert record.wall_seconds >= 2


def test_what_waits_shares_a_row_and_some_of_it_can_be_cancelled(site):
    job = site.submit("exec sleep 600", 5, options={"h": ""})
    assert site.states(job) == dict.fromkeys(range(5), "hqw")
    assert STATES.alive["hqw"] is JobState.PENDING
    site.grid_engine.cancel({job: [0, 1, 3]})

    assert site.states(job) == dict.fromkeys((2, 4), "hqw")
    site.grid_engine.cancel({job: None})
    assert site.rows(job) == []
    site.grid_engine.cancel({job: [2], "99999999": None})


def test_an_impossible_request_is_refused_at_once_and_for_good(site):
    impossible = [
        {"q": "nix"},
        {"q": "short.q", "l": "h_rt=301"},
        {"l": "h_vmem=2000G"},
        {"pe": "smp 50"},
        {"pe": "nix 2"},
        {"P": "nix"},
        {"l": "nix=1"},
        {"l": "hostname=!(localhost|other)"},
    ]
    for options in impossible:
        with pytest.raises(Refused) as refused:
            site.submit("true", options=options)
        assert meaning(str(refused.value)) is Meaning.FATAL, (options, refused.value)

    assert [row for row in site.grid_engine.queue() if row.name.startswith(site.own_names)] == []


def test_without_verification_it_waits_with_its_reason(sge, tmp_path):
    site = Site(sge, tmp_path, verify=False)
    job = site.submit("true", options={"l": "h_vmem=2000G"})

    def has_a_reason() -> bool:
        site.clock.added += 1000
        return "cannot run at host" in site.rows(job)[0].reason

    wait_for(has_a_reason, site.rows(job))
    site.grid_engine.cancel({job: None})
    site.grid_engine.close()


def test_nodes_are_avoided(site):
    resources = Resources.parse({"l": "hostname=local*"})
    options = qsub_options(resources, site.options, None, "", ["node1", "node2"])
    job = site.submit("exit 5", options=options)

    assert site.ended(job)[0].exit_code == 5


def test_several_cores_are_slots_on_one_node_with_memory_for_each(site):
    request = Request(site.grid_engine, site.options)
    options = request(Resources.parse({"cores": 2, "memory": "400M", "queue": "all.q"}), [])
    assert options == {"q": "all.q", "pe": "smp 2", "l": "h_vmem=200M"}
    job = site.submit("echo $NSLOTS $NHOSTS; ulimit -v", options=options)

    site.ended(job)
    assert site.log(job).split() == ["2", "1", str(400 * 1024)]


def test_the_worker_is_warned_where_the_queue_has_no_time_to_spare(site):
    for seconds in (2, 10, 40):  # later where the script was not ready for it
        options = qsub_options(Resources.parse({"runtime": 20}), site.options, seconds + 30, "", [])
        assert options == {"l": f"s_rt={seconds},h_rt={seconds + 30}"}
        job = site.submit(
            "trap 'echo warned; exit 7' USR1; echo ready\nwhile :; do sleep 0.2; done", options=options
        )
        record = site.ended(job)[0]
        if "ready" in site.log(job):
            break

    assert record.exit_code == 7
    assert "warned" in site.log(job)


@pytest.mark.promise("F34")
def test_a_job_at_its_run_time_limit_says_so(site):
    job = site.submit("exec sleep 600", options={"l": "h_rt=2"})
    record = site.ended(job)[0]

    assert (record.state, STATES.over[record.state]) == (TIME, Fate.TIME_LIMIT)


@pytest.mark.promise("F32")
def test_a_job_above_its_memory_says_so(site):
    """No process is above it, all of them are: it is execd that kills them."""
    one = f"{sys.executable} -c \"import time; x = b'x' * 120_000_000; time.sleep(1000)\""
    job = site.submit(f"{one} &\n{one} &\n{one} &\nwait", options={"l": "h_vmem=200M"})
    record = site.ended(job)[0]

    assert (record.state, STATES.over[record.state]) == (MEMORY, Fate.OUT_OF_MEMORY)


def test_exit_codes_and_signals_are_told_apart(site):
    jobs = {
        "exit 137": (EXITED, 137, 9),  # as a shell tells that its command was killed
        "kill -TERM $$": (SIGNALLED, 143, 15),
        "kill -SEGV $$": (SIGNALLED, 139, 11),
        "kill -KILL $$": (SIGNALLED, 137, 9),
        "exit 100": (EXITED, 100, None),
    }
    numbers = {site.submit(script): expected for script, expected in jobs.items()}

    for job, expected in numbers.items():
        wait_for(lambda job=job, state=expected[0]: site.ended(job)[0].state == state, job)  # the session knows
        record = site.ended(job)[0]
        assert (record.state, record.exit_code, record.signal) == expected


@pytest.mark.promise("F42")
def test_a_log_that_cannot_be_opened_is_told_and_leaves_nothing_in_the_queue(site):
    job = site.submit("true", log_pattern=f"{site.folder}/nowhere/$TASK_ID.log")
    record = site.ended(job)[0]

    assert (record.state, record.exit_code) == (NOT_STARTED, None)
    assert record.detail == "failed 26: its log could not be opened"
    assert site.rows(job) == []


@pytest.mark.promise("F35")
def test_a_running_job_that_is_deleted_was_cancelled(site):
    job = site.submit("exec sleep 600", 2)
    wait_for(lambda: set(site.states(job).values()) == {"r"}, site.rows(job))
    site.cluster.run("qdel", f"{job}.1", check=True)
    record = site.ended(job)[0]

    assert (record.state, STATES.over[record.state]) == (KILLED, Fate.CANCELLED)
    assert site.states(job) == {1: "r"}
    site.grid_engine.cancel({job: None})


@pytest.mark.promise("F35")
def test_a_waiting_job_that_is_deleted_was_cancelled(site):
    job = site.submit("true", 2, options={"h": ""})
    site.cluster.run("qdel", f"{job}.2", check=True)
    assert site.grid_engine.history({job: [0, 1]}, 1) == []
    site.clock.added += FLUSH_SECONDS

    def is_told() -> bool:
        return [one.state for one in site.grid_engine.history({job: [0, 1]}, 1)] == [DELETED]

    wait_for(is_told, site.rows(job))
    site.grid_engine.cancel({job: None})


def test_of_what_another_session_submitted_every_sigkill_is_a_deletion(site, sge, tmp_path):
    job = site.submit("kill -KILL $$")
    other = Site(sge, tmp_path)

    assert other.ended(job)[0].state == KILLED
    wait_for(lambda: site.ended(job)[0].state == SIGNALLED, "what the session knows")


@pytest.mark.promise("F47")
def test_a_second_array_of_a_name_waits_for_the_first(site):
    submission = site.submission(f"until test -e {site.folder}/go; do sleep 0.1; done")
    first = site.grid_engine.submit(submission)
    wait_for(lambda: site.states(first) == {0: "r"}, site.rows(first))
    again = Submission(**{**vars(submission), "singleton": True})
    second = site.grid_engine.submit(again)
    assert site.states(second) == {0: "hqw"}
    (site.folder / "go").touch()

    assert site.ended(second)[0].exit_code == 0


def test_a_job_in_error_has_its_reason_and_can_be_cancelled(site):
    words = ("qsub", "-terse", "-b", "y", "-shell", "no", "-t", "1-2", "-wd", "/nowhere", "/bin/true")
    job = site.cluster.run(*words, check=True).stdout.partition(".")[0]
    wait_for(lambda: listed(site, job) == {"Eqw"}, job)
    wait_for(lambda: set(site.states(job).values()) == {"Eqw"}, job)

    assert {row.reason for row in site.rows(job)} == {"can't chdir to /nowhere: No such file or directory"}
    assert STATES.in_queue("Eqw")
    site.grid_engine.cancel({job: [0, 1]})
    assert site.rows(job) == []


def test_what_the_cluster_has_is_read(site):
    config = site.grid_engine.config()

    assert site.grid_engine.version() == "SGE 8.1.9"
    assert (config["max_aj_tasks"], config["max_u_jobs"]) == ("75000", "0")
    assert "accounting=true" in config["reporting_params"]
    assert site.grid_engine.queues() == [
        Queue("all.q", None, None, 32, ["smp"], 0),
        Queue("short.q", 300, None, 8, ["smp"], 1),
    ]
    assert site.grid_engine.environments() == [Environment("smp", "$pe_slots", 999)]
    assert site.grid_engine.node_addresses() == ["localhost"]


@pytest.mark.promise("F53 F54")
def test_limits_are_told_from_each_other(own_site):
    site = own_site({"max_aj_tasks": 10, "max_u_jobs": 1})
    with pytest.raises(Refused) as too_large:
        site.submit("true", 11, options={"h": ""})
    job = site.submit("true", 10, options={"h": ""})
    with pytest.raises(Refused) as too_many:
        site.submit("true")

    assert meaning(str(too_large.value)) is Meaning.TOO_LARGE
    assert meaning(str(too_many.value)) is Meaning.LATER
    assert "only 1 jobs are allowed per user" in str(too_many.value)
    site.grid_engine.cancel({job: None})
    assert site.ended(site.submit("true"))[0].exit_code == 0


@pytest.mark.slow
@pytest.mark.promise("F47")
def test_what_a_frozen_qmaster_was_asked_may_be_done_once_and_nobody_says_so(own_site):
    site = own_site(answer_seconds=5)
    submission = site.submission("true", options={"h": ""})
    site.cluster.freeze("qmaster")
    with pytest.raises(Unreachable, match="within 5 s while it started"):  # a session begins by asking qmaster
        site.grid_engine.submit(submission)
    site.cluster.thaw("qmaster")
    in_the_end(site, lambda: site.submit("true", options={"h": ""}))
    site.cluster.freeze("qmaster")
    with pytest.raises(NoAnswer, match="DRMAA did not answer within 5 s"):
        site.grid_engine.submit(submission)
    site.clock.added += 1000
    with pytest.raises(NoAnswer, match="qstat did not answer within 5 s"):
        site.grid_engine.queue()
    site.cluster.thaw("qmaster")
    in_the_end(site, lambda: site.submit("true", options={"h": ""}))

    rows = in_the_end(site, site.grid_engine.queue)
    there = [row.name for row in rows if row.name == submission.name]
    assert there in ([], [submission.name])  # of four times it was there three times


@pytest.mark.slow
@pytest.mark.promise("F48")
def test_a_qmaster_that_is_away_is_told_and_found_again(own_site):
    """It was ended in peace: one that is killed gives its last number again, to the confusion of its execd.

    An execd whose qmaster comes back reports for some minutes late: what ends in these is not waited for here.
    """
    site = own_site()
    site.ended(site.submit("true"))
    site.cluster.stop("qmaster")
    site.clock.stand_still()  # it asks again soon
    with pytest.raises(Unreachable, match="unable to .* qmaster"):
        site.submit("true")
    with pytest.raises(Unreachable, match="has not answered since"):
        site.grid_engine.queue()
    assert "qmaster" in site.grid_engine.trouble

    site.cluster.start("qmaster")
    site.clock.added += 1000
    job = site.submit("exec sleep 600", 2)
    assert site.states(job).keys() == {0, 1}
    assert site.grid_engine.trouble == ""


@pytest.mark.slow
@pytest.mark.promise("F51")
def test_accounting_that_is_put_away_or_not_there(own_site):
    site = own_site()
    job = site.submit("exit 3")
    site.ended(job)
    accounting = site.cluster.site.common / "accounting"
    accounting.rename(accounting.with_name("accounting.0"))
    assert site.ended(job)[0].exit_code == 3

    accounting.with_name("accounting.0").unlink()
    assert site.grid_engine.history({job: [0]}, 1) == []
    assert site.ended(site.submit("exit 4"))[0].exit_code == 4


def test_a_session_leaves_no_process(sge, tmp_path):
    site = Site(sge, tmp_path)
    site.ended(site.submit("true"))
    pid = site.grid_engine._drmaa._process.pid
    os.kill(pid, signal.SIGCONT)
    site.grid_engine.close()

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
