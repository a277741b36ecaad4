"""pytest fixtures: one cluster shared by every worker of a test run, clusters of one's own for destructive tests.

A conftest.py takes them by name: `from clusters.slurm.fixture import own_slurm, slurm`.
"""

import contextlib
import itertools
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest

from clusters.sharing import folder_of_the_run, here_or_skipped, shared
from clusters.slurm.cluster import SlurmCluster

Settings = Mapping[str, object] | None
PATIENT = {"SlurmdTimeout": 120}  # no node of a busy machine is called down: nobody breaks one of this cluster


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    """The cluster of this test run: submit, query, cancel; leave its daemons and its settings as they are."""
    folder = folder_of_the_run(tmp_path_factory) / "slurm"
    with shared(partial(SlurmCluster, folder, PATIENT)) as cluster:
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
    with here_or_skipped(partial(SlurmCluster, folder, options, limits)) as cluster:
        yield cluster
