"""Deaths and absences: of the distributor, of the executor, of the server; nothing runs twice, nothing is lost."""

import os
import signal
import time
from pathlib import Path

import pytest

from integration.local.conftest import Connect, executor_pid, gone, replaced
from integration.local.peer import Peer, wait_for
from jobmon.distributor.local import identity, journal


def witness(file: Path, seconds: float) -> str:
    """A command that writes down its start and its end."""
    own = "$JOBMON_TASK_INSTANCE_ID"
    return f"echo start {own} >> {file}; sleep {seconds}; echo end {own} >> {file}"


def held(file: Path) -> str:
    """The same, which ends when the test wants it (`let_end`)."""
    own = "$JOBMON_TASK_INSTANCE_ID"
    return f"echo start {own} >> {file}; until [ -e {file}.go ]; do sleep 0.02; done; echo end {own} >> {file}"


def let_end(file: Path) -> None:
    """All that are held."""
    file.with_name(f"{file.name}.go").touch()


def starts(file: Path) -> list[str]:
    """The attempts that were started, as often as they were."""
    return sorted(line.split()[1] for line in file.read_text().splitlines() if line.startswith("start"))


def lines(file: Path) -> int:
    """How much was written down."""
    return len(file.read_text().splitlines()) if file.exists() else 0


@pytest.mark.promise("F63")
def test_the_death_of_a_distributor_disturbs_nothing(peer: Peer, connect: Connect, tmp_path: Path) -> None:
    batch = peer.batch([held(tmp_path / "log")] * 6)
    first = connect()
    job_id = first.submit(batch)
    pid = executor_pid(first)
    wait_for(lambda: lines(tmp_path / "log") >= 2, "the first two")

    first._executor.drop()  # what a death looks like from the other end
    second = connect()
    found = second.look_up([batch])
    let_end(tmp_path / "log")
    outcomes = peer.outcomes(batch)

    assert (found[batch.batch_id].job_id, executor_pid(second)) == (job_id, pid)
    assert {outcome.status for outcome in outcomes} == {"D"}
    assert starts(tmp_path / "log") == [str(id) for id in range(1, 7)]


@pytest.mark.promise("F46")
def test_a_batch_is_taken_once_and_an_unknown_one_is_absent(peer: Peer, connect: Connect, tmp_path: Path) -> None:
    known, unknown = peer.batch([witness(tmp_path / "log", 0)] * 3), peer.batch(["true"])
    cluster = connect()

    ids = {cluster.submit(known), cluster.submit(known), connect().submit(known)}
    peer.outcomes(known)
    ids.add(cluster.submit(known))
    looks = cluster.look_up([known, unknown])

    assert len(ids) == 1
    assert (looks[known.batch_id].absent, looks[unknown.batch_id].absent) == (False, True)
    wait_for(lambda: lines(tmp_path / "log") == 6, "both lines of each")
    assert starts(tmp_path / "log") == ["1", "2", "3"]


@pytest.mark.promise("F30")
def test_a_killed_executor_is_replaced_and_nothing_runs_twice(
    peer: Peer, connect: Connect, tmp_path: Path
) -> None:
    short, endless = witness(tmp_path / "log", 0), witness(tmp_path / "log", 1000)
    batch = peer.batch([*[short] * 4, *[endless] * 2, *[short] * 6])
    cluster = connect()
    job_id = cluster.submit(batch)
    wait_for(lambda: lines(tmp_path / "log") == 10, "the first six")

    old = executor_pid(cluster)
    os.kill(old, signal.SIGKILL)
    wait_for(lambda: replaced(cluster, old), "another executor")
    outcomes = peer.outcomes(batch)

    assert "".join(outcome.status for outcome in outcomes) == "DDDDXXDDDDDD"
    assert {outcome.failure_class for outcome in outcomes[4:6]} == {"infrastructure"}
    assert len(starts(tmp_path / "log")) == len(set(starts(tmp_path / "log"))) == 12
    assert cluster.submit(batch) == job_id


@pytest.mark.promise("F46")
@pytest.mark.slow
def test_many_deaths_of_executor_and_distributor(peer: Peer, connect: Connect, tmp_path: Path) -> None:
    batches = [peer.batch([witness(tmp_path / "log", 0.005)] * 100) for _ in range(4)]
    cluster = connect()
    for round in range(8):
        cluster.submit(batches[round % 4])
        time.sleep(0.03 * round)  # another moment each time
        os.kill(executor_pid(cluster), signal.SIGKILL)
        cluster._executor.drop()
        cluster = connect()
    for batch in batches:
        cluster.submit(batch)
        peer.outcomes(batch)

    assert len(set(starts(tmp_path / "log"))) == len(starts(tmp_path / "log"))
    assert set(peer.statuses()) <= {"D", "X"}
    assert peer.statuses()["X"] < 8 * 30


@pytest.mark.promise("F30")
def test_without_a_journal_a_new_executor_is_another_one(
    peer: Peer, connect: Connect, tmp_path: Path, state_dir: Path
) -> None:
    batch = peer.batch([witness(tmp_path / "log", 1000)] * 3)
    cluster = connect()
    old = cluster.submit(batch)
    wait_for(lambda: lines(tmp_path / "log") == 2, "two running")

    (state_dir / journal.JOURNAL).unlink()
    os.kill(executor_pid(cluster), signal.SIGKILL)
    told = wait_for(cluster.events, "the events")
    observed = cluster.observe(peer.jobs(batch, old))

    expected = {(id, "gone", "X") for id in (1, 2, 3)}
    assert {(one.instance_id, one.state, one.status) for one in told} == expected
    assert {(one.instance_id, one.state, one.status) for one in observed} == expected
    assert cluster.events() == []
    assert cluster.submit(batch) != old
    wait_for(lambda: lines(tmp_path / "log") == 3, "the one that had not run")
    assert starts(tmp_path / "log") == ["1", "2", "3"]


@pytest.mark.promise("F30")
@pytest.mark.parametrize("hides", ["env -i sh -c", "setsid sh -c", "exec env -i sh -c"])
def test_a_new_executor_first_ends_what_the_old_one_left(
    peer: Peer, connect: Connect, tmp_path: Path, hides: str
) -> None:
    batch = peer.batch([f"{hides} 'echo $$ > {tmp_path}/pid; /bin/sleep 1000; :'"])
    cluster = connect()
    cluster.submit(batch)
    wait_for(lambda: lines(tmp_path / "pid") == 1, "the command")
    pid, old = int((tmp_path / "pid").read_text()), executor_pid(cluster)

    os.kill(old, signal.SIGKILL)
    wait_for(lambda: replaced(cluster, old), "another executor")

    assert gone(pid)


@pytest.mark.promise("F06")
def test_after_a_reboot_the_server_hears_of_what_was_lost(
    peer: Peer, connect: Connect, tmp_path: Path, state_dir: Path
) -> None:
    batch = peer.batch([witness(tmp_path / "log", 1000), witness(tmp_path / "log", 1000)])
    cluster = connect(parallelism=1)
    job_id = cluster.submit(batch)
    wait_for(lambda: lines(tmp_path / "log") == 1, "the first")
    old = executor_pid(cluster)
    os.kill(old, signal.SIGSTOP)  # so that nothing is written any more

    for name in (journal.JOURNAL, identity.NOTE):
        file = state_dir / name
        file.write_bytes(file.read_bytes().replace(identity.boot_id().encode(), b"another-boot"))
    os.kill(old, signal.SIGKILL)
    wait_for(lambda: cluster.events() or replaced(cluster, old), "another executor")
    wait_for(lambda: peer.statuses()["X"] == 1, "the outcome of the first")
    observed = cluster.observe(peer.jobs(batch, job_id))

    assert {(one.instance_id, one.state) for one in observed} == {(1, "gone"), (2, "gone")}
    assert starts(tmp_path / "log") == ["1"]
    wait_for(lambda: b'"before":null' in (state_dir / journal.JOURNAL).read_bytes(), "the journal")


def test_a_server_that_leaves_no_note_is_where_the_distributor_says(peer: Peer, connect: Connect) -> None:
    (peer.folder / "server.json").unlink()
    first, second = peer.batch(["true"]), peer.batch(["true"])
    connect().submit(first)
    assert peer.outcome(first).status == "D"

    peer.stop()
    peer.start()
    (peer.folder / "server.json").unlink()
    connect().submit(second)

    assert peer.outcome(second).status == "D"


@pytest.mark.promise("F05")
def test_commands_go_on_while_the_server_is_away(peer: Peer, connect: Connect, tmp_path: Path) -> None:
    peer.heartbeat_seconds = 0.1
    batch = peer.batch([held(tmp_path / "log")] * 4)
    connect().submit(batch)
    wait_for(lambda: lines(tmp_path / "log") == 2, "the first two")

    peer.stop()
    let_end(tmp_path / "log")
    wait_for(lambda: lines(tmp_path / "log") == 4, "their ends")
    assert peer.statuses()["D"] == 0
    peer.start()
    outcomes = peer.outcomes(batch)

    assert {outcome.status for outcome in outcomes} == {"D"}
    assert starts(tmp_path / "log") == ["1", "2", "3", "4"]


@pytest.mark.promise("F06")
def test_outcomes_outlive_an_executor_that_dies_while_the_server_is_away(
    peer: Peer, connect: Connect, tmp_path: Path
) -> None:
    batch = peer.batch([held(tmp_path / "log")] * 2)
    cluster = connect()
    cluster.submit(batch)
    wait_for(lambda: lines(tmp_path / "log") == 2, "both")

    peer.stop()
    let_end(tmp_path / "log")
    wait_for(lambda: lines(tmp_path / "log") == 4, "their ends")
    wait_for(lambda: b'["ended",' in next(tmp_path.rglob(journal.JOURNAL)).read_bytes(), "the journal")
    os.kill(executor_pid(cluster), signal.SIGKILL)
    other = connect()
    wait_for(other._executor.tend, "another executor")
    peer.start()
    outcomes = peer.outcomes(batch)

    assert "D" in {outcome.status for outcome in outcomes} <= {"D", "X"}
    assert starts(tmp_path / "log") == ["1", "2"]


@pytest.mark.promise("F08")
def test_a_lost_reply_starts_nothing_twice(peer: Peer, connect: Connect, tmp_path: Path) -> None:
    batch = peer.batch([witness(tmp_path / "log", 0)] * 20)
    peer.lose_replies = 3
    connect().submit(batch)
    wait_for(lambda: peer.statuses()["D"] >= 6, "some")

    peer.lose_replies = 3
    outcomes = peer.outcomes(batch)

    assert {outcome.status for outcome in outcomes} == {"D"}
    assert len(starts(tmp_path / "log")) == 20


def test_one_request_that_is_refused_loses_no_other(peer: Peer, connect: Connect) -> None:
    batch = peer.batch(["true"] * 50)
    peer.refuse = 2  # the whole, then its first half
    connect().submit(batch)

    wait_for(lambda: peer.statuses()["D"] == 49, "the others")


def test_heartbeats_are_about_what_is_claimed(peer: Peer, connect: Connect, tmp_path: Path) -> None:
    peer.heartbeat_seconds = 0.05
    batch = peer.batch([held(tmp_path / "log"), held(tmp_path / "log"), "true"])
    connect().submit(batch)

    wait_for(lambda: peer.attempts[1].beats >= 3 and peer.attempts[2].beats >= 3, "three beats of each that runs")
    waits = peer.attempts[3].beats
    let_end(tmp_path / "log")
    peer.outcomes(batch)

    assert waits == 0
    sequences = [request.sequence for request in peer.requests]
    assert sequences == sorted(set(sequences))


def test_an_executor_ends_when_it_is_told_and_empty(peer: Peer, connect: Connect, state_dir: Path) -> None:
    batch = peer.batch(["sleep 0.3"])
    cluster = connect()
    cluster.submit(batch)
    pid = executor_pid(cluster)

    cluster.close(finished=True)

    assert peer.outcome(batch).status == "D"
    wait_for(lambda: os.waitpid(pid, os.WNOHANG)[0] == pid, "its end")
    assert sorted(path.name for path in state_dir.iterdir()) == ["executor.lock", "executor.log"]


def test_a_good_bye_to_an_executor_that_has_ended_starts_none(
    peer: Peer, connect: Connect, state_dir: Path
) -> None:
    first, second = connect(), connect()
    pid = executor_pid(first)
    assert executor_pid(second) == pid
    first.close(finished=True)
    second.close(finished=True)
    wait_for(lambda: os.waitpid(pid, os.WNOHANG)[0] == pid, "its end")

    second.close(finished=False)
    first.close(finished=False)

    assert sorted(path.name for path in state_dir.iterdir()) == ["executor.lock", "executor.log"]


def test_two_executors_never_share_a_folder(peer: Peer, connect: Connect) -> None:
    one, other = connect(), connect()

    assert executor_pid(one) == executor_pid(other)


def test_a_distributor_that_does_not_read_holds_up_nobody(peer: Peer, connect: Connect) -> None:
    batch = peer.batch(["sleep 0.01"] * 2000)
    deaf, cluster = connect(), connect()
    job_id = cluster.submit(batch)
    import msgspec

    from jobmon.distributor.local import channel
    from jobmon.distributor.local.messages import Observe

    deaf._executor.welcome()
    assert deaf._executor._socket is not None
    jobs = peer.jobs(batch, job_id)
    question = channel.frame(
        msgspec.json.encode(
            Observe(
                batch_id=[job.batch_id for job in jobs],
                index=[job.index for job in jobs],
                instance_id=[job.instance_id for job in jobs],
            )
        )
    )
    deaf._executor._socket.settimeout(0.2)
    for _ in range(200):
        try:
            deaf._executor._socket.sendall(question)
        except TimeoutError:
            break

    assert len(cluster.observe(jobs)) > 0
