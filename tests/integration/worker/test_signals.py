"""How a command is ended, and that nothing of it stays: signals, stops, time limits, the worker's own death."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from fakes.work_peer import WorkPeer, wait_until
from jobmon.core.resources import Resources
from jobmon.distributor.worker.command import MARK

StartWorker = Callable[..., subprocess.Popen[str]]


class Family:
    """A command of several processes that write down their pids in files, and what they heard."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "family"
        self.folder.mkdir()

    def process(self, name: str, on_term: str = "exit 9") -> str:
        """Shell text of a process that notes its pid, then TERM; then it does `on_term`."""
        note = f"{self.folder}/{name}"
        trap = f"trap 'echo TERM >> {note}.heard; {on_term}' TERM"
        return f"{trap}; echo $BASHPID > {note}.new; mv {note}.new {note}.pid; while :; do sleep 0.02; done"

    def born(self, *names: str) -> None:
        for name in names:
            wait_until((self.folder / f"{name}.pid").exists)

    def alive(self) -> list[str]:
        pids = {path.stem: int(path.read_text()) for path in self.folder.glob("*.pid")}
        return sorted(name for name, pid in pids.items() if runs(pid))

    def heard(self) -> dict[str, str]:
        return {path.stem: path.read_text() for path in self.folder.glob("*.heard")}


def runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


@pytest.fixture
def family(peer: WorkPeer) -> Family:
    return Family(peer.folder)


@pytest.mark.promise("F35")
def test_a_signal_to_the_worker_reaches_the_command_and_its_grandchildren(
    peer: WorkPeer, family: Family, start_worker: StartWorker
) -> None:
    peer.command = f"({family.process('grandchild')}) & {family.process('child')}"
    worker = start_worker()
    family.born("child", "grandchild")

    worker.send_signal(signal.SIGTERM)
    worker.wait(120)
    outcome = peer.outcome()

    assert worker.returncode == 9
    assert family.heard() == {"child": "TERM\n", "grandchild": "TERM\n"}
    assert family.alive() == []
    assert (outcome.status, outcome.failure_class, outcome.exit_code) == ("T", "", 9)
    assert "was ended because the batch system told the job to end (exit code 9)" in outcome.message


@pytest.mark.promise("F31")
def test_processes_in_groups_and_sessions_of_their_own_hear_the_signal_too(
    peer: WorkPeer, family: Family, start_worker: StartWorker
) -> None:
    script = peer.folder / "inner.sh"
    script.write_text(family.process("inner"))
    peer.command = f"setsid bash {script} & {family.process('child')}"
    worker = start_worker()
    family.born("child", "inner")

    worker.send_signal(signal.SIGINT)
    worker.send_signal(signal.SIGTERM)
    worker.wait(120)

    assert family.heard()["inner"] == "TERM\n"
    assert family.alive() == []


@pytest.mark.promise("F31")
def test_a_daemon_that_the_command_leaves_behind_is_ended(
    peer: WorkPeer, family: Family, start_worker: StartWorker
) -> None:
    script = peer.folder / "daemon.sh"
    script.write_text(family.process("daemon"))
    born = f"until [ -e {family.folder}/daemon.pid ]; do sleep 0.02; done"
    peer.command = f"(setsid bash {script} >/dev/null 2>&1 </dev/null &); {born}; sleep 0.1"
    worker = start_worker()

    worker.wait(120)

    assert (worker.returncode, peer.outcome().status) == (0, "D")
    assert family.alive() == []


def test_a_command_that_ignores_the_signal_is_killed_after_the_interrupt_timeout(
    peer: WorkPeer, family: Family, start_worker: StartWorker
) -> None:
    for seconds in (0.3, 4, 40):  # more where the command was not fast enough to hear it before it was killed
        peer.requests.clear()
        peer.command = family.process(name := f"child-{seconds}", on_term=":")
        worker = start_worker(f"--interrupt-timeout={seconds}")
        family.born(name)

        worker.send_signal(signal.SIGTERM)
        worker.wait(120)
        outcome = peer.outcome()

        assert worker.returncode == 137
        assert (outcome.status, outcome.failure_class, outcome.exit_code) == ("T", "", 137)
        if family.heard():
            break
    assert family.heard() == {name: "TERM\n"}


def test_the_servers_stop_ends_the_command(peer: WorkPeer, family: Family, start_worker: StartWorker) -> None:
    beats = "for i in 1 2 3 4 5 6; do sleep 0.05; done"
    peer.command = family.process("child", on_term=f"{beats}; exit 0")
    worker = start_worker()
    family.born("child")

    peer.stop = True
    worker.wait(120)
    outcome = peer.outcome()

    assert worker.returncode == 0
    assert family.heard() == {"child": "TERM\n"}
    assert (outcome.status, outcome.failure_class) == ("F", "killed")
    assert "was ended on request of the server" in outcome.message


@pytest.mark.promise("F34")
@pytest.mark.parametrize("warning", [signal.SIGUSR1, signal.SIGXCPU])
def test_the_batch_systems_warning_makes_a_resource_error_with_the_tail(
    peer: WorkPeer, family: Family, start_worker: StartWorker, warning: signal.Signals
) -> None:
    peer.command = f"echo 'step 17 of 90' >&2; {family.process('child', on_term='exit 0')}"
    worker = start_worker()
    family.born("child")

    worker.send_signal(warning)
    worker.wait(120)
    outcome = peer.outcome()

    assert (outcome.status, outcome.failure_class) == ("Z", "resource")
    assert "was ended at its time limit (exit code 0)" in outcome.message
    assert "step 17 of 90" in outcome.message.splitlines()
    assert family.heard() == {"child": "TERM\n"}


@pytest.mark.promise("F34")
@pytest.mark.parametrize(
    ("runtime_seconds", "status", "failure_class"), [(4, "Z", "resource"), (1000, "T", ""), (None, "T", "")]
)
def test_a_signal_near_the_time_limit_is_the_time_limit(
    peer: WorkPeer,
    family: Family,
    start_worker: StartWorker,
    runtime_seconds: int | None,
    status: str,
    failure_class: str,
) -> None:
    peer.resources = Resources(runtime_seconds=runtime_seconds)
    peer.command = family.process("child")
    worker = start_worker()
    family.born("child")

    worker.send_signal(signal.SIGTERM)
    worker.wait(120)

    assert (peer.outcome().status, peer.outcome().failure_class) == (status, failure_class)


@pytest.mark.promise("F34")
@pytest.mark.parametrize(("on_term", "exit_code"), [("exit 0", 0), (":", 137)])
def test_a_command_at_its_time_limit_is_told_to_end_then_killed(
    peer: WorkPeer, family: Family, start_worker: StartWorker, on_term: str, exit_code: int
) -> None:
    for limit, patience in ((1, 0.3), (5, 4), (30, 40)):  # more where the command was not fast enough to hear it
        peer.requests.clear()
        peer.resources = Resources(runtime_seconds=limit)
        peer.command = f"echo 'step 17 of 90' >&2; {family.process(name := f'child-{limit}', on_term)}"

        worker = start_worker(f"--interrupt-timeout={patience}")
        worker.wait(120)
        outcome = peer.outcome()

        assert family.alive() == []
        assert (outcome.status, outcome.failure_class) == ("Z", "resource")
        assert "was ended at its time limit" in outcome.message
        assert outcome.wall_seconds is not None
        assert outcome.wall_seconds >= limit
        if family.heard():
            break
    assert family.heard() == {name: "TERM\n"}
    assert worker.returncode == outcome.exit_code == exit_code
    assert "step 17 of 90" in outcome.message.splitlines()


@pytest.mark.promise("F34")
def test_a_command_that_is_over_before_its_time_limit_is_left_alone(
    peer: WorkPeer, start_worker: StartWorker
) -> None:
    peer.resources = Resources(runtime_seconds=1000)

    worker = start_worker()
    worker.wait(120)

    assert (worker.returncode, peer.outcome().status) == (0, "D")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT])
def test_why_the_batch_system_ends_a_command_is_left_to_the_batch_system(
    peer: WorkPeer, family: Family, start_worker: StartWorker, number: signal.Signals
) -> None:
    peer.command = f"trap 'exit 5' {number.value}; {family.process('child')}"
    worker = start_worker()
    family.born("child")

    worker.send_signal(number)
    worker.wait(120)
    outcome = peer.outcome()

    assert (outcome.status, outcome.failure_class) == ("T", "")
    assert "was ended because the batch system told the job to end" in outcome.message


@pytest.mark.promise("F35")
def test_a_command_that_the_batch_system_signals_first_is_cancelled_all_the_same(
    peer: WorkPeer, start_worker: StartWorker
) -> None:
    """The news of its end comes first: the worker has collected it when its own signal comes, a moment later."""
    ends = []
    while ("T", "") not in ends and len(ends) < 6:  # again where something stood still for longer than a moment
        peer.requests.clear()
        note = peer.folder / f"pid{len(ends)}"
        peer.command = f"echo $$ > {note}.new; mv {note}.new {note}; exec sleep 1000"
        worker = start_worker()
        wait_until(note.exists)

        os.kill(pid := int(note.read_text()), signal.SIGTERM)
        while Path(f"/proc/{pid}").exists():
            pass
        worker.send_signal(signal.SIGTERM)
        worker.wait(120)
        ends.append((peer.outcome().status, peer.outcome().failure_class))

        assert worker.returncode == 143
    assert ends[-1] == ("T", "")
    assert set(ends) <= {("T", ""), ("E", "user")}


def test_a_signal_that_is_not_an_end_is_only_passed_on(
    peer: WorkPeer, family: Family, start_worker: StartWorker
) -> None:
    peer.command = f"trap 'echo saved; exit 0' USR2; {family.process('child')}"
    worker = start_worker()
    family.born("child")

    worker.send_signal(signal.SIGUSR2)
    worker.wait(120)

    assert (worker.returncode, peer.outcome().status) == (0, "D")


def test_a_signal_that_was_ignored_from_the_start_stays_ignored(
    peer: WorkPeer, start_worker: StartWorker, worker_argv: list[str]
) -> None:
    go = peer.folder / "go"
    peer.command = f"touch {go}.1; until [ -e {go} ]; do sleep 0.02; done"
    worker = start_worker(argv=["nohup", *worker_argv])
    wait_until((peer.folder / "go.1").exists)

    worker.send_signal(signal.SIGHUP)
    peer.wait_for_requests("alive", more=3)
    go.touch()
    worker.wait(120)

    assert (worker.returncode, peer.outcome().status) == (0, "D")


@pytest.mark.promise("F06")
def test_a_signal_to_end_cuts_the_report_short(peer: WorkPeer, start_worker: StartWorker) -> None:
    peer.faults["outcomes"] = ["drop"] * 10_000
    worker = start_worker("--report-retry=1000")
    peer.wait(lambda: len(peer.said("outcomes")) > 3)

    worker.send_signal(signal.SIGTERM)
    _, told = worker.communicate(timeout=120)

    assert worker.returncode == 0
    assert "the outcome is kept in" in told


@pytest.mark.promise("F30")
@pytest.mark.parametrize("whole_group", [False, True])
def test_the_command_dies_with_its_worker(
    peer: WorkPeer, family: Family, start_worker: StartWorker, worker_argv: list[str], whole_group: bool
) -> None:
    script = peer.folder / "inner.sh"
    script.write_text(family.process("inner", on_term=":"))
    child = family.process("child", on_term=":")
    peer.command = f"timeout 1000 bash {script} & ({family.process('grandchild', ':')}) & {child}"
    starter = [
        sys.executable,
        "-c",
        "import os, sys; os.setpgid(0, 0); os.execv(sys.argv[1], sys.argv[1:])",
    ]
    worker = start_worker(argv=[*starter, *worker_argv])
    family.born("child", "grandchild", "inner")

    os.kill(-worker.pid if whole_group else worker.pid, signal.SIGKILL)
    worker.wait(120)
    wait_until(lambda: family.alive() == [])

    assert family.heard() == {}
    assert peer.said("outcomes") == []


DIE_BEFORE_THE_GUARDIAN_IS_TOLD = """
import os, signal, sys
from jobmon.distributor.worker import command
command.posix.write = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
environment = {**os.environb, command.MARK: os.fsencode(sys.argv[2])}
command.Command([b"bash", b"-c", os.fsencode(sys.argv[1])], environment, (1, 2))
"""


def marked(mark: str) -> list[int]:
    """Pids of all processes that carry a command's mark."""
    line = b"%s=%s\0" % (MARK, mark.encode())
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal() and runs(int(path.name))]
    return [pid for pid in pids if line in environment_of(pid)]


def environment_of(pid: int) -> bytes:
    try:
        return b"\0" + Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


@pytest.mark.promise("F30")
def test_the_command_dies_with_a_worker_that_is_killed_in_the_moment_of_its_start() -> None:
    mine, others = f"test-{os.getpid()}", f"test-{os.getpid()}7"
    other = subprocess.Popen(["sleep", "1000"], env={**os.environ, MARK.decode(): others})

    words = ["sleep 1000 & sleep 1000", mine]
    died = subprocess.run([sys.executable, "-c", DIE_BEFORE_THE_GUARDIAN_IS_TOLD, *words]).returncode
    wait_until(lambda: marked(mine) == [])
    left = marked(others)
    other.kill()
    other.wait()

    assert died == -signal.SIGKILL
    assert left == [other.pid]


def guardians_of(mark: str) -> list[Path]:
    argument = b"%s=%s\0" % (MARK, mark.encode())
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found += [path] if path.read_bytes().endswith(argument) else []
    return found


def test_a_command_that_could_not_start_leaves_no_guardian_to_hunt_for_it(
    peer: WorkPeer, start_worker: StartWorker
) -> None:
    peer.instance = 10_000_000 + os.getpid()  # no test beside this one has a command with the same mark
    peer.resources = Resources(options={"shell": "no-such-shell"})
    namesake = subprocess.Popen(["sleep", "1000"], env={**os.environ, MARK.decode(): str(peer.instance)})

    worker = start_worker()
    worker.wait(120)
    wait_until(lambda: guardians_of(str(peer.instance)) == [])
    unharmed = namesake.poll() is None
    namesake.kill()
    namesake.wait()

    assert worker.returncode == 198
    assert unharmed


@pytest.mark.promise("F30")
def test_nothing_of_the_worker_itself_stays_behind(
    peer: WorkPeer, family: Family, start_worker: StartWorker
) -> None:
    peer.command = family.process("child")
    worker = start_worker()
    family.born("child")
    children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()

    worker.terminate()
    worker.wait(120)

    assert len(children) == 2  # the command and its guardian
    wait_until(lambda: not any(runs(int(pid)) for pid in children))
