"""T4: nodes that are cut off, lines that lose packets, servers that never answer, hosts that sleep.

The jobs of a fake Slurm run on nodes with networks of their own. The scheduler goes on to be heard: what it says
of a job, and what the job itself can tell, are different things here.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from clusters.sharing import here_or_skipped
from fakes.slurm import Node, faults
from faults.namespaces import SERVER, CabledSlurm, Network, network
from faults.place import Place
from jobmon.core.processes import lives
from jobmon_conformance.home import opened

LONG = bool(os.environ.get("JOBMON_TEST_LONG"))
SLEEP_SECONDS = 70 if LONG else 5  # of a host; an attempt's lease lasts 3 s
BOTH = [False, True] if LONG else [False]
ON_ITS_OWN = "while [ ! -e ${WITNESS%/*}/release-$JOBMON_TASK_INSTANCE_ID ]; do sleep 0.1; done"
WAIT = "while [ ! -e ${WITNESS%/*}/release ]; do sleep 0.1; done"
COUNTS = f"{WAIT}; for i in $(seq 20); do echo line $i; sleep 0.1; done"
LOST = ("X", "infrastructure")
DONE = ("D", "")

pytestmark = pytest.mark.slow


@pytest.fixture
def net(request: pytest.FixtureRequest) -> Iterator[Network]:
    """Two nodes."""
    cables = network("n1", "n2", bad=getattr(request, "param", "") == "bad")
    entered = here_or_skipped(cables.__enter__)
    try:
        yield entered
    finally:
        cables.__exit__(None, None, None)


@pytest.fixture
def fake(net: Network, tmp_path: Path) -> Iterator[CabledSlurm]:
    nodes = [Node(name, cpus=4) for name in ("n1", "n2")]
    with CabledSlurm(tmp_path / "slurm", net, nodes, message_timeout=1, kill_wait=1, requeue_delay=1) as fake:
        here = faults.mangled(lambda text: text.replace("NodeHostName=fakehost", "NodeHostName=localhost"))
        fake.fault("scontrol", here, times=None, when=lambda call: "node" in call.argv)
        yield fake


@pytest.fixture
def place(fake: CabledSlurm, tmp_path: Path) -> Iterator[Place]:
    reachable = {"JOBMON__SERVER__HOST": SERVER, "JOBMON__SERVER__INSECURE": "true"}
    with opened(tmp_path) as home:
        yield Place(home, "slurm", {**fake.environment, **reachable, "JOBMON__HTTP__REQUEST_TIMEOUT_SECONDS": "3"})


def in_doubt(place: Place) -> int:
    """How many attempts are suspected."""
    return int(place.home.value("SELECT COUNT(*) FROM task_instance WHERE status = 'T'"))


def gone(place: Place, *pids: int) -> bool:
    return not {*pids} & place.home.processes().keys()


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


@contextmanager
def asleep(*pids: int) -> Iterator[None]:
    """These processes stand still meanwhile, but for those that have ended."""
    try:
        send(signal.SIGSTOP, *pids)
        yield
    finally:
        send(signal.SIGCONT, *pids)


def send(number: int, *pids: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


@pytest.mark.promise("F27")
@pytest.mark.parametrize("ends_meanwhile", [False, True])
def test_what_runs_on_a_node_that_is_cut_off_goes_on_and_counts(
    net: Network, place: Place, ends_meanwhile: bool
) -> None:
    place.home.environment["JOBMON__WORKER__REPORT_RETRY_SECONDS"] = "600"  # what is left on the disk counts
    script = place.start(2)
    commands = place.runs(2)
    place.launched()
    with net.cut("n1"):
        place.wait(lambda: in_doubt(place) == 2, "two doubts")
        if ends_meanwhile:
            place.release()
            place.wait(lambda: gone(place, *commands.values()), "the end of the commands")
        judged, running = place.attempts(), place.home.task_counts()
    place.release()

    assert (judged, running) == ([], {"R": 2})
    place.ends(script)
    place.ran_once(2)
    assert place.failures() == [(0, 0)] * 2


@pytest.mark.promise("F27")
@pytest.mark.promise("F06")
def test_a_result_that_cannot_be_told_comes_by_the_shared_disk_while_the_node_is_cut_off(
    net: Network, place: Place
) -> None:
    place.home.environment["JOBMON__WORKER__REPORT_RETRY_SECONDS"] = "1"
    script = place.start(2)
    place.runs(2)
    place.launched()
    with net.cut("n1"):
        place.wait(lambda: in_doubt(place), "a doubt")
        place.release()
        place.ends(script)

    place.ran_once(2)
    assert place.failures() == [(0, 0)] * 2


@pytest.mark.promise("F27")
@pytest.mark.parametrize("ends_meanwhile", BOTH)
def test_who_was_held_for_dead_gives_way_when_it_is_heard_again(
    net: Network, fake: CabledSlurm, place: Place, ends_meanwhile: bool
) -> None:
    """The scheduler said that its job is over, and another attempt runs: this one is too late in any case."""
    script = place.start(1, "--command", ON_ITS_OWN)
    ((old, command),) = place.runs(1).items()
    worker = parent(command)
    place.launched()
    with net.cut("n1"):
        fake.fail_node("n1", survives=True)
        place.wait(lambda: place.home.witness.count() == 2, "another attempt")
        beside = not gone(place, command)
        if ends_meanwhile:
            (place.home.folder / f"release-{old}").touch()
            place.wait(lambda: gone(place, command), "the end of the command")
    place.wait(lambda: gone(place, command), "the end of the older command")
    place.wait(lambda: not lives(worker), "the end of the older worker")
    still = place.home.task_counts()
    (place.home.folder / f"release-{place.home.value('SELECT MAX(id) FROM task_instance')}").touch()

    assert (beside, still) == (True, {"R": 1})
    assert (script.end(), script.out.split()[-1:]) == (0, ["D"]), script.err + place.log()
    place.home.check(witness=False)  # which would see two commands of a task side by side: the one case of it
    assert place.attempts() == [LOST, DONE]
    assert place.failures() == [(0, 1)]


@pytest.mark.promise("F08")
@pytest.mark.promise("F11")
@pytest.mark.parametrize("net", ["bad"], indirect=True)
def test_on_a_line_that_loses_every_tenth_packet_nothing_is_lost_or_done_twice(net: Network, place: Place) -> None:
    place.release()
    script = place.start(8)

    place.ends(script)
    place.ran_once(8)
    assert place.failures() == [(0, 0)] * 8
    assert all(cable.carried > 0 for cable in net.bad.values())
    assert sum(cable.lost for cable in net.bad.values()) > 0


@pytest.mark.promise("F11")
def test_a_server_that_takes_connections_and_never_answers_disturbs_no_command(place: Place) -> None:
    script = place.start(2, "--command", COUNTS)
    commands = place.runs(2)
    place.launched()
    with place.home.suspended("server"):
        place.release()
        place.wait(lambda: gone(place, *commands.values()), "the end of the commands")
    written = [path.read_text() for path in place.home.run_dir.rglob("*.o*") if path.name[-1].isdecimal()]

    assert written == ["".join(f"line {number}\n" for number in range(1, 21))] * 2
    place.ends(script)
    place.ran_once(2)
    assert place.failures() == [(0, 0)] * 2


@pytest.mark.promise("F38")
@pytest.mark.parametrize("with_server", BOTH)
def test_after_a_sleep_of_the_host_everything_goes_on(place: Place, with_server: bool) -> None:
    script = place.start(2)
    place.runs(2)
    place.launched()
    server = set(place.home.pids("server"))
    moment = float(Path("/proc/uptime").read_text().split()[0])
    with asleep(*place.home.processes().keys() - (set() if with_server else server)):
        place.wait(
            lambda: float(Path("/proc/uptime").read_text().split()[0]) > moment + SLEEP_SECONDS, "a while", 120
        )
    place.release()

    place.ends(script)
    place.ran_once(2)
    assert place.failures() == [(0, 0)] * 2
