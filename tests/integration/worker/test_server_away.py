"""A worker whose server is away, answers nonsense or has moved: before, while and after its command runs."""

import json
import ssl
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from fakes.spool import read_spool
from fakes.work_peer import (
    BUSY,
    DROP,
    HANG,
    INSTANCE,
    LOGIN,
    PROXY,
    TRUNCATE,
    WorkPeer,
    denial,
    wait_until,
)
from jobmon.core.wire import WorkRequest

RunWorker = Callable[..., tuple[int, str]]
StartWorker = Callable[..., subprocess.Popen[str]]
EVERY_FAULT = [DROP, TRUNCATE, HANG, BUSY, PROXY, LOGIN]


@pytest.fixture
def witness(peer: WorkPeer) -> Path:
    """A file that gets a line each time the command starts."""
    witness = peer.folder / "witness"
    peer.command = f"echo started >> {witness}"
    return witness


@pytest.mark.promise("F04")
def test_without_a_server_the_command_is_never_started(
    peer: WorkPeer, run_worker: RunWorker, witness: Path
) -> None:
    peer.close()

    code, told = run_worker("--start-wait=0.3")

    assert code == 75
    assert "never started: " in told
    assert "Connection refused" in told
    assert not witness.exists()


@pytest.mark.promise("F04")
def test_a_server_that_never_answers_does_not_let_the_command_start(
    peer: WorkPeer, run_worker: RunWorker, witness: Path
) -> None:
    peer.faults["claims"] = [PROXY, LOGIN] * 100

    code, told = run_worker("--start-wait=0.3")

    assert code == 75
    assert "is not an answer of a Jobmon server" in told
    assert not witness.exists()


@pytest.mark.promise("F04")
@pytest.mark.promise("F15")
def test_a_server_that_comes_later_and_elsewhere_is_found(
    peer: WorkPeer, start_worker: StartWorker, witness: Path
) -> None:
    note = peer.folder / "server.json"
    note.write_text(json.dumps({"url": "http://127.0.0.1:1", "pid": 1}))
    worker = start_worker("--url=", f"--server-file={note}")

    note.write_text(json.dumps({"url": peer.url}))
    worker.wait(120)

    assert worker.returncode == 0
    assert witness.read_text() == "started\n"


@pytest.mark.promise("F08")
@pytest.mark.promise("F11")
@pytest.mark.promise("F13")
@pytest.mark.parametrize("fault", EVERY_FAULT)
@pytest.mark.parametrize("kind", ["claims", "outcomes"])
def test_a_request_without_an_answer_is_repeated_and_the_command_runs_once(
    peer: WorkPeer, run_worker: RunWorker, witness: Path, kind: str, fault: str
) -> None:
    peer.faults[kind] = [fault, fault]
    peer.heartbeat_seconds = 60

    ended = run_worker(*["--request-timeout=0.5"] * (fault == HANG))

    assert ended == (0, "")
    assert witness.read_text() == "started\n"
    assert peer.faults[kind] == []
    assert len(peer.said(kind)) == 3 or fault == HANG  # whose worker may take a slow answer for none
    assert len({msgspec.json.encode(request) for request in peer.said(kind)}) == 1
    assert peer.outcome().status == "D"


@pytest.mark.promise("F12")
def test_the_time_that_a_busy_server_asks_for_is_given(peer: WorkPeer, run_worker: RunWorker) -> None:
    peer.faults["claims"] = [BUSY]
    peer.retry_after_seconds = 2

    code, told = run_worker("--start-wait=1")

    assert code == 75
    assert "503 ServerBusy: later" in told
    assert peer.kinds() == ["claims"]


@pytest.mark.promise("F05")
@pytest.mark.promise("F11")
def test_a_silent_server_never_ends_the_command_and_hears_of_it_again(
    peer: WorkPeer, start_worker: StartWorker
) -> None:
    peer.command = "sleep 1000"
    peer.faults["alive"] = [DROP, HANG, PROXY, BUSY, TRUNCATE, LOGIN]
    worker = start_worker("--request-timeout=0.2")

    peer.wait_for_requests("alive", more=9)

    assert worker.poll() is None
    assert peer.faults["alive"] == []
    assert {tuple(request.alive) for request in peer.said("alive")} == {(INSTANCE,)}


@pytest.mark.promise("F05")
def test_the_server_may_be_gone_for_the_whole_of_the_run(
    peer: WorkPeer, start_worker: StartWorker, tmp_path: Path
) -> None:
    go = peer.folder / "go"
    note = peer.folder / "server.json"
    note.write_text(json.dumps({"url": peer.url}))
    peer.command = f"until [ -e {go} ]; do sleep 0.02; done"
    worker = start_worker("--url=", f"--server-file={note}")
    peer.wait_for_requests("alive")

    peer.close()
    go.write_text("")
    later = WorkPeer(tmp_path)
    note.write_text(json.dumps({"url": later.url}))
    later.wait_for_requests("outcomes")
    worker.wait(120)
    later.close()

    assert (worker.returncode, later.outcome().status) == (0, "D")


@pytest.mark.promise("F06")
@pytest.mark.parametrize("code", [0, 5])
def test_an_outcome_that_nobody_takes_is_kept_for_later(peer: WorkPeer, run_worker: RunWorker, code: int) -> None:
    peer.command = f"exit {code}"
    peer.faults["outcomes"] = [DROP] * 1000

    ended, told = run_worker("--report-retry=0.2")
    ((path, body),) = read_spool(str(peer.folder / "spool"))
    replayed = msgspec.convert(body, WorkRequest)

    assert ended == code
    assert f"the outcome is kept in {path}" in told
    assert replayed == peer.said("outcomes")[0]
    assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600


@pytest.mark.promise("F06")
def test_a_server_that_does_not_know_the_token_leaves_the_outcome_in_the_spool(
    peer: WorkPeer, start_worker: StartWorker
) -> None:
    begun, go = peer.folder / "begun", peer.folder / "go"
    peer.command = f"touch {begun}; until [ -e {go} ]; do sleep 0.02; done"
    peer.heartbeat_seconds = 60
    worker = start_worker()
    wait_until(begun.exists)

    (peer.folder / "token").write_text("another")
    peer.cut()
    go.write_text("")
    _, told = worker.communicate(timeout=120)

    assert worker.returncode == 0
    assert len([*read_spool(str(peer.folder / "spool"))]) == 1
    assert "could not report the outcome" in told
    assert peer.refused.pop().startswith("AssertionError")


@pytest.mark.promise("F28")
def test_a_second_copy_waits_for_its_turn(peer: WorkPeer, run_worker: RunWorker, witness: Path) -> None:
    peer.denials = [denial("wait"), denial("wait")]

    ended = run_worker()

    assert ended == (0, "")
    assert peer.kinds().count("claims") == 3
    assert witness.read_text() == "started\n"


@pytest.mark.promise("F28")
def test_a_second_copy_goes_when_the_first_has_finished(
    peer: WorkPeer, run_worker: RunWorker, witness: Path
) -> None:
    peer.denials = [denial("wait"), denial("gone")]

    code, told = run_worker()

    assert code == 0
    assert "attempt 3 of batch 7 is not wanted any more" in told
    assert peer.kinds() == ["claims", "claims"]
    assert not witness.exists()


@pytest.mark.promise("F27")
def test_a_superseded_worker_kills_its_command_and_goes_without_a_word(
    peer: WorkPeer, start_worker: StartWorker
) -> None:
    pid_file = peer.folder / "pid"
    peer.command = f"trap '' TERM; sleep 1000 & echo $! > {pid_file}.new; mv {pid_file}.new {pid_file}; wait"
    worker = start_worker("--interrupt-timeout=1000")
    wait_until(pid_file.exists)

    peer.superseded = True
    _, told = worker.communicate(timeout=120)

    assert worker.returncode == 137
    assert "another runner has this attempt now" in told
    assert not Path(f"/proc/{pid_file.read_text().strip()}").exists()
    assert peer.said("outcomes") == []


@pytest.mark.promise("F27")
def test_an_outcome_that_is_superseded_is_dropped(peer: WorkPeer, run_worker: RunWorker) -> None:
    peer.superseded = True
    peer.heartbeat_seconds = 60
    peer.command = "exit 6"

    code, told = run_worker()

    assert code == 6
    assert "the outcome is not wanted any more: another runner has it" in told
    assert [*read_spool(str(peer.folder / "spool"))] == []


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of 127.0.0.1 with its key, signed by itself."""
    path = tmp_path / "certificate.pem"
    request = "req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=test -addext subjectAltName=IP:127.0.0.1"
    subprocess.run(
        ["openssl", *request.split(), "-keyout", path, "-out", tmp_path / "c"], check=True, capture_output=True
    )
    path.write_text(path.read_text() + (tmp_path / "c").read_text())
    return path


@pytest.mark.promise("F15")
@pytest.mark.parametrize("trusted", [True, False])
def test_a_server_behind_tls_must_be_trusted(
    peer: WorkPeer, run_worker: RunWorker, certificate: Path, trusted: bool
) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    secure = WorkPeer(peer.folder, tls)
    secure.heartbeat_seconds = 60
    environment = {"SSL_CERT_FILE": str(certificate)} if trusted else {}

    patience = 120 if trusted else 1
    code, told = run_worker(f"--url={secure.url}", f"--start-wait={patience}", environment=environment)
    secure.close()

    assert (code, secure.kinds()) == ((0, ["claims", "outcomes"]) if trusted else (75, []))
    assert ("certificate verify failed" in told) is not trusted


def test_a_token_that_others_can_read_is_not_used(peer: WorkPeer, run_worker: RunWorker) -> None:
    (peer.folder / "token").chmod(0o640)

    code, told = run_worker()

    assert code == 75
    assert "can be read by others; run `chmod 600" in told
    assert peer.requests == []
