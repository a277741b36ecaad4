"""Clusters for tests: one shared by every worker of a test run, a skip where packages are missing."""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from clusters.cluster import Cluster, locked
from clusters.packages import Forbidden, Unavailable

Made = TypeVar("Made", bound=Cluster)


@contextlib.contextmanager
def shared(make: Callable[[], Made]) -> Iterator[Made]:
    """The cluster of a folder, started by the first of several processes, ended by the last one.

    Who uses it holds a shared lock on a file, which the kernel lets go when a worker crashes;
    who can have that lock alone is the last one.
    """
    cluster = here_or_skipped(make)
    cluster.folder.mkdir(exist_ok=True)
    with (cluster.folder / "users").open("w") as users:
        with locked(cluster.folder / "gate"):
            fcntl.flock(users, fcntl.LOCK_SH)
            cluster.up()
        try:
            yield cluster
        finally:
            with locked(cluster.folder / "gate"), contextlib.suppress(BlockingIOError):
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                cluster.discard()


def here_or_skipped(make: Callable[[], Made]) -> Made:
    """What is made; skips the test, under CI fails it, where packages are missing, and says what is forbidden."""
    try:
        return make()
    except Forbidden as forbidden:
        pytest.skip(str(forbidden))
    except Unavailable as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))


def folder_of_the_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of all workers: each of xdist's has its folder in that of the run."""
    worker = tmp_path_factory.getbasetemp()
    return worker.parent if os.environ.get("PYTEST_XDIST_WORKER") else worker
