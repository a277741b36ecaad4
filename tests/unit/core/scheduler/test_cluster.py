"""The cluster contract on a scheduler of no name, with what no plugin's own tests show."""

from pathlib import Path

import pytest

from fakes.clock import Clock
from fakes.cluster import jobs_of
from fakes.scheduler_api import SchedulerApi
from fakes.server import batch as batch_of
from jobmon.core.cluster import Connection, JobState
from jobmon.core.exceptions import SubmitRefused
from jobmon.core.scheduler.cluster import SchedulerCluster
from jobmon.core.scheduler.dialect import Dialect
from jobmon.core.scheduler.limits import Limits
from jobmon.core.scheduler.options import SchedulerOptions
from jobmon.core.scheduler.refusals import Meaning
from jobmon.core.scheduler.shapes import Queued, Record, Refused, Unreachable
from jobmon.core.scheduler.states import Fate, States
from jobmon.core.scheduler.submitting import Request
from jobmon.core.wire import Job

TWO = batch_of(1, size=2)
STATES = States(
    alive={"waits": JobState.PENDING, "runs": JobState.RUNNING},
    over={"done": Fate.EXITED, "stuck": Fate.LOST},
    lingering={"stuck"},
)
MOON = Dialect(
    name="Moon",
    cancel="moondel",
    lookups=("moonstat", "moonlog"),
    states=STATES,
    meaning=lambda words: Meaning.FATAL,
    script="#!/bin/sh\n",
    index_words=("--index-env=MOON_TASK",),
    log_pattern="{task}.log",
    first_index=1,
)


class Site:
    """A scheduler, one workflow's cluster object on it, and the time of both."""

    def __init__(self, folder: Path, request: Request = lambda *_: {"mem": "1"}) -> None:
        self.clock = Clock()
        self.api = SchedulerApi()
        self.folder = folder
        self.options = SchedulerOptions()
        connection = Connection(
            options=self.options,
            service_url="http://n1:1",
            token_file="/token",
            state_dir=folder,
            shared_dir=folder,
            workflow_id=1,
            python="/bin/python",
        )
        self.cluster = SchedulerCluster(connection, self.api, Limits(10, 100), MOON, request, self.clock)

    def submit(self) -> list[Job]:
        return jobs_of(TWO, self.cluster.submit(TWO))

    def poll(self) -> list[tuple[int, str]]:
        self.clock.now += self.options.poll_seconds
        return [(one.instance_id, one.state) for one in self.cluster.events()]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def row(index: int, state: str, reason: str = "", job_id: str = "1", name: str = TWO.name) -> Queued:
    return Queued(job_id, (index,), name, state, reason)


def test_what_is_over_and_lingers_is_judged_by_its_reason_at_once_then_cancelled(site):
    jobs = site.submit()
    site.api.rows = [row(0, "runs"), row(1, "stuck", "cannot open its log")]
    assert site.poll() == [(1001, "ended")]
    [first, second] = sorted(site.cluster.observe(jobs), key=lambda one: one.instance_id)

    assert (first.state, second.state, second.status) == (JobState.RUNNING, JobState.OVER, "X")
    assert "Moon says stuck, cannot open its log (job 1_1)." in second.message
    assert site.api.cancels == [{"1": [1]}]
    assert site.api.asked == ["submit", "queue", "cancel"]


def test_the_verdict_on_what_lingered_stays_after_it_has_left_the_queue(site):
    jobs = site.submit()
    site.api.rows = [row(0, "runs"), row(1, "stuck", "cannot open its log")]
    told = site.cluster.observe(jobs[1:])
    site.api.rows = [row(0, "runs")]
    site.clock.now += 1000

    assert site.cluster.observe(jobs[1:]) == told


def test_what_lingers_is_not_gone_before_it_has_left_the_queue(site):
    jobs = site.submit()
    site.api.rows = [row(0, "done"), row(1, "stuck")]
    gone = site.cluster.cancel(jobs)

    assert [one.instance_id for one in gone] == [1000]
    assert site.api.cancels == [{"1": [1]}]
    site.api.rows = []
    site.clock.now += 10
    assert {one.instance_id for one in site.cluster.cancel(jobs)} == {1000, 1001}


def test_a_lingering_job_of_another_name_is_left_alone(site):
    jobs = site.submit()
    site.api.rows = [row(0, "runs"), row(1, "runs"), row(0, "stuck", job_id="7", name="by hand")]
    site.cluster.observe(jobs)

    assert site.api.cancels == []


def test_tasks_that_are_not_found_in_accounting_are_asked_for_once(site):
    jobs = site.submit()
    site.api.records = [Record("1", 0, TWO.name, "me", "done", exit_code=3)]
    seen = {one.instance_id: one.state for one in site.cluster.observe(jobs)}

    assert seen == {1000: JobState.OVER, 1001: JobState.UNKNOWN}
    assert site.api.asked.count("history") == 1


def test_the_log_of_a_task_has_the_scheduler_s_number_in_its_name(site):
    site.submit()
    [sent] = site.api.submissions
    assert sent.log_pattern == f"{site.folder}/logs/{TWO.name}/{{task}}.log"
    (site.folder / "logs" / TWO.name / "2.log").write_text("no interpreter")
    site.api.records = [Record("1", 1, TWO.name, "me", "done", exit_code=127)]
    [seen] = site.cluster.observe(jobs_of(TWO, "1")[1:])

    assert seen.message.endswith("no interpreter")


@pytest.mark.parametrize(
    ("error", "failure_class"),
    [(Refused("there is no place for 40 cores"), "fatal"), (Unreachable("no answer to: 40 cores?"), "policy")],
)
def test_what_cannot_be_asked_for_is_fatal_unless_it_is_only_not_known(tmp_path, error, failure_class):
    def refuse(*_: object) -> dict[str, str]:
        raise error

    site = Site(tmp_path, refuse)
    with pytest.raises(SubmitRefused, match="40 cores") as refusal:
        site.submit()
    assert refusal.value.failure_class == failure_class
    assert site.api.asked == []
