import threading
import time

import pytest

from fakes.cluster import FakeCluster, jobs_of
from fakes.server import FakeServer, batch
from jobmon.core.cluster import JobState
from jobmon.core.exceptions import (
    ClusterError,
    InvalidStateTransition,
    LeaseLost,
    ResumeSet,
    ServerError,
    ServerUnreachable,
    StorageFull,
    Superseded,
    UnknownCluster,
)
from jobmon.core.wire import Observed
from jobmon.distributor import loop as loop_module
from jobmon.distributor.loop import Loop
from jobmon.distributor.patience import Pause, Pauses

HURRIED = Pauses(
    submit=Pause(0.01, 0.02),
    look_up=Pause(0.01, 0.02),
    observe=Pause(0.01, 0.02),
    cancel=Pause(0.01, 0.02),
    listen_seconds=0.01,
)
NEVER = Pause(1000, 1000)
UNHURRIED = Pauses(submit=NEVER, look_up=NEVER, observe=NEVER, cancel=NEVER, prune=NEVER, listen_seconds=1000)
PATIENCE_SECONDS = 90.0  # only a failure waits so long


@pytest.fixture(autouse=True)
def hurried_retries_and_a_patient_end(monkeypatch):
    monkeypatch.setattr(loop_module, "SERVER_PAUSE", Pause(0.01, 0.02))
    monkeypatch.setattr(loop_module, "LEAVE_SECONDS", PATIENCE_SECONDS)
    monkeypatch.setattr(loop_module, "LAST_WORDS_SECONDS", PATIENCE_SECONDS)


class PatientServer(FakeServer):
    """Whose test has time."""

    def until(self, condition, seconds=PATIENCE_SECONDS):
        super().until(condition, seconds)


class Driven:
    """A loop in a thread, against a fake server and fake clusters."""

    def __init__(self, server, clusters, **options) -> None:
        self.server = server
        self.clusters = clusters
        self.alive = threading.Event()
        self.connected: list[tuple[str, int]] = []
        options = {"pauses": HURRIED} | options
        self.loop = Loop(7, server, server, self._connect, self.alive.set, **options)
        self.ending = None
        self.thread = threading.Thread(target=self._run)

    def _connect(self, name, workflow_id):
        self.connected.append((name, workflow_id))
        if name not in self.clusters:
            raise UnknownCluster(f"there is no cluster {name!r}")
        return self.clusters[name].connect()

    def _run(self):
        self.ending = self.loop.run()

    def end(self, seconds=PATIENCE_SECONDS):
        """Wait until the loop has ended by itself."""
        self.thread.join(seconds)
        assert not self.thread.is_alive(), "the loop goes on"
        return self.ending


@pytest.fixture
def server():
    return PatientServer()


@pytest.fixture
def cluster():
    return FakeCluster()


@pytest.fixture
def drive(server, cluster):
    loops = []

    def start(**options) -> Driven:
        driven = Driven(server, {"fake": cluster}, **options)
        loops.append(driven)
        driven.thread.start()
        return driven

    yield start
    for driven in loops:
        driven.loop.stop("end of the test")
        driven.end()


def test_the_lease_comes_first_and_then_it_is_alive(drive, server):
    driven = drive()
    driven.alive.wait(PATIENCE_SECONDS)
    server.until(lambda: server.requests)

    assert len(server.leases) == 1
    assert server.leases[0].pid > 0
    assert server.requests[0].fence == 1
    assert driven.connected == []


def test_a_batch_is_submitted_and_reported(drive, server, cluster):
    driven = drive()
    server.offer(batch(1))
    server.until(lambda: server.launched)

    assert server.launched == {1: "100"}
    assert cluster.names() == ["jm-1-1"]
    assert driven.connected == [("fake", 1)]


def test_a_quick_clusters_result_travels_with_the_next_long_poll(drive, server, monkeypatch):
    monkeypatch.setattr(loop_module, "SETTLE_SECONDS", 1000)  # quick enough on any machine
    drive()
    server.offer(batch(1))
    server.until(lambda: server.launched)
    [reporting] = [request for request in server.requests if request.launched]

    assert reporting.wait_seconds > 0


def test_a_chain_of_batches_waits_for_no_pause_of_the_distributor(drive, server, monkeypatch):
    monkeypatch.setattr(loop_module, "SETTLE_SECONDS", 1000)
    server.lease_seconds = 3000
    drive(pauses=UNHURRIED, poll_seconds=1000)
    server.until(lambda: server.polls_waiting)
    took = []
    for number in range(1, 51):
        began = time.process_time()
        server.offer(batch(number))
        server.until(lambda number=number: number in server.launched)
        took.append(time.process_time() - began)

    assert sorted(server.launched) == list(range(1, 51))
    assert sorted(took)[len(took) // 2] < 0.01  # of CPU, which other processes do not lengthen


def test_results_that_come_during_a_long_poll_are_told_at_once(drive, server, cluster):
    cluster.script.append("hang")
    server.lease_seconds = 3000
    drive(poll_seconds=1000)
    server.offer(batch(1))
    server.until(lambda: cluster.submitted and server.polls_waiting)
    cluster.go_on.set()
    server.until(lambda: server.launched)
    [reporting] = [request for request in server.requests if request.launched]

    assert reporting.wait_seconds == 0


@pytest.mark.promise("F59")
def test_jobs_of_one_id_on_two_clusters_are_two_jobs(drive, server, cluster):
    other = FakeCluster()
    driven = drive()
    driven.clusters["other"] = other
    server.offer(batch(1), batch(2, cluster="other"))
    server.until(lambda: {1, 2} <= server.launched.keys())
    assert server.launched[1] == server.launched[2]

    server.want_gone(*jobs_of(batch(2, cluster="other"), server.launched[2]))
    server.until(lambda: other.cancelled)

    assert cluster.cancelled == []


def test_a_slow_submission_does_not_keep_the_distributor_from_asking(drive, server, cluster):
    other = FakeCluster()
    driven = drive()
    driven.clusters["other"] = other
    cluster.script.append("hang")
    server.offer(batch(1))
    server.until(lambda: cluster.submitted)
    server.offer(batch(2, cluster="other"))
    server.until(lambda: 2 in server.launched)

    assert 1 not in server.launched
    assert server.requests[-1].in_hand == [1]
    cluster.go_on.set()


def test_nothing_is_submitted_twice_however_often_it_is_offered(drive, server, cluster):
    drive()
    for _ in range(20):
        server.offer(*(batch(number) for number in range(1, 11)))
    server.until(lambda: len(server.launched) == 10)

    assert sorted(cluster.submitted) == sorted(f"jm-1-{number}" for number in range(1, 11))


@pytest.mark.promise("F46")
@pytest.mark.promise("F03")
def test_a_batch_of_a_killed_distributor_is_adopted(drive, server, cluster):
    inherited = batch(1, look_first=True)
    job_id = cluster.accept(inherited)
    drive()
    server.offer(inherited)
    server.until(lambda: server.launched)

    assert server.launched == {1: job_id}
    assert cluster.submitted == []


@pytest.mark.promise("F46")
def test_a_batch_that_a_killed_distributor_never_submitted_is_submitted(drive, server, cluster):
    drive()
    server.offer(batch(1, look_first=True))
    server.until(lambda: server.launched)

    assert cluster.looked_up == ["jm-1-1"]
    assert cluster.submitted == ["jm-1-1"]


@pytest.mark.promise("F47")
@pytest.mark.parametrize("how", ["time out taken", "crash"])
def test_a_submission_without_a_clear_answer_is_found_by_name(drive, server, cluster, how):
    cluster.script.append(how)
    drive()
    server.offer(batch(1))
    server.until(lambda: server.launched)

    assert cluster.names() == cluster.submitted == ["jm-1-1"]


@pytest.mark.promise("F47")
def test_a_submission_that_never_arrived_is_made_again_after_a_look(drive, server, cluster):
    cluster.script.append("time out")
    drive()
    server.offer(batch(1))
    server.until(lambda: server.launched)

    assert cluster.submitted == ["jm-1-1"] * 2
    assert cluster.names() == cluster.looked_up == ["jm-1-1"]


@pytest.mark.promise("F54")
def test_a_limit_of_the_site_is_shown_and_waited_for(drive, server, cluster):
    cluster.script.extend(["refuse policy AssocMaxSubmitJobLimit"] * 3 + ["hang"])
    drive()
    server.offer(batch(1))
    server.until(lambda: server.notice == "AssocMaxSubmitJobLimit" and len(cluster.submitted) == 4)
    assert server.launched == {}
    cluster.go_on.set()
    server.until(lambda: server.launched)
    server.until(lambda: server.notice == "")

    assert server.refused == {}
    assert cluster.names() == ["jm-1-1"]


def test_a_refused_batch_is_reported_with_the_clusters_words(drive, server, cluster):
    cluster.script.append("refuse fatal Invalid account or partition")
    drive()
    server.offer(batch(1))
    server.until(lambda: server.refused)

    assert server.refused == {1: ("fatal", "Invalid account or partition")}
    assert cluster.jobs == {}


def test_batches_of_a_cluster_that_does_not_exist_are_refused_for_good(drive, server):
    driven = drive()
    server.offer(batch(1, cluster="nowhere"), batch(2, cluster="nowhere", look_first=True), batch(3))
    server.until(lambda: len(server.refused) == 2 and server.launched)

    assert server.refused[1][0] == server.refused[2][0] == "fatal"
    assert "there is no cluster 'nowhere'" in server.refused[1][1]
    assert [name for name, _ in driven.connected].count("nowhere") == 1


@pytest.mark.promise("F48")
def test_a_cluster_that_cannot_be_reached_now_makes_batches_wait(drive, server, cluster):
    cluster.answers = False
    drive()
    server.offer(batch(1))
    server.until(lambda: "Unable to contact slurm controller" in server.notice)
    assert server.launched == server.refused == {}
    cluster.answers = True
    server.until(lambda: server.launched)

    assert cluster.names() == ["jm-1-1"]


@pytest.mark.promise("F50")
def test_a_lost_cancel_is_repeated_until_the_job_is_seen_gone(drive, server, cluster):
    cluster.lost_cancels = 3
    job_id = cluster.accept(batch(1, size=2))
    drive()
    server.want_gone(*jobs_of(batch(1, size=2), job_id))
    server.until(lambda: len(server.observed) >= 2)

    assert {(o.instance_id, o.state) for o in server.observed} == {(1000, "gone"), (1001, "gone")}
    assert len(cluster.cancelled) >= 2 * 4


def test_a_job_is_cancelled_by_the_id_that_the_server_does_not_know_yet(drive, server, cluster):
    drive()
    server.offer(batch(1))
    server.until(lambda: server.launched)
    server.want_gone(*jobs_of(batch(1), job_id=""))
    server.until(lambda: server.observed)

    assert cluster.cancelled[0].job_id == "100"


def test_spare_places_are_cancelled_and_nothing_of_them_is_reported(drive, server, cluster):
    job_id = cluster.accept(batch(1, size=2))
    drive()
    server.spare(*jobs_of(batch(1, size=2), job_id))
    server.until(lambda: cluster.cancelled and server.requests[-1].spare_mark == 2)

    assert [(job.job_id, job.index) for job in cluster.cancelled] == [(job_id, 0), (job_id, 1)]
    assert server.observed == []


def test_what_is_spare_when_the_run_ends_is_cancelled_before_the_distributor_leaves(drive, server, cluster):
    driven = drive(pauses=Pauses(prune=Pause(1000, 1000)))
    server.offer(batch(1, size=2))
    server.until(lambda: server.launched)
    one, two = jobs_of(batch(1, size=2), server.launched[1])
    server.spare(one, two)
    server.until(lambda: server.requests[-1].spare_mark == 2)
    assert cluster.cancelled == []
    server.end("D")

    assert driven.end().exit_code == 0
    assert cluster.cancelled == [one, two]


def test_suspects_are_observed_and_the_answer_is_reported(drive, server, cluster):
    job_id = cluster.accept(batch(1))
    cluster.advance(1)
    drive()
    server.suspect(*jobs_of(batch(1), job_id))
    server.until(lambda: server.observed)

    assert {(o.instance_id, o.state) for o in server.observed} == {(1000, JobState.RUNNING)}  # perhaps twice


@pytest.mark.promise("F52")
def test_a_cluster_that_does_not_answer_says_nothing_about_a_suspect(drive, server, cluster):
    drive()
    server.offer(batch(1))
    server.until(lambda: server.launched)
    cluster.answers = False
    server.suspect(*jobs_of(batch(1), "100"))
    server.until(lambda: cluster.unanswered.count("observe") > 3)
    assert server.observed == []
    cluster.answers = True
    server.until(lambda: server.observed)

    assert server.observed[0].state == JobState.PENDING


def test_what_a_cluster_tells_by_itself_is_reported(drive, server, cluster):
    drive()
    server.offer(batch(1))
    server.until(lambda: server.launched)
    news = Observed(instance_id=1000, state=JobState.GONE, message="node failed")
    server.until(lambda: server.observed or cluster.news.append(news))  # again: it may come between two looks

    assert server.observed[0].message == "node failed"


@pytest.mark.promise("F65")
@pytest.mark.parametrize("error", [LeaseLost("fence 2"), ResumeSet("resume"), Superseded("gone")])
def test_a_distributor_that_lost_its_run_leaves_the_jobs_and_goes(drive, server, cluster, error):
    driven = drive()
    server.offer(batch(1))
    server.until(lambda: server.launched)
    server.fail(error)
    ending = driven.end()
    asked = len(server.requests)

    assert ending.exit_code == 0
    assert not ending.finished
    assert cluster.closed is False
    assert cluster.cancelled == []
    assert len(server.requests) == asked


@pytest.mark.promise("F65")
def test_a_run_that_another_distributor_drives_is_left_to_it(drive, server):
    server.fail(LeaseLost("driven by ann@login1, pid 7"))
    driven = drive()
    ending = driven.end()

    assert ending.exit_code == 0
    assert "driven by ann@login1" in ending.text
    assert not driven.alive.is_set()
    assert server.requests == []


@pytest.mark.promise("F02")
@pytest.mark.parametrize("error", [ServerUnreachable("away"), ServerError("bug"), StorageFull("full")])
def test_a_server_that_fails_is_asked_again_and_told_everything(drive, server, cluster, error):
    server.fail(error)
    drive()
    server.offer(batch(1))
    server.until(lambda: cluster.submitted)
    server.fail(error, error, error)
    server.until(lambda: server.launched)

    assert server.launched == {1: "100"}
    assert cluster.submitted == ["jm-1-1"]


def test_an_unforeseen_failure_ends_the_distributor_with_the_reason(drive, server, cluster):
    driven = drive()
    server.offer(batch(1))
    server.until(lambda: server.launched)
    server.fail(InvalidStateTransition("task_instance", 1, "D", "O"))
    ending = driven.end()

    assert ending.exit_code == 1
    assert "cannot go from D to O" in ending.text
    assert cluster.closed is False


@pytest.mark.parametrize(
    ("status", "finished"),
    [("D", True), ("E", True), ("S", True), ("A", False), ("T", False)],  # another run goes on with T's jobs
)
def test_the_end_of_the_run_ends_the_distributor(drive, server, cluster, status, finished):
    driven = drive()
    server.offer(batch(1))
    server.until(lambda: server.launched)
    with server._changed:
        server.launched.clear()  # nothing is active any more
    server.end(status)
    ending = driven.end()

    assert ending.exit_code == 0
    assert cluster.closed is finished


def test_a_run_that_ends_while_its_jobs_go_on_is_not_finished(drive, server, cluster):
    driven = drive()
    server.offer(batch(1))
    server.until(lambda: server.launched)
    server.end("E")
    driven.end()

    assert cluster.closed is False


@pytest.mark.parametrize("status", ["B", "I", "O", "R", "C", "H"])
def test_a_run_that_is_not_over_is_driven_on(drive, server, cluster, status):
    drive()
    server.end(status)
    server.offer(batch(1))
    server.until(lambda: server.launched)

    assert cluster.closed is None


def test_a_batch_that_waits_for_a_limit_is_not_submitted_after_the_end_of_the_run(drive, server, cluster):
    cluster.script.extend(["refuse policy limit"] * 1000)
    driven = drive(pauses=Pauses())
    server.offer(batch(1))
    server.until(lambda: server.notice)
    server.end("S")
    driven.end()

    assert cluster.names() == []
    assert server.launched == {}


@pytest.mark.promise("F66")
def test_told_to_leave_it_leaves_the_jobs_running_and_reports_what_it_did(drive, server, cluster):
    cluster.script.append("hang")
    driven = drive()
    server.offer(batch(1), batch(2))
    server.until(lambda: cluster.submitted)
    driven.loop.stop("SIGTERM")
    server.until(lambda: driven.loop._ended)
    cluster.go_on.set()
    ending = driven.end()

    assert ending.exit_code == 0
    assert server.launched == {1: "100"}
    assert cluster.submitted == ["jm-1-1"]
    assert cluster.cancelled == []
    assert cluster.closed is False


class Clock:
    """Time that jumps, as it does for a process that was suspended."""

    def __init__(self) -> None:
        self.ahead_seconds = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead_seconds


@pytest.mark.promise("F66")
def test_a_distributor_that_was_suspended_proves_its_lease_before_it_submits(drive, server, cluster):
    clock = Clock()
    cluster.script.append("hang")
    driven = drive(clock=clock)
    server.offer(batch(1), batch(2))
    server.until(lambda: cluster.submitted and server.polls_waiting)
    clock.ahead_seconds = 3600
    server.fail(LeaseLost("another distributor has it"))
    cluster.go_on.set()
    ending = driven.end()

    assert ending.exit_code == 0
    assert cluster.submitted == ["jm-1-1"]


def test_a_distributor_that_was_suspended_and_kept_its_lease_goes_on_at_once(drive, server, cluster):
    clock = Clock()
    cluster.script.append("hang")
    drive(clock=clock)
    server.offer(batch(1), batch(2))
    server.until(lambda: cluster.submitted and server.polls_waiting)
    clock.ahead_seconds = 3600
    cluster.go_on.set()
    server.until(lambda: len(server.launched) == 2)

    assert cluster.submitted == ["jm-1-1", "jm-1-2"]


def test_a_cluster_that_fails_to_close_does_not_keep_the_distributor(drive, server, cluster, monkeypatch):
    def close(finished):
        raise ClusterError("gone already")

    monkeypatch.setattr(cluster, "close", close)
    driven = drive()
    server.offer(batch(1))
    server.until(lambda: server.launched)
    server.end("D")

    assert driven.end().exit_code == 0


def test_wishes_that_the_server_repeats_in_every_answer_do_not_make_it_spin(drive, server, cluster):
    cluster.lost_cancels = 10**6
    server.want_gone(*jobs_of(batch(1), "100"))
    began = time.monotonic()
    drive(poll_seconds=0.001, pauses=Pauses())
    server.until(lambda: len(server.requests) >= 10)

    assert time.monotonic() - began > 0.6
