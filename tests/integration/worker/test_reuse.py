"""A worker that takes further attempts of its batch in its own place on the cluster."""

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from fakes.work_peer import BUSY, DROP, INDEX, INSTANCE, WorkPeer, wait_until
from jobmon.core import wire
from jobmon.core.resources import Resources

RunWorker = Callable[..., tuple[int, str]]


def test_after_a_good_end_it_asks_with_its_report_and_goes_on_until_there_is_none(
    peer: WorkPeer, run_worker: RunWorker
) -> None:
    peer.command, peer.heartbeat_seconds = "echo own", 60
    peer.guests = ["echo second $JOBMON_TASK_ID", "echo first $JOBMON_TASK_ID >&2"]

    ended = run_worker("--reuse=600")

    assert ended == (0, "")
    assert peer.kinds() == ["claims"] + ["outcomes"] * 3
    further = [wire.Claim(batch_id=peer.requests[0].claims[0].batch_id, start=INDEX, further=True)]
    assert [request.claims for request in peer.said("outcomes")] == [further] * 3
    assert [(one.instance_id - INSTANCE, one.token, one.status) for one in peer.outcomes()] == [
        (0, "attempt-secret", "D"),
        (2, "secret 2", "D"),
        (1, "secret 1", "D"),
    ]
    assert Path(peer.stderr_dir, f"guest.e{INSTANCE + 2}").read_text() == "first 7\n"
    assert Path(peer.stdout_dir, f"guest.o{INSTANCE + 1}").read_text() == "second 6\n"
    assert len({request.runner for request in peer.requests}) == 1


@pytest.mark.parametrize(("reuse", "command"), [("0", "true"), ("0.01", "sleep 0.1"), ("60", "exit 3")])
def test_neither_an_old_worker_nor_one_whose_command_failed_asks_for_more(
    peer: WorkPeer, run_worker: RunWorker, reuse: str, command: str
) -> None:
    peer.command, peer.guests = command, ["true"]

    run_worker(f"--reuse={reuse}")

    assert peer.said("outcomes")[0].claims == []
    assert len(peer.outcomes()) == 1


def test_the_failure_of_a_further_attempt_is_its_own(peer: WorkPeer, run_worker: RunWorker) -> None:
    peer.guests = ["echo bad >&2; exit 3"]

    exit_code, _ = run_worker("--reuse=600")
    own, other = peer.outcomes()

    assert (own.status, other.status, other.exit_code, exit_code) == ("D", "E", 3, 3)
    assert "bad" in other.message


@pytest.mark.promise("F08")
@pytest.mark.parametrize("fault", [DROP, BUSY])
def test_a_lost_answer_is_asked_for_again(peer: WorkPeer, run_worker: RunWorker, fault: str) -> None:
    peer.faults["outcomes"] = [fault]

    exit_code, _ = run_worker("--reuse=600")
    first, second = peer.said("outcomes")

    assert exit_code == 0
    assert first == second


@pytest.mark.promise("F06")
def test_an_outcome_that_is_kept_in_the_spool_asks_for_nothing(
    peer: WorkPeer, run_worker: RunWorker, tmp_path: Path
) -> None:
    peer.faults["outcomes"], peer.guests = [BUSY] * 1000, ["true"]

    run_worker("--reuse=600", "--report-retry=0.2")
    (kept,) = (tmp_path / "spool").glob("*.json")
    request = json.loads(kept.read_text())

    assert request["outcomes"][0]["status"] == "D"
    assert not request.get("claims")


@pytest.mark.promise("F35")
def test_a_signal_ends_the_attempt_that_runs_and_nothing_follows(peer: WorkPeer, start_worker, tmp_path) -> None:
    begun = tmp_path / "begun"
    peer.guests = ["true", f"touch {begun}; sleep 1000"]
    worker = start_worker("--reuse=600")
    wait_until(begun.exists)

    worker.send_signal(signal.SIGTERM)
    worker.wait(120)

    assert [one.status for one in peer.outcomes()] == ["D", "T"]
    assert peer.guests == ["true"]


def test_what_the_server_said_of_the_last_attempt_does_not_stop_the_next(peer: WorkPeer, start_worker) -> None:
    def alive() -> set[int]:
        return {id - INSTANCE for request in peer.said("alive") for id in request.alive}

    held = "until [ -e {} ]; do sleep 0.02; done"
    go = [peer.folder / f"go{number}" for number in range(4)]
    peer.heartbeat_seconds, peer.command = 0.01, held.format(go[0])
    peer.guests = [held.format(one) for one in go[1:]]  # the last one is the first to be asked for
    worker = start_worker("--reuse=600")
    for number in (0, 3, 2, 1):
        peer.wait(lambda number=number: number in alive())
        go[number].touch()
    worker.wait(120)

    assert [one.status for one in peer.outcomes()] == ["D"] * 4
    assert alive() == {0, 1, 2, 3}


def test_each_attempt_has_its_run_time_to_itself(peer: WorkPeer, run_worker: RunWorker) -> None:
    for limit in (1, 5, 20):  # more where something stood still for as long as the limit leaves
        peer.requests.clear()
        peer.command, peer.resources = f"sleep {0.7 * limit}", Resources(runtime_seconds=limit)
        peer.guests = ["sleep 1000", f"sleep {0.7 * limit}"]

        run_worker("--reuse=600")
        statuses = [one.status for one in peer.outcomes()]
        if statuses == ["D", "D", "Z"]:
            break

    assert statuses == ["D", "D", "Z"]


def test_no_file_stays_open_from_one_attempt_to_the_next(peer: WorkPeer, run_worker: RunWorker) -> None:
    peer.heartbeat_seconds = 60
    peer.guests = ["ls /proc/$PPID/fd | wc -l"] * 20

    run_worker("--reuse=600")
    counts = [int(path.read_text()) for path in Path(peer.stdout_dir).glob("guest.o*")]

    assert len(counts) == 20
    assert max(counts) - min(counts) < len(counts) / 2, counts  # the last attempt's thread may be ending still


def test_a_working_dir_is_the_same_for_each_attempt(peer: WorkPeer, run_worker: RunWorker, tmp_path: Path) -> None:
    (tmp_path / "here" / "sub").mkdir(parents=True)
    peer.command, peer.resources = "pwd", Resources(options={"working_dir": "sub"})
    peer.guests = ["pwd"]

    run_worker("--reuse=600", f"--working-dir={tmp_path}/here")
    printed = [path.read_text().strip() for path in Path(peer.stdout_dir).iterdir()]

    assert printed == [f"{tmp_path}/here/sub"] * 2
