"""A site's server as a process, its users as processes: real HTTP, a real munged, a real unix socket."""

import multiprocessing
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner

from clusters.databases import free_port
from jobmon.client.login import by_socket
from jobmon.core import munge, routes, wire
from jobmon.core.exceptions import ConfigError, Forbidden, ServerUnreachable, Unauthorized
from jobmon.core.http import Address, Server
from jobmon.server.cli import main as jobmon_server
from jobmon.server.tokens import attempt_token

BIN = Path(sys.executable).parent
MUNGED = shutil.which("munged", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
STRANGER = 65534  # nobody
TOKEN = re.compile(rb"jm[ud]_[A-Za-z0-9_-]{20,}|MUNGE:[A-Za-z0-9+/=]{20,}:")
SCRIPT = """
from jobmon.client.api import Tool
tool = Tool("who")
step = tool.get_task_template(
    template_name="step",
    command_template="echo {number}; until [ -e {go} ]; do sleep 0.05; done",
    node_args=["number"],
    op_args=["go"],
)
workflow = tool.create_workflow(default_cluster_name="multiprocess", workflow_args="one")
workflow.add_tasks([step.create_task(number=number, go='GO') for number in range(3)])
print(workflow.run())
"""

needs_munge = pytest.mark.skipif(MUNGED is None, reason="munged is not installed")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 120) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"no {what} within {seconds} s"
        time.sleep(0.01)
    return found


def end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def as_stranger(act: Callable[..., Any], *arguments: Any) -> Any:
    """What a function gives to another user of this machine."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()

    def child() -> None:
        os.setgroups([])
        os.setgid(STRANGER)
        os.setuid(STRANGER)
        try:
            theirs.send(act(*arguments))
        except Exception as error:  # noqa: BLE001  # shown by the parent
            theirs.send(error)

    process = context.Process(target=child)
    process.start()
    assert ours.poll(120)
    found = ours.recv()
    process.join(30)
    if isinstance(found, Exception):
        raise found
    return found


class Site(NamedTuple):
    """A running server, and the folder of everything about it."""

    url: str
    folder: Path
    environment: dict[str, str]

    def admin(self, *words: str) -> str:
        """What `jobmon-server` prints."""
        done = CliRunner().invoke(jobmon_server, words, env=self.environment, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout

    def user(self, home: str, *words: str, stdin: str = "", ok: bool = True, url: str = "") -> str:
        """What `jobmon` prints to a user with that home; what it complains of when it is not to succeed."""
        environment = {**self.environment, **self.of_user(home)}
        if url:
            environment["JOBMON__HTTP__SERVICE_URL"] = url
        command = [str(BIN / "jobmon"), *words]
        done = subprocess.run(command, env=environment, input=stdin, capture_output=True, text=True, timeout=120)
        assert (done.returncode == 0) == ok, done.stdout + done.stderr
        return done.stdout + (done.stderr if not ok else "")

    def of_user(self, home: str) -> dict[str, str]:
        """The settings of a user."""
        folder = self.folder / home
        folder.mkdir(exist_ok=True, mode=0o700)
        return {
            "HOME": str(folder),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "JOBMON__SERVER__DATA_DIR": str(folder / "data"),
            "JOBMON__RUN__DIR": str(folder / "runs"),
            "JOBMON__HTTP__SERVICE_URL": self.url,
            "JOBMON__HTTP__RETRY_SECONDS": "120",
        }

    def server(self, token: str) -> Server:
        return Server(lambda: Address(self.url, token), 60, retry_seconds=120)

    def token_of(self, home: str) -> str:
        [file] = (self.folder / home / "config" / "jobmon" / "tokens").iterdir()
        return file.read_text()


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that other users can pass through, as pytest's own cannot be."""
    folder = Path(tempfile.mkdtemp(prefix="jobmon-who-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def munge_socket(place: Path) -> Iterator[str]:
    """A munged of this test's own."""
    if MUNGED is None:
        yield ""
        return
    folder = place / "munge"
    folder.mkdir(mode=0o755)
    key = folder / "key"
    key.touch(mode=0o600)
    key.write_bytes(os.urandom(128))
    files = {
        "key-file": key,
        "socket": folder / "socket",
        "pid-file": folder / "pid",
        "seed-file": folder / "seed",
    }
    options = [f"--{name}={file}" for name, file in files.items()]
    with (folder / "out").open("wb") as out:
        process = subprocess.Popen([MUNGED, "--foreground", "--force", *options], stdout=out, stderr=out)
    wait_for(lambda: _signs(folder / "socket"), "munged")
    yield str(folder / "socket")
    end(process)


def _signs(path: Path) -> bool:
    """Whether munged is there to make a credential."""
    with suppress(ConfigError):
        return bool(munge.encode(b"anything", str(path)))
    return False


def served(folder: Path, bind: str, **more: str) -> tuple[subprocess.Popen[bytes], dict[str, str]]:
    folder.mkdir(mode=0o755)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("JOBMON_")},
        "JOBMON__SERVER__DATA_DIR": str(folder / "site"),
        "JOBMON__SERVER__AUTH": "site",
        **more,
    }
    with (folder / "server.log").open("wb") as log:
        words = [str(BIN / "jobmon-server"), "serve", "--bind", bind]
        return subprocess.Popen(words, env=environment, stdout=log, stderr=log), environment


@pytest.fixture(scope="module")
def site(place: Path, munge_socket: str) -> Iterator[Site]:
    """A server with users, on the loopback."""
    port = free_port()
    folder = place / "tcp"
    process, environment = served(
        folder,
        f"127.0.0.1:{port}",
        JOBMON__SERVER__MUNGE_SOCKET=munge_socket,
        JOBMON__HTTP__MUNGE_SOCKET=munge_socket,
        JOBMON__LOGGING__LEVEL="DEBUG",
    )
    site = Site(f"http://127.0.0.1:{port}", folder, environment)
    try:
        site.server("").call(routes.HEALTH, wire.Nothing())
        yield site
    finally:
        end(process)
        print((folder / "server.log").read_text(errors="backslashreplace")[-5000:])


@pytest.fixture(scope="module")
def ann(site: Site) -> str:
    """A user with a token from an administrator, logged in; the token."""
    site.admin("user", "add", "ann", "--group", "lab")
    token = site.admin("token", "create", "ann").strip()
    site.user("ann", "login", "--token", stdin=token + "\n")
    return token


@pytest.fixture(scope="module")
def eve(site: Site) -> Server:
    """Another user."""
    site.admin("user", "add", "eve")
    return site.server(site.admin("token", "create", "eve").strip())


def test_a_login_keeps_the_token_in_a_private_file_until_the_logout(site: Site) -> None:
    site.admin("user", "add", "lou")
    token = site.admin("token", "create", "lou").strip()
    said = site.user("lou", "login", "--token", stdin=token + "\n")
    [file] = (site.folder / "lou" / "config" / "jobmon" / "tokens").iterdir()

    assert said.startswith("lou, user, until 20") and str(file) in said
    assert token not in said
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert site.user("lou", "whoami").startswith("lou, user")
    assert "logged out" in site.user("lou", "logout")
    assert not file.exists()
    assert "jobmon login" in site.user("lou", "whoami", ok=False)
    with pytest.raises(Unauthorized, match="revoked"):
        site.server(token).call(routes.WHOAMI, wire.Nothing())


def test_a_token_that_others_could_read_is_refused_with_the_way_out(site: Site, ann: str) -> None:
    [file] = (site.folder / "ann" / "config" / "jobmon" / "tokens").iterdir()
    file.chmod(0o640)
    try:
        assert f"chmod 600 {file}" in site.user("ann", "whoami", ok=False)
    finally:
        file.chmod(0o600)
    assert "ann" in site.user("ann", "whoami")


def test_a_token_goes_to_the_server_it_is_of_and_to_no_other(site: Site, ann: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        url = f"http://127.0.0.1:{other.getsockname()[1]}"
        asked = threading.Thread(target=lambda: site.user("ann", "whoami", ok=False, url=url))
        asked.start()
        other.settimeout(120)
        connection, _ = other.accept()
        with connection:
            head = connection.recv(65536)
            connection.sendall(b"HTTP/1.1 401 no\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        asked.join(120)

    assert b"whoami" in head
    assert ann.encode() not in head


@needs_munge
def test_munge_says_who_a_user_is(site: Site) -> None:
    said = site.user("root", "login")

    assert said.startswith(f"{subprocess.check_output(['whoami'], text=True).strip()}, user, until")
    assert "until" in site.user("root", "whoami")


def exchanged(site: Site, credential: str, nonce: str, host: str = "127.0.0.1") -> wire.TokenAnswer:
    request = wire.MungeRequest(credential=credential, nonce=nonce, host=host)
    return site.server("").call(routes.MUNGE, request)


@needs_munge
@needs_root
def test_munge_tells_two_users_apart(site: Site, munge_socket: str) -> None:
    nonce = site.server("").call(routes.NONCE, wire.Nothing()).nonce
    credential = as_stranger(munge.encode, munge.payload(nonce, "127.0.0.1"), munge_socket)

    answer = exchanged(site, credential, nonce)

    assert answer.user == "nobody"
    assert site.server(answer.token).call(routes.WHOAMI, wire.Nothing()).user == "nobody"


@needs_munge
@pytest.mark.parametrize("how", ["again", "for another nonce", "for another server", "of another site", "made up"])
def test_a_credential_is_good_once_and_for_what_it_was_made_for(site: Site, munge_socket: str, how: str) -> None:
    nonce, other = (site.server("").call(routes.NONCE, wire.Nothing()).nonce for _ in range(2))
    host = "evil.example" if how == "for another server" else "127.0.0.1"
    credential = munge.encode(munge.payload(nonce, host), munge_socket)
    match how:
        case "again":
            exchanged(site, credential, nonce)
        case "for another nonce":
            nonce = other
        case "made up":
            credential = "MUNGE:AwQFAAAN:"

    with pytest.raises(Unauthorized):
        exchanged(site, credential, nonce, "elsewhere.example" if how == "of another site" else "127.0.0.1")


@needs_munge
def test_a_nonce_that_was_used_is_not_good_for_a_second_credential(site: Site, munge_socket: str) -> None:
    nonce = site.server("").call(routes.NONCE, wire.Nothing()).nonce
    signed = munge.payload(nonce, "127.0.0.1")
    exchanged(site, munge.encode(signed, munge_socket), nonce)

    with pytest.raises(Unauthorized, match="made before"):
        exchanged(site, munge.encode(signed, munge_socket), nonce)


def test_the_kernel_says_who_comes_to_a_unix_socket(place: Path) -> None:
    path = place / "unix.socket"
    process, _ = served(place / "unix", f"unix:{path}")
    try:
        own = wait_for(lambda: _at(path), "server at the socket")
        if os.geteuid() == 0:
            path.chmod(0o666)
            assert as_stranger(by_socket, str(path)).user == "nobody"
    finally:
        end(process)

    assert own.user == subprocess.check_output(["whoami"], text=True).strip()
    assert own.token.startswith("jmu_")


def _at(path: Path) -> wire.TokenAnswer | None:
    with suppress(ServerUnreachable):
        return by_socket(str(path))
    return None


def processes(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Everything that another user or an administrator sees of the processes of this test."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                environment = (entry / "environ").read_bytes()
                if str(folder).encode() in environment:
                    yield f"{entry.name} environ", environment
                    yield f"{entry.name} cmdline", (entry / "cmdline").read_bytes()


def watched(folder: Path, over: threading.Event, found: dict[bytes, str], seen: set[str]) -> None:
    while not over.wait(0.02):
        for where, text in processes(folder):
            seen.update(re.findall(r"jobmon\.distributor\S*", text.replace(b"\0", b" ").decode(errors="replace")))
            found.update(dict.fromkeys(TOKEN.findall(text), f"{where}: {text!r}"))


def rows(site: Site, query: str) -> list[Any]:
    with closing(sqlite3.connect(f"file:{site.folder}/site/jobmon.db?mode=ro", uri=True)) as database:
        return database.execute(query).fetchall()


def leaks(site: Site, secrets: list[bytes]) -> list[str]:
    """Files of the test that hold a token, but for those that are there to hold it."""
    found = []
    for file in site.folder.rglob("*"):
        if file.is_file() and file.parent.name != "tokens":
            text = file.read_bytes()
            found += [f"{file}: {token!r}" for token in [*TOKEN.findall(text), *(s for s in secrets if s in text)]]
    return found


def test_a_token_in_an_environment_a_command_line_or_a_log_would_be_found(site: Site, ann: str) -> None:
    environment = {**os.environ, "CANARY": ann, "JOBMON__SERVER__DATA_DIR": str(site.folder / "planted")}
    log = site.folder / "planted.log"
    log.write_text(f"a secret: {'5' * 32}, a token: {ann}")
    with (
        subprocess.Popen(["sleep", "1000"], env=environment) as one,
        subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(1000)", ann], env={**environment, "CANARY": ""}
        ) as other,
    ):
        in_environments, in_lines = (
            {where for where, text in processes(site.folder) if where.endswith(kind) and TOKEN.search(text)}
            for kind in ("environ", "cmdline")
        )
        one.kill()
        other.kill()
    in_files = leaks(site, [b"5" * 32])
    log.unlink()

    assert f"{one.pid} environ" in in_environments
    assert f"{other.pid} cmdline" in in_lines
    assert [line.partition(":")[0] for line in in_files] == [str(log)] * 2


@pytest.mark.slow
def test_a_run_of_one_user_is_closed_to_another_and_shows_no_token_anywhere(
    site: Site, ann: str, eve: Server
) -> None:
    over, found, seen = threading.Event(), dict[bytes, str](), set[str]()
    looking = threading.Thread(target=watched, args=(site.folder, over, found, seen))
    looking.start()
    environment = {**site.environment, **site.of_user("ann"), "JOBMON__LOGGING__LEVEL": "DEBUG"}
    script = [sys.executable, "-c", SCRIPT.replace("GO", str(go := site.folder / "go"))]
    run = subprocess.Popen(
        script, env=environment, cwd=site.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        running = "SELECT id, runner, batch_id FROM task_instance WHERE status = 'R'"
        attempts = wait_for(lambda: rows(site, running), "running attempt")
        _refused_to(eve, rows(site, "SELECT workflow_id, id FROM workflow_run")[0], attempts[0])
        wait_for(lambda: {"executor" in name for name in set(seen)} == {True, False}, "look at all that runs")
        go.touch()
        out, err = run.communicate(timeout=120)
    finally:
        go.touch()
        over.set()
        looking.join()
        run.kill()
    _wait_until_gone(site.folder / "ann")

    assert (out.decode().strip(), run.returncode) == ("D", 0), err.decode()
    assert rows(site, "SELECT owner, status FROM workflow") == [("ann", "D")]
    assert rows(site, "SELECT DISTINCT user FROM workflow_run") == [("ann",)]
    assert found == {}
    [(secret,)] = rows(site, "SELECT value FROM server_state WHERE name = 'secret'")
    granted = rows(site, "SELECT id, runner FROM task_instance WHERE runner != ''")
    attempt_tokens = [attempt_token(bytes.fromhex(secret), *row).encode() for row in granted]
    assert len(attempt_tokens) == 3
    assert leaks(site, [ann.encode(), *attempt_tokens]) == []
    assert TOKEN.findall(out + err) == []
    [work_token] = (site.folder / "ann" / "data" / "tokens").iterdir()
    assert (work_token.stat().st_mode & 0o777, work_token.read_text()[:4]) == (0o600, "jmd_")
    with pytest.raises(Forbidden, match="scope 'work'"):
        site.server(work_token.read_text()).call(routes.WORKFLOWS, wire.WorkflowQuery())


def _refused_to(eve: Server, run: tuple[int, int], attempt: tuple[int, str, int]) -> None:
    """What a second user tries while the first one's workflow runs."""
    workflow_id, run_id = run
    instance_id, runner, batch_id = attempt
    start = wire.StartRunRequest(request_id="x", user="ann", host="h", pid=1, version="4", resume=True)
    outcome = wire.Outcome(instance_id=instance_id, token="0" * 32, status="D")
    lease = wire.LeaseRequest(holder="eve", host="h", pid=1, version="4")
    [task] = eve.call(routes.TASKS, wire.TaskQuery(limit=1), workflow_id=workflow_id).tasks
    tried: list[Callable[[], Any]] = [
        lambda: eve.call(routes.TASK_DETAILS, wire.TaskDetailQuery(task_id=[task.task_id])),
        lambda: eve.call(routes.ERRORS, wire.ErrorQuery(), workflow_id=workflow_id),
        lambda: eve.call(routes.WATCH, wire.WatchRequest(), run_id=run_id),
        lambda: eve.call(routes.END, wire.EndRequest(), run_id=run_id),
        lambda: eve.call(routes.LIMIT, wire.LimitRequest(max_concurrently_running=0), workflow_id=workflow_id),
        lambda: eve.call(routes.START_RUN, start, workflow_id=workflow_id),
        lambda: eve.call(routes.LEASE, lease, run_id=run_id),
        lambda: eve.call(routes.PASSES, wire.Nothing(), run_id=run_id),
        lambda: eve.call(routes.ADVANCE, wire.AdvanceRequest(fence=1), run_id=run_id),
        lambda: eve.call(routes.WORK, wire.WorkRequest(runner=runner, node="n", sequence=99, outcomes=[outcome])),
        lambda: eve.call(
            routes.WORK,
            wire.WorkRequest(runner="eve", node="n", sequence=1, claims=[wire.Claim(batch_id=batch_id, start=0)]),
        ),
    ]
    for attempt_at in tried:
        with pytest.raises(Forbidden, match="belongs to ann"):
            attempt_at()


def _wait_until_gone(folder: Path) -> None:
    """Distributor and executor of a user have said their last words."""
    wait_for(lambda: not list(processes(folder)), "end of the run's processes")


def test_a_user_who_is_shut_out_stays_out(site: Site) -> None:
    site.admin("user", "add", "max")
    token = site.admin("token", "create", "max").strip()
    site.admin("user", "disable", "max")

    with pytest.raises(Unauthorized, match="the user max is disabled"):
        site.server(token).call(routes.WHOAMI, wire.Nothing())


def test_a_server_does_not_listen_to_a_network_in_the_clear(place: Path) -> None:
    process, _ = served(place / "clear", "0.0.0.0:0")

    assert process.wait(120) != 0
    assert "JOBMON__SERVER__INSECURE" in (place / "clear" / "server.log").read_text()
