"""The cluster contract on a Grid Engine in memory, in a time of its own: what is not as on every scheduler."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from fakes.clock import Clock
from fakes.cluster import jobs_of
from fakes.scheduler_api import SchedulerApi
from fakes.server import batch as batch_of
from jobmon.core.cluster import Connection, JobState
from jobmon.core.exceptions import SubmitRefused
from jobmon.core.resources import Resources
from jobmon.core.scheduler.limits import Limits
from jobmon.core.scheduler.nodes import Nodes
from jobmon.core.scheduler.shapes import Queued, Record
from jobmon.core.wire import Batch, Job
from jobmon_drmaa.cluster import GridEngineCluster
from jobmon_drmaa.dialect import GRID_ENGINE
from jobmon_drmaa.options import Options
from jobmon_drmaa.queues import Environment, Queue
from jobmon_drmaa.states import DELETED, EXITED, KILLED

TWO, FIVE = batch_of(1, size=2), batch_of(2, size=5)


@dataclass
class GridEngineApi(SchedulerApi):
    """With one queue and one parallel environment of 16 slots."""

    def queues(self) -> list[Queue]:
        self.asked.append("queues")
        return [Queue("all.q", max_seconds=600, max_cores=16, environments=["smp"])]

    def environments(self) -> list[Environment]:
        self.asked.append("environments")
        return [Environment("smp", "$pe_slots", 16)]


class Site:
    """A Grid Engine, one workflow's cluster object on it, and the time of both."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.clock = Clock()
        self.api = GridEngineApi()
        self.folder = folder
        self.options = Options(**options)
        connection = Connection(
            options=self.options,
            service_url="http://n1:1",
            token_file="/token",
            state_dir=folder,
            shared_dir=folder,
            workflow_id=1,
            python="/bin/python",
            worker_argv=("/bin/python", "-m", "worker"),
        )
        self.cluster = GridEngineCluster(connection, self.api, Limits(100, 1000), self.clock)

    def submit(self, batch: Batch) -> list[Job]:
        return jobs_of(batch, self.cluster.submit(batch))

    def poll(self) -> list[tuple[int, str]]:
        self.clock.now += self.options.poll_seconds
        return [(one.instance_id, one.state) for one in self.cluster.events()]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def row(batch: Batch, indices: list[int], state: str, reason: str = "", job_id: str = "1") -> Queued:
    return Queued(job_id, indices, batch.name, state, reason)


def test_a_batch_becomes_an_array_whose_tasks_count_from_one_in_their_own_tongue_only(site):
    site.submit(replace(TWO, resources=Resources(queue="all.q", memory_bytes=2**30, runtime_seconds=100)))
    [sent] = site.api.submissions

    assert (sent.name, sent.size, sent.requeue, sent.singleton) == ("jm-1-1", 2, False, False)
    assert {"--index-env=SGE_TASK_ID", "--index-offset=-1", "--job-env=JOB_ID"} < set(sent.arguments)
    assert sent.log_pattern == f"{site.folder}/logs/jm-1-1/$TASK_ID.log"
    assert Path(sent.script).read_text() == GRID_ENGINE.script
    assert sent.options["q"] == "all.q"
    assert {"h_vmem=1024M", "h_rt=160"} == set(sent.options["l"].split(","))


@pytest.mark.promise("F34")
@pytest.mark.parametrize(("runtime_seconds", "is_tight"), [(100, False), (600, True)])
def test_where_the_queue_has_no_minute_to_spare_the_worker_is_warned_and_hardly_used_again(
    site, runtime_seconds, is_tight
):
    site.submit(replace(TWO, resources=Resources(queue="all.q", runtime_seconds=runtime_seconds)))
    [sent] = site.api.submissions

    assert ("s_rt=" in sent.options["l"]) == is_tight
    assert GRID_ENGINE.is_tight(sent.options) == is_tight


@pytest.mark.promise("F56")
def test_more_cores_than_any_parallel_environment_has_fail_at_once(site):
    with pytest.raises(SubmitRefused, match="no parallel environment for 40 cores") as refusal:
        site.submit(replace(TWO, resources=Resources(queue="all.q", cores=40)))
    assert refusal.value.failure_class == "fatal"
    assert site.api.submissions == []


@pytest.mark.promise("F43")
def test_a_node_where_three_tasks_did_not_start_is_avoided(site):
    for task_id in range(3):
        Nodes(site.folder).failed("n1", task_id, "no interpreter")
    site.submit(TWO)

    assert site.api.submissions[0].options["l"] == "hostname=!(n1)"


@pytest.mark.promise("F42")
@pytest.mark.parametrize("state", ["Eqw", "Ehqw", "ERqw"])
def test_a_task_in_the_error_state_is_lost_for_its_reason_and_leaves_the_queue(site, state):
    jobs = site.submit(TWO)
    site.api.rows = [row(TWO, [0], "r"), row(TWO, [1], state, "can't open output file")]
    assert site.poll() == [(1001, "ended")]
    seen = {one.instance_id: one for one in site.cluster.observe(jobs)}

    assert seen[1000].state == JobState.RUNNING
    assert (seen[1001].state, seen[1001].status) == (JobState.OVER, "X")
    assert f"Grid Engine says {state}, can't open output file" in seen[1001].message
    assert site.api.cancels == [{"1": [1]}]


@pytest.mark.parametrize(
    ("state", "seen"),
    [("qw", "pending"), ("hqw", "pending"), ("t", "running"), ("r", "running"), ("dr", "running")],
)
def test_what_the_queue_shows_alive_needs_no_accounting(site, state, seen):
    jobs = site.submit(TWO)
    site.api.rows = [row(TWO, [0, 1], state)]

    assert {one.state for one in site.cluster.observe(jobs)} == {seen}
    assert "history" not in site.api.asked


def test_tasks_that_have_left_the_queue_have_ended_at_the_second_look(site):
    site.submit(TWO)
    site.api.rows = [row(TWO, [0], "r")]
    assert site.poll() == []
    assert site.poll() == [(1001, "ended")]

    assert site.poll() == []


@pytest.mark.promise("F32")
@pytest.mark.parametrize("state", [KILLED, DELETED])
def test_what_somebody_has_deleted_is_not_tried_again(site, state):
    jobs = site.submit(TWO)
    site.api.records = [Record("1", index, TWO.name, "me", state) for index in (0, 1)]
    seen = site.cluster.observe(jobs)

    assert {(one.state, one.failure_class) for one in seen} == {("over", "killed")}
    assert "not by Jobmon (qdel)" in seen[0].message


@pytest.mark.promise("F49")
def test_a_number_that_was_given_out_again_stands_for_its_new_job_only(site):
    lost = site.submit(TWO)
    site.api.rows = [row(FIVE, list(range(5)), "r")]
    site.api.records = [Record("1", 0, "another", "me", EXITED, 0)]
    assert {one.state for one in site.cluster.observe(lost)} == {JobState.UNKNOWN}
    site.clock.now += site.options.vanish_seconds

    seen = site.cluster.observe(lost)
    assert {(one.state, one.failure_class) for one in seen} == {("gone", "infrastructure")}
    assert "has vanished: neither qstat nor qacct know it" in seen[0].message
    site.cluster.cancel(lost)
    assert site.api.cancels == []


@pytest.mark.promise("F54")
def test_a_limit_on_jobs_makes_wait_with_the_words_shown_at_the_same_size(site):
    site.api.refusals = ["job rejected: only 3 jobs are allowed per user (current job count: 3)"]
    with pytest.raises(SubmitRefused, match="only 3 jobs") as refusal:
        site.submit(FIVE)
    assert refusal.value.failure_class == "policy"
    assert "only 3 jobs" in site.cluster.notice()
    assert site.cluster.pace().max_batch == 100
    site.submit(FIVE)
    assert site.cluster.notice() == ""


@pytest.mark.promise("F53")
def test_an_array_that_is_too_large_makes_all_later_ones_half_as_large(site):
    site.api.refusals = ["job rejected: you tried to submit a job with more than 4 tasks"]
    with pytest.raises(SubmitRefused):
        site.submit(FIVE)

    assert site.cluster.pace().max_batch == 2


@pytest.mark.promise("F46")
def test_a_batch_that_may_be_there_already_does_not_run_beside_itself(site):
    site.submit(replace(TWO, look_first=True))

    assert [sent.singleton for sent in site.api.submissions] == [True]
