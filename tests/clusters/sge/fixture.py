"""pytest fixtures: one cluster shared by every worker of a test run, clusters of one's own for destructive tests.

A conftest.py takes them by name: `from clusters.sge.fixture import own_sge, sge`.
"""

import contextlib
import fcntl
import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from clusters.sge.cluster import SgeCluster
from clusters.sge.packages import Unavailable
from clusters.slurm.fixture import folder_of_the_run

Settings = Mapping[str, object] | None


@pytest.fixture(scope="session")
def sge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SgeCluster]:
    """The cluster of this test run: submit, query, delete; leave its daemons and its settings as they are."""
    with shared(folder_of_the_run(tmp_path_factory) / "sge") as cluster:
        yield cluster


@pytest.fixture
def own_sge(tmp_path: Path) -> Iterator[Callable[..., SgeCluster]]:
    """Makes clusters that one test may break: own_sge(options={"max_u_jobs": 3})."""
    numbers = itertools.count(1)
    with contextlib.ExitStack() as clusters:

        def make(options: Settings = None) -> SgeCluster:
            return clusters.enter_context(own(tmp_path / f"sge{next(numbers)}", options))

        yield make


@contextlib.contextmanager
def own(folder: Path, options: Settings = None) -> Iterator[SgeCluster]:
    """A cluster that is up inside; where packages are missing the test is skipped, or fails under CI."""
    with here_or_skipped(folder, options) as cluster:
        yield cluster


@contextlib.contextmanager
def shared(folder: Path) -> Iterator[SgeCluster]:
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
                cluster.down(for_good=True)


def here_or_skipped(folder: Path, options: Settings = None) -> SgeCluster:
    """A cluster that is not up yet; skips the test, under CI fails it, where packages are missing."""
    try:
        return SgeCluster(folder, options)
    except Unavailable as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
