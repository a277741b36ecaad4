"""A run is stopped, taken over, disturbed by hand: nothing runs twice, nothing is left on the cluster."""

import uuid
from pathlib import Path
from typing import NamedTuple

import pytest

from jobmon.core import routes, wire
from jobmon_conformance.bench import BY_HAND, SHARES
from jobmon_conformance.terminal import CTRL_C, Terminal
from jobmon_conformance.until import until
from jobmon_conformance.work import WAITS, attempts, nothing_is_left, tasks, workflow_of

WAITING = str(Path(__file__).with_name("waiting.py"))
RUNNING = "SELECT COUNT(*) FROM task_instance WHERE workflow_id = ? AND status = 'R'"
IN_ANOTHERS_PLACE = "SELECT COUNT(*) FROM task_instance WHERE workflow_id = ? AND place IS NOT NULL"
DRIVERS = "SELECT holder FROM workflow_run WHERE workflow_id = ? ORDER BY id"


class OnCluster(NamedTuple):
    """An attempt as the server knows it."""

    job_id: str
    name: str
    index: int
    status: str


def jobs_of(home, workflow_id):
    """All attempts by their ids."""
    rows = home.query(
        "SELECT i.id, b.job_id, b.name, COALESCE(i.place, i.id) - b.first_instance_id, i.status "
        "FROM task_instance i JOIN batch b ON b.id = i.batch_id WHERE i.workflow_id = ?",
        workflow_id,
    )
    return {attempt: OnCluster(*columns) for attempt, *columns in rows}


def launched(home, workflow_id, running):
    """Until so many commands run, and the server knows the job of each."""

    def are_there():
        jobs = jobs_of(home, workflow_id).values()
        return all(job.job_id for job in jobs) and sum(job.status == "R" for job in jobs) == running

    until(are_there, f"{running} running commands")


def script(home, bench, args, *options):
    return home.start(WAITING, bench.cluster, "--args", args, "--tasks", "2", *options)


def newest_workflow(home, args):
    return until(lambda: home.value("SELECT id FROM workflow WHERE args = ?", args), "the workflow")


@pytest.mark.promise("I12")
@pytest.mark.promise("F50")
def test_a_stopped_run_leaves_no_job_on_the_cluster(bench, home):
    workflow = workflow_of(bench, [WAITS] * (bench.at_once + 1), compute_resources=bench.wide)
    workflow.run(wait=False)
    until(lambda: home.value(RUNNING, workflow.workflow_id), "running commands")
    request = wire.EndRequest(reason="a test stops it")
    workflow.server.call(routes.END, request, run_id=workflow.last_workflow_run_id)
    until(lambda: home.run_status() == "S", "the end of the run")

    until(lambda: not bench.alive(home), "the end of workers that have told theirs")
    nothing_is_left(bench, home)
    assert not home.witness.ends()
    (home.folder / "release").touch()
    assert workflow.run(resume=True) == "D"
    assert len(home.witness.ends()) == bench.at_once + 1


@pytest.mark.promise("I12")
@pytest.mark.promise("F66")
def test_ctrl_c_twice_leaves_no_job_on_the_cluster(bench, home):
    args = uuid.uuid4().hex
    screen = Terminal([WAITING, bench.cluster, "--args", args, "--tasks", "2"], home.environment, home.folder)
    try:
        launched(home, newest_workflow(home, args), 2)
        screen.press(CTRL_C)
        screen.wait_for("Your choice")
        screen.press(CTRL_C)

        assert screen.end() == 0
        assert screen.shown.split()[-1] == "S"
    finally:
        screen.close()
    nothing_is_left(bench, home)
    assert not home.witness.ends()


@pytest.mark.promise("F46")
@pytest.mark.promise("F63")
def test_a_hot_resume_adopts_the_jobs_that_run(bench, home):
    args = uuid.uuid4().hex
    script(home, bench, args)
    workflow_id = newest_workflow(home, args)
    launched(home, workflow_id, 2)
    before = jobs_of(home, workflow_id)
    home.kill_client()
    home.kill("distributor")
    heir = script(home, bench, args, "--resume", "hot")
    until(lambda: home.column(DRIVERS, workflow_id)[1:] > [""], "a new driver")
    during = jobs_of(home, workflow_id)
    (home.folder / "release").touch()

    assert (heir.end(), heir.out.split()[-1:]) == (0, ["D"]), heir.err
    assert during == before
    assert {one: job[:3] for one, job in jobs_of(home, workflow_id).items()} == {
        one: job[:3] for one, job in before.items()
    }
    assert sorted(home.witness.starts().values()) == [1, 1]


@pytest.mark.promise("F63")
@pytest.mark.promise("I12")
def test_a_cold_resume_ends_the_jobs_that_run_before_it_starts_them_again(bench, home):
    args = uuid.uuid4().hex
    script(home, bench, args)
    workflow_id = newest_workflow(home, args)
    launched(home, workflow_id, 2)
    until(lambda: home.witness.count() == 2, "the word of both commands")
    first = {line.pid for line in home.witness.lines()}
    home.kill_client()
    home.kill("distributor")
    heir = script(home, bench, args, "--resume", "cold")
    until(lambda: not first & home.processes().keys(), "the end of the first commands")
    until(lambda: home.column(DRIVERS, workflow_id)[1:] > [""], "a new driver")
    (home.folder / "release").touch()

    assert (heir.end(), heir.out.split()[-1:]) == (0, ["D"]), heir.err
    assert sorted(home.witness.starts().values()) == [2, 2]
    assert not first & {line.pid for line in home.witness.lines() if line.word == "end"}


@pytest.mark.promise("F46")
def test_a_killed_distributor_is_followed_by_another_and_nothing_runs_twice(bench, home):
    args = uuid.uuid4().hex
    client = script(home, bench, args)
    home.kill("distributor")  # as soon as there is one
    workflow_id = newest_workflow(home, args)
    launched(home, workflow_id, 2)
    before = home.column(DRIVERS, workflow_id)
    home.kill("distributor")
    until(lambda: home.column(DRIVERS, workflow_id) != before, "another driver")
    (home.folder / "release").touch()

    assert (client.end(), client.out.split()[-1:]) == (0, ["D"]), client.err
    assert sorted(home.witness.starts().values()) == [1, 1]


@pytest.mark.needs(BY_HAND)
@pytest.mark.promise("F35")
def test_what_its_user_cancels_by_hand_is_not_tried_again(bench, home):
    workflow = workflow_of(bench, [WAITS] * (bench.at_once + 1), compute_resources=bench.wide, max_attempts=3)
    workflow.run(wait=False)
    launched(home, workflow.workflow_id, bench.at_once)
    jobs = jobs_of(home, workflow.workflow_id).values()
    for wanted in "OR":  # what waits would start when another one ends
        bench.cancel(*next((job.job_id, job.index) for job in jobs if job.status == wanted))
    over = "SELECT COUNT(*) FROM task WHERE workflow_id = ? AND status = 'F'"
    until(lambda: home.value(over, workflow.workflow_id) == 2, "the end of both")
    (home.folder / "release").touch()
    until(lambda: home.run_status() == "E", "the end of the run")

    ends = [attempts(task) for task in tasks(workflow)]
    cancelled = [one for (one,) in ends if one.status == "F"]
    assert len(cancelled) == 2
    assert {one.failure_class for one in cancelled} == {"cancelled"}
    told = ["\n".join(error.description for error in one.errors) for one in cancelled]
    assert all("cancel" in text.lower() for text in told), told
    assert len(home.witness.ends()) == bench.at_once - 1


@pytest.mark.needs(SHARES)
@pytest.mark.promise("I12")
def test_short_commands_share_places_on_the_cluster_and_each_runs_once(bench, home):
    count = 8 * bench.at_once
    workflow = workflow_of(bench, [WAITS] * count, compute_resources=bench.wide)
    workflow.run(wait=False)
    launched(home, workflow.workflow_id, bench.at_once)  # what the server does not know to wait there is not lent
    (home.folder / "release").touch()
    until(lambda: home.run_status() == "D", "the end of the run")

    assert sorted(home.witness.starts().values()) == [1] * count
    assert home.value(IN_ANOTHERS_PLACE, workflow.workflow_id) > 0
    nothing_is_left(bench, home)
