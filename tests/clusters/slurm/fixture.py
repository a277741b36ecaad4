"""pytest fixtures: one cluster shared by every worker of a test run, clusters of one's own for destructive tests.

A conftest.py takes them by name: `from clusters.slurm.fixture import own_slurm, slurm`.
"""

import contextlib
import fcntl
import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from clusters.slurm.cluster import SlurmCluster
from clusters.slurm.packages import Unavailable

Settings = Mapping[str, object] | None


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    """The cluster of this test run: submit, query, cancel; leave its daemons and its settings as they are."""
    with shared(folder_of_the_run(tmp_path_factory) / "slurm") as cluster:
        yield cluster


@pytest.fixture
def own_slurm(tmp_path: Path) -> Iterator[Callable[..., SlurmCluster]]:
    """Makes clusters that one test may break: own_slurm(options={"MaxArraySize": 11}, limits={...})."""
    numbers = itertools.count(1)
    with contextlib.ExitStack() as clusters:

        def make(options: Settings = None, limits: Settings = None) -> SlurmCluster:
            return clusters.enter_context(own(tmp_path / f"slurm{next(numbers)}", options, limits))

        yield make


@contextlib.contextmanager
def own(folder: Path, options: Settings = None, limits: Settings = None) -> Iterator[SlurmCluster]:
    """A cluster that is up inside; where packages are missing the test is skipped, or fails under CI."""
    with here_or_skipped(folder, options, limits) as cluster:
        yield cluster


@contextlib.contextmanager
def shared(folder: Path) -> Iterator[SlurmCluster]:
    """The cluster in this folder, started by the first of several processes, ended by the last one.

    Who uses it holds a shared lock on a file, which the kernel lets go when a worker crashes;
    who can have that lock alone is the last one.
    """
    cluster = here_or_skipped(folder)
    folder.mkdir(exist_ok=True)
    with (folder / "users").open("w") as users:
        with _locked(folder / "gate"):
            fcntl.flock(users, fcntl.LOCK_SH)
            cluster.up()
        try:
            yield cluster
        finally:
            with _locked(folder / "gate"), contextlib.suppress(BlockingIOError):
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                cluster.down()


def here_or_skipped(folder: Path, options: Settings = None, limits: Settings = None) -> SlurmCluster:
    """A cluster that is not up yet; skips the test, under CI fails it, where packages are missing."""
    try:
        return SlurmCluster(folder, options, limits)
    except Unavailable as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))


def folder_of_the_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of all workers: each of xdist's has its folder in that of the run."""
    worker = tmp_path_factory.getbasetemp()
    return worker.parent if os.environ.get("PYTEST_XDIST_WORKER") else worker


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
