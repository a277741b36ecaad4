"""What `jobmon.core.cluster` asks of a plugin: each verb, with real attempts of a real server."""

import pytest
from msgspec.structs import replace

from jobmon.core import cluster
from jobmon.core.cluster import JobState
from jobmon.core.resources import Resources
from jobmon.core.settings import load_settings
from jobmon_conformance.bench import NUMBERS
from jobmon_conformance.until import until
from jobmon_conformance.work import WAITS

NEVER_KNOWN = "4000000"
OVER = {JobState.OVER, JobState.GONE}


def options_of(kind, bench):
    own = load_settings().clusters.get(bench.cluster, {})
    return kind.read_options(own, "the settings")


def test_queues_have_names_and_the_first_one_takes_ordinary_tasks(bench, home):
    kind = cluster.load(bench.cluster)
    options = options_of(kind, bench)
    queues = kind.queues(options)

    names = [queue.name for queue in queues]
    assert names and all(names) and len(set(names)) == len(names)
    asked = Resources(queue=names[0], memory_bytes=2**20, runtime_seconds=60)
    assert kind.check(asked, options) == []
    assert all(isinstance(text, str) for text in kind.describe(options, home.data_dir).values())


def test_a_fresh_connection_has_a_pace_and_nothing_to_tell(bench, home, drive):
    fresh = drive(["true"]).connect()

    pace = fresh.pace()
    assert pace.max_batch >= 1 and pace.max_waiting >= 1
    assert fresh.notice() == ""
    assert [list(fresh.events()), list(fresh.observe([])), list(fresh.cancel([]))] == [[], [], []]
    fresh.adopt([])


@pytest.mark.promise("I2")
def test_each_attempt_of_a_batch_is_run_once(bench, home, drive):
    run = drive(["true"] * 7)
    job_id = run.submit(run.connect())

    assert job_id
    run.wait_for_statuses("D")
    assert sorted(home.witness.starts().values()) == [1] * 7
    assert len(home.witness.ends()) == 7


@pytest.mark.promise("F47")
def test_a_batch_that_is_submitted_again_and_again_is_run_once(bench, home, drive):
    run = drive(["sleep 0.3"] * 3)
    first, second = run.connect(), run.connect()
    copies = [run.submit(first), first.submit(run.batch), second.submit(run.batch)]
    run.wait_for_statuses("D")
    copies += [first.submit(run.batch)]
    jobs = [replace(job, job_id=job_id) for job_id in copies for job in run.jobs()]
    first.cancel(jobs)  # each copy of an attempt waits a while for the one that runs
    until(lambda: not bench.alive(home), "the end of all copies")

    assert sorted(home.witness.starts().values()) == [1] * 3
    assert run.statuses() == "DDD"


@pytest.mark.promise("F46")
def test_who_comes_next_finds_a_batch_by_its_name(bench, home, drive):
    run = drive([WAITS] * 2)
    job_id = run.connect().submit(run.batch)  # and dies before the server hears of it
    look_first = replace(run.batch, look_first=True)
    looks = until(lambda: run.connect().look_up([look_first]), "an answer")

    assert (looks[run.batch.batch_id].job_id, looks[run.batch.batch_id].absent) == (job_id, False)
    run.launched(job_id)
    (home.folder / "release").touch()
    run.wait_for_statuses("D")


@pytest.mark.promise("F46")
def test_a_batch_that_is_over_is_found_by_its_name(bench, home, drive):
    run = drive(["true"] * 2)
    job_id = run.submit(run.connect())
    run.wait_for_statuses("D")
    until(lambda: not bench.alive(home), "its end")

    looks = until(lambda: run.connect().look_up([run.batch]), "an answer")
    assert looks[run.batch.batch_id].job_id == job_id


@pytest.mark.promise("F46")
def test_a_batch_that_was_never_submitted_is_absent_and_may_be_submitted_then(bench, home, drive):
    run = drive(["true"])
    hasty = run.connect(hasty=True)
    batch = replace(run.batch, look_first=True)
    looks = until(lambda: hasty.look_up([batch]), "an answer", pause_seconds=0.3)

    assert (looks[batch.batch_id].job_id, looks[batch.batch_id].absent) == ("", True)
    run.submit(hasty)
    run.wait_for_statuses("D")


def test_what_runs_and_what_waits_is_told_apart(bench, home, drive):
    run = drive([WAITS] * (bench.at_once + 1), compute_resources=bench.wide)
    made = run.connect()
    run.submit(made)
    until(lambda: "R" in run.statuses(), "a running command")

    wanted = {JobState.RUNNING, JobState.PENDING}
    until(lambda: set(run.seen(made).values()) == wanted, f"{wanted}", pause_seconds=0.5)
    running = {index for index, status in enumerate(run.statuses()) if status == "R"}
    assert {index for index, state in run.seen(run.connect()).items() if state == JobState.RUNNING} >= running
    (home.folder / "release").touch()
    run.wait_for_statuses("D")


@pytest.mark.promise("F51")
def test_what_has_ended_is_never_said_to_run(bench, home, drive):
    run = drive(["true"] * 2)
    made = run.connect()
    run.submit(made)
    run.wait_for_statuses("D")
    until(lambda: not bench.alive(home), "its end")

    until(lambda: set(run.seen(made).values()) <= OVER, "the end of both", pause_seconds=0.5)
    until(lambda: set(run.seen(run.connect()).values()) <= OVER, "the end of both", pause_seconds=0.5)


@pytest.mark.promise("F49")
def test_a_job_that_the_cluster_never_had_is_gone_in_the_end_and_never_over(bench, home, drive):
    run = drive(["true"])
    made = run.connect()
    unknown = replace(run.job(0), job_id=NEVER_KNOWN)
    said = set()

    def is_gone() -> bool:
        said.update(one.state for one in made.observe([unknown]))
        return JobState.GONE in said

    until(is_gone, "the proof", pause_seconds=0.5)
    assert said <= {JobState.UNKNOWN, JobState.GONE}


@pytest.mark.needs(NUMBERS)
@pytest.mark.promise("F49")
def test_a_job_of_the_same_id_and_another_name_is_not_ours(bench, home, drive):
    run, other = drive([WAITS]), drive(["true"])
    made = run.connect()
    job_id = run.submit(made)
    until(lambda: run.statuses() == "R", "the command")
    strange = replace(other.job(0), job_id=job_id)

    until(lambda: [one.state for one in made.observe([strange])] == [JobState.GONE], "gone", pause_seconds=0.5)
    assert list(run.seen(made).values()) == [JobState.RUNNING]
    (home.folder / "release").touch()
    run.wait_for_statuses("D")


@pytest.mark.promise("F30")
@pytest.mark.promise("F46")
def test_who_adopts_a_batch_hears_of_the_end_of_a_killed_worker(bench, home, drive):
    run = drive([WAITS])
    job_id = run.submit(run.connect())
    until(lambda: run.statuses() == "R", "the command")
    heir = run.connect()
    heir.adopt([run.batch])
    heir.events()
    bench.kill_worker(home, job_id, 0)
    known: list[cluster.Observed] = []

    def is_known() -> bool:
        """Told by the cluster, or to the server by whoever took over there."""
        known.extend(heir.events())
        return bool(known) or run.statuses() != "R"

    until(is_known, "word of its end")
    if known and known[0].state == JobState.ENDED:
        known[:] = until(lambda: [one for one in heir.observe([run.job(0)]) if one.state in OVER], "a verdict")
        run.step(observed=known)
    until(lambda: run.statuses() not in "ORT", "its end on the server")
    assert run.statuses() == "X"
    assert not home.witness.ends()
    assert sorted(home.witness.starts().values()) == [1]
    until(lambda: not {line.pid for line in home.witness.lines()} & home.processes().keys(), "the command's end")


@pytest.mark.promise("F50")
def test_cancelling_ends_what_runs_and_keeps_what_waits_from_starting(bench, home, drive):
    run = drive(["sleep 1000"] * (bench.at_once + 2), compute_resources=bench.wide)
    made = run.connect()
    run.submit(made)
    until(lambda: "R" in run.statuses(), "a running command")
    run.stop()
    run.cancel_until_gone(made, run.jobs())

    until(lambda: not bench.alive(home), "the end of all jobs")
    assert set(run.statuses()) <= set("FK")
    assert len(home.witness.starts()) <= bench.at_once
    assert not home.witness.ends()
    run.cancel_until_gone(run.connect(), run.jobs())


@pytest.mark.promise("F50")
def test_cancelling_some_leaves_the_others_alone(bench, home, drive):
    run = drive([WAITS] * 2)
    made = run.connect()
    run.submit(made)
    until(lambda: home.witness.count() == 2, "both commands")
    pids = {line.attempt: line.pid for line in home.witness.lines()}
    until(lambda: made.cancel([run.job(1)]), "the end of one")
    until(lambda: pids[run.job(1).instance_id] not in home.processes(), "the end of its command")

    assert run.seen(made, run.job(0)) == {0: JobState.RUNNING}
    (home.folder / "release").touch()
    until(lambda: run.statuses()[0] == "D", "the other one")
    assert run.statuses()[1] != "D"


@pytest.mark.promise("F63")
def test_who_lets_go_of_a_cluster_leaves_what_runs(bench, home, drive):
    run = drive([WAITS] * 2)
    made = run.connect()
    run.submit(made)
    until(lambda: run.statuses() == "RR", "both commands")
    made.close(finished=False)
    (home.folder / "release").touch()

    run.wait_for_statuses("D")
    assert sorted(home.witness.starts().values()) == [1, 1]
