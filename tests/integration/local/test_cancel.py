"""Ending commands: on request, at their limits, with everything they started."""

import os
import signal
from pathlib import Path

import pytest

from integration.local.conftest import Connect, ended, executor_pid, gone
from integration.local.peer import Peer, wait_for
from jobmon.core.cluster import JobState
from jobmon.core.resources import Resources


def pids(file: Path, count: int) -> list[int]:
    """The pids that commands wrote into a file, once there are so many."""
    wait_for(lambda: file.exists() and len(file.read_text().split()) == count, f"{count} pids")
    return [int(word) for word in file.read_text().split()]


def test_waiting_attempts_are_dropped_and_running_ones_end(peer: Peer, connect: Connect, tmp_path: Path) -> None:
    batch = peer.batch([f"echo $$ >> {tmp_path}/pids; sleep 1000"] * 4)
    cluster = connect(parallelism=2)
    jobs = peer.jobs(batch, cluster.submit(batch))
    running = pids(tmp_path / "pids", 2)

    answered = cluster.cancel(jobs)
    wait_for(lambda: peer.statuses()["F"] == 2, "the running two")

    assert {(one.instance_id, one.state, one.status, one.failure_class) for one in answered} == {
        (id, JobState.GONE, "F", "killed") for id in (3, 4)
    }
    assert {peer.attempts[id].outcome.failure_class for id in (1, 2)} == {"killed"}  # type: ignore[union-attr]
    assert all(gone(pid) for pid in running)
    wait_for(lambda: {one.instance_id for one in cluster.cancel(jobs)} == {1, 2, 3, 4}, "all four gone")
    assert peer.statuses() == {"F": 2, "O": 2}  # nothing else was claimed


def test_observe_tells_what_waits_and_what_runs(peer: Peer, connect: Connect, tmp_path: Path) -> None:
    batch = peer.batch([f"echo $$ >> {tmp_path}/pids; sleep 1000"] * 3)
    cluster = connect(parallelism=1)
    jobs = peer.jobs(batch, cluster.submit(batch))
    pids(tmp_path / "pids", 1)

    seen = {one.instance_id: one.state for one in cluster.observe(jobs)}
    strange = cluster.observe(peer.jobs(batch, "another executor"))

    assert seen == {1: "running", 2: "pending", 3: "pending"}
    assert {(one.state, one.status, one.failure_class) for one in strange} == {("gone", "X", "infrastructure")}


def test_what_ignores_the_interrupt_is_killed(
    peer: Peer, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = tmp_path / "heard"
    for seconds in (0.3, 4, 40):  # more where the command was not fast enough to hear it before it was killed
        monkeypatch.setenv("JOBMON__WORKER__COMMAND_INTERRUPT_TIMEOUT_SECONDS", str(seconds))
        note = tmp_path / f"pid{seconds}"
        batch = peer.batch([f"trap 'echo TERM >> {heard}' TERM; echo $$ > {note}; while :; do sleep 0.05; done"])
        cluster = connect()
        jobs = peer.jobs(batch, cluster.submit(batch))
        (pid,) = pids(note, 1)

        cluster.cancel(jobs)
        outcome = peer.outcome(batch)

        assert (outcome.status, outcome.failure_class, outcome.exit_code) == ("F", "killed", -signal.SIGKILL)
        assert gone(pid)
        if heard.exists():
            break
        executor = executor_pid(cluster)
        cluster.close(finished=True)
        wait_for(lambda executor=executor: ended(executor), "the end of the executor")
    assert heard.read_text() == "TERM\n"


@pytest.mark.promise("F31")
def test_a_daemon_of_a_cancelled_command_goes_too(peer: Peer, connect: Connect, tmp_path: Path) -> None:
    batch = peer.batch(
        [f"setsid sh -c 'echo $$ >> {tmp_path}/pids; sleep 1000' & echo $$ >> {tmp_path}/pids; wait"]
    )
    cluster = connect()
    jobs = peer.jobs(batch, cluster.submit(batch))
    both = pids(tmp_path / "pids", 2)

    cluster.cancel(jobs)
    peer.outcome(batch)

    wait_for(lambda: all(gone(pid) for pid in both), "the end of both")


def test_the_server_can_stop_what_runs(peer: Peer, connect: Connect, tmp_path: Path) -> None:
    peer.heartbeat_seconds = 0.05
    batch = peer.batch([f"echo $$ >> {tmp_path}/pids; sleep 1000", "sleep 0.5"])
    connect().submit(batch)
    (pid,) = pids(tmp_path / "pids", 1)

    peer.attempts[1].stop = True
    stopped, other = peer.outcomes(batch)

    assert (stopped.status, stopped.failure_class) == ("F", "killed")
    assert other.status == "D"
    assert gone(pid)


def test_an_attempt_that_another_runner_has_is_asked_for_again(peer: Peer, connect: Connect) -> None:
    batch = peer.batch(["true", "true", "true"])
    peer.attempts[1].wait_seconds = 0.05
    peer.attempts[2].status = "D"  # over elsewhere: gone
    connect().submit(batch)
    wait_for(lambda: len(peer.requests) > 5, "several claims")

    peer.attempts[1].wait_seconds = 0
    wait_for(lambda: peer.attempts[1].outcome and peer.attempts[3].outcome, "the other two")

    assert peer.attempts[2].outcome is None
    assert sum(claim.start <= 1 < claim.start + claim.count for r in peer.requests for claim in r.claims) == 1


@pytest.mark.promise("F34")
def test_the_runtime_limit_ends_a_command(peer: Peer, connect: Connect, tmp_path: Path) -> None:
    cluster, note = connect(), tmp_path / "pid"
    for limit in (1, 5, 30):  # more where the command did not get so far as to say something
        batch = peer.batch(
            [f"echo slow >&2; echo $$ > {note}; sleep 1000; true"], Resources(runtime_seconds=limit)
        )
        cluster.submit(batch)
        outcome = peer.outcome(batch)

        assert (outcome.status, outcome.failure_class) == ("Z", "resource")
        assert f"exceeded its runtime limit of {limit} s" in outcome.message
        assert outcome.wall_seconds is not None and outcome.wall_seconds >= limit
        if note.exists() and note.read_text():
            break
    assert outcome.message.endswith("slow")
    assert gone(int(note.read_text()))


def test_a_command_within_its_runtime_limit_is_left_alone(peer: Peer, connect: Connect) -> None:
    cluster = connect(parallelism=2)
    for limit in (1, 5, 30):  # more where something stood still, so that a command took longer than it should
        batch = peer.batch([f"sleep {limit / 2}"] * 4, Resources(runtime_seconds=limit))
        cluster.submit(batch)
        outcomes = peer.outcomes(batch)

        assert all(one.status == "D" or (one.wall_seconds or 0) >= limit for one in outcomes)
        if {one.status for one in outcomes} == {"D"}:
            break
    assert {one.status for one in outcomes} == {"D"}


MEMORY_HOG = 'python3 -c "b = bytearray(400_000_000); import time; time.sleep(1000)"; exit 5'


@pytest.mark.promise("F32")
def test_the_memory_limit_ends_a_command(peer: Peer, connect: Connect) -> None:
    batch = peer.batch([MEMORY_HOG, "python3 -c 'bytearray(20_000_000)'"], Resources(memory_bytes=100 * 2**20))

    connect().submit(batch)
    outcome, small = peer.outcomes(batch)

    assert (outcome.status, outcome.failure_class) == ("Z", "resource"), outcome.message
    assert "exceeded its memory limit of 100M" in outcome.message
    assert outcome.peak_memory_bytes is not None and outcome.peak_memory_bytes > 90 * 2**20
    assert small.status == "D", small.message


@pytest.mark.promise("F35")
def test_sigterm_to_the_executor_ends_its_commands_as_infrastructure(
    peer: Peer, connect: Connect, tmp_path: Path
) -> None:
    batch = peer.batch([f"echo $$ >> {tmp_path}/pids; sleep 1000"] * 3)
    cluster = connect(parallelism=2)
    cluster.submit(batch)
    running = pids(tmp_path / "pids", 2)

    os.kill(executor_pid(cluster), signal.SIGTERM)
    wait_for(lambda: peer.statuses()["X"] == 2, "the outcomes")

    assert all(gone(pid) for pid in running)
    assert peer.attempts[1].outcome and peer.attempts[1].outcome.failure_class == "infrastructure"
