"""Memory as the kernel counts it: a worker in a cgroup of its job's own."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from fakes.work_peer import WorkPeer, wait_until

RunWorker = Callable[..., tuple[int, str]]
LIMIT_BYTES = 100 << 20
MEMORY = Path("/sys/fs/cgroup/memory")
JOB = str(os.getpid())
JOB_ENV = "--job-env=OWN_JOB"

ENTER = "import os, sys; open(sys.argv[1] + '/cgroup.procs', 'w').write('0'); os.execv(sys.argv[2], sys.argv[2:])"


@pytest.fixture
def job_group() -> Iterator[Path]:
    """A memory cgroup as batch systems make them, with a limit; for those who may make one (version 1)."""
    group = MEMORY / f"job_{JOB}" / "step_batch"
    try:
        group.mkdir(parents=True)
        (group / "memory.limit_in_bytes").write_text(str(LIMIT_BYTES))
    except OSError as error:
        pytest.skip(f"no memory cgroup can be made here: {error}")
    yield group
    for folder in (group, group.parent):
        wait_until(lambda folder=folder: _removed(folder))


def _removed(folder: Path) -> bool:
    with suppress(OSError):
        folder.rmdir()
    return not folder.exists()


def in_group(group: Path, argv: list[str]) -> list[str]:
    return [sys.executable, "-c", ENTER, str(group), *argv]


def allocate(megabytes: int) -> str:
    return f'{sys.executable} -c "x = bytearray({megabytes} << 20)"'


@pytest.mark.promise("F32")
def test_a_command_killed_for_want_of_memory_is_a_resource_error(
    peer: WorkPeer, run_worker: RunWorker, worker_argv: list[str], job_group: Path
) -> None:
    peer.command = f"{allocate(300)}; exit $?"

    code, _ = run_worker(JOB_ENV, argv=in_group(job_group, worker_argv), environment={"OWN_JOB": JOB})
    outcome = peer.outcome()

    assert code == 137
    assert (outcome.status, outcome.failure_class) == ("Z", "resource")
    assert "ran out of memory: the kernel killed a process of the job" in outcome.message
    assert outcome.peak_memory_bytes is not None
    assert 0.9 * LIMIT_BYTES < outcome.peak_memory_bytes <= LIMIT_BYTES


@pytest.mark.promise("F32")
def test_the_peak_is_that_of_all_processes_together(
    peer: WorkPeer, run_worker: RunWorker, worker_argv: list[str], job_group: Path
) -> None:
    both = f"open('{peer.folder}/held', 'a').write('.'); import time, os\n"
    both += f"while os.path.getsize('{peer.folder}/held') < 2: time.sleep(0.01)"
    hold = allocate(30).replace("30 << 20)", f"30 << 20); {both}")
    peer.command = f"{hold} & {hold} & wait; exit 3"

    run_worker(JOB_ENV, argv=in_group(job_group, worker_argv), environment={"OWN_JOB": JOB})
    outcome = peer.outcome()

    assert (outcome.status, outcome.failure_class) == ("E", "user")
    assert outcome.peak_memory_bytes is not None
    assert outcome.peak_memory_bytes > 60 << 20


def test_a_cgroup_that_is_not_the_jobs_own_says_nothing(
    peer: WorkPeer, run_worker: RunWorker, worker_argv: list[str], job_group: Path
) -> None:
    peer.command = f"{allocate(300)}; exit $?"

    run_worker(JOB_ENV, argv=in_group(job_group, worker_argv), environment={"OWN_JOB": "1"})
    outcome = peer.outcome()

    assert (outcome.status, outcome.failure_class, outcome.exit_code) == ("E", "user", 137)
