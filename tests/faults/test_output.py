"""What commands say is in their files byte for byte, however much it is, and whatever becomes of the disk."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from clusters.sharing import here_or_skipped
from fakes.work_peer import WorkPeer
from faults import disks, stream
from faults.conftest import home
from faults.place import QUICK, SCRIPT, Place
from faults.slurm.conftest import fake, place
from integration.worker.conftest import peer, start_worker, worker_argv
from jobmon_conformance.home import Home, Script

__all__ = ["fake", "home", "peer", "place", "start_worker", "worker_argv"]

STREAM = Path(__file__).with_name("stream.py")
LONG = bool(os.environ.get("JOBMON_TEST_LONG"))
MOST_BYTES = 10_000_000_000 if LONG else 50_000_000
LARGEST_WORKER_BYTES = 60_000_000
SEVERAL = 6  # signs of life, one a second: twice as long as an attempt may be silent
SECONDS = 1200 if LONG else 240
SAY = (
    "{python} {stream} out {count} >&1; {python} {stream} err 1000003 >&2; : > ${{WITNESS%/*}}/said; "
    "while [ ! -e ${{WITNESS%/*}}/release ]; do sleep 0.1; done"
)
SIGNS = "SELECT MIN(sequence) FROM task_instance WHERE status IN ('R', 'T')"
DOUBTS = "SELECT COUNT(*) FROM task_instance WHERE status = 'T'"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2 * SECONDS + 120)]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[disks.Passing]:
    """Where the outputs of `home` and `place` are."""
    with ExitStack() as mounted:
        yield here_or_skipped(lambda: mounted.enter_context(disks.passing(tmp_path / "real", tmp_path / "runs")))


def room(folder: Path) -> int:
    """How many bytes a test may write: what the form asks for, and no more than a third of what is free."""
    return min(MOST_BYTES, shutil.disk_usage(folder).free // 3)


def largest_bytes(pid: int) -> int:
    """The most memory that a process ever had."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def is_as_said(file: Path, seed: str, count: int) -> bool:
    with file.open("rb") as said:
        return all(said.read(len(block)) == block for block in stream.blocks(seed, count)) and not said.read(1)


def ends_well(home: Home, script: Script, tasks: int) -> None:
    assert (script.end(), script.out.split()[-1:]) == (0, ["D"]), script.err
    assert sorted(home.witness.starts().values()) == [1] * tasks
    home.check()
    home.witness.check()


def say(home: Home, start: Callable[..., Script], holder: Callable[[int], int]) -> tuple[int, int]:
    """Run a command that says much; (how many bytes, the memory of what had started it, at most)."""
    count = room(home.folder)
    command = SAY.format(python=sys.executable, stream=STREAM, count=count)
    script = start("--tasks", "1", "--command", command)
    home.wait_for(lambda: (home.folder / "said").exists(), "the end of what it says", SECONDS)
    (line,) = home.witness.lines()
    memory_bytes = largest_bytes(holder(line.pid))
    (home.folder / "release").touch()
    ends_well(home, script, 1)
    (out,) = home.run_dir.rglob("*.o[0-9]*")
    (err,) = home.run_dir.rglob("*.e[0-9]*")
    assert is_as_said(out, "out", count)
    assert is_as_said(err, "err", 1_000_003)
    out.unlink()
    return count, memory_bytes


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.mark.promise("F39")
@pytest.mark.promise("F40")
def test_a_worker_keeps_any_output_byte_by_byte_in_little_memory(
    place: Place, record_property: Callable[[str, object], None]
) -> None:
    start = lambda *words: place.home.start(SCRIPT, "--cluster", "slurm", *words)  # noqa: E731
    count, memory_bytes = say(place.home, start, parent)

    assert memory_bytes < LARGEST_WORKER_BYTES
    record_property("G15", f"{count / 1e9:.2f} GB of random bytes exact, worker {memory_bytes / 1e6:.0f} MB")


@pytest.mark.promise("F39")
@pytest.mark.promise("F40")
def test_the_local_executor_keeps_any_output_byte_by_byte_in_little_memory(
    home: Home, record_property: Callable[[str, object], None]
) -> None:
    start = lambda *words: home.start(SCRIPT, "--cluster", "local", *words)  # noqa: E731
    count, memory_bytes = say(home, start, lambda pid: home.pids("executor")[0])

    assert memory_bytes < LARGEST_WORKER_BYTES
    record_property("G15", f"{count / 1e9:.2f} GB of random bytes exact, executor {memory_bytes / 1e6:.0f} MB")


# --- a shared disk that hangs --------------------------------------------------------------------------------


def hears(home: Home) -> None:
    """Wait for several signs of life of each attempt: then it is in doubt no more, however slow the machine."""
    for _ in range(SEVERAL):
        before = home.value(SIGNS) or 0
        home.wait_for(lambda: (home.value(SIGNS) or 0) > before, "a sign of life of each attempt")  # noqa: B023
    home.wait_for(lambda: home.value(DOUBTS) == 0, "an end of all doubts")


@pytest.mark.promise("F44")
def test_a_worker_is_heard_while_the_disk_of_its_output_hangs(disk: disks.Passing, place: Place) -> None:
    script = place.start(2, "--command", "echo before; while [ ! -e ${WITNESS%/*}/release ]; do sleep 0.1; done")
    place.runs(2)
    place.launched()
    with disk.hanging():
        hears(place.home)
    place.release()

    ends_well(place.home, script, 2)
    assert place.failures() == [(0, 0)] * 2


@pytest.mark.promise("F44")
def test_a_local_command_is_heard_of_while_the_disk_of_its_output_hangs(disk: disks.Passing, home: Home) -> None:
    """Also when the executor waits for that disk itself, with the next command that it starts."""
    home.environment |= QUICK | {"JOBMON__LOCAL__PARALLELISM": "2"}
    script = home.start(SCRIPT, "--cluster", "local", "--tasks", "4")
    home.wait_for(lambda: home.witness.count() >= 2, "running commands")
    with disk.hanging():
        (home.folder / "release").touch()
        hears(home)

    ends_well(home, script, 4)
    assert home.query("SELECT DISTINCT failures, system_failures FROM task") == [(0, 0)]


@pytest.mark.promise("F44")
def test_a_worker_is_heard_while_it_waits_for_the_disk_to_open_its_output(
    disk: disks.Passing, peer: WorkPeer, start_worker: Callable[..., Any]
) -> None:
    peer.stdout_dir = peer.stderr_dir = str(disk.place)
    peer.command = f"echo on; echo ran > {peer.folder}/witness"
    with disk.hanging():
        worker = start_worker()
        peer.wait(lambda: len(peer.said("alive")) >= SEVERAL, 120)
        started = (peer.folder / "witness").exists()
    worker.communicate(timeout=120)

    assert not started
    assert (worker.returncode, peer.outcome().status) == (0, "D")
    assert [path.read_text() for path in disk.place.glob("*.o*")] == ["on\n"]
