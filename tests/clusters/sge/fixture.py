"""pytest fixtures: one cluster shared by every worker of a test run, clusters of one's own for destructive tests.

A conftest.py takes them by name: `from clusters.sge.fixture import own_sge, sge`.
"""

import contextlib
import itertools
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest

from clusters.sge.cluster import SgeCluster
from clusters.sharing import folder_of_the_run, here_or_skipped, shared

Settings = Mapping[str, object] | None


@pytest.fixture(scope="session")
def sge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SgeCluster]:
    """The cluster of this test run: submit, query, delete; leave its daemons and its settings as they are."""
    with shared(partial(SgeCluster, folder_of_the_run(tmp_path_factory) / "sge")) as cluster:
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
    with here_or_skipped(partial(SgeCluster, folder, options)) as cluster:
        yield cluster
