"""Homes beside a Grid Engine: a fake one for each test; a real one that tests break."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from clusters.sge import SgeCluster
from clusters.sge.fixture import own
from fakes.drmaa import FakeGridEngine
from faults.place import Place
from jobmon_conformance.home import opened


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeGridEngine]:
    """32 slots, and 8 of five minutes."""
    with FakeGridEngine(tmp_path / "sge") as fake:
        yield fake


@pytest.fixture
def place(fake: FakeGridEngine, tmp_path: Path) -> Iterator[Place]:
    """A home beside the fake, whose module `drmaa` comes first."""
    with opened(tmp_path) as home:
        path = f"{fake.module}:{home.environment['PYTHONPATH']}"
        yield Place(home, "sge", fake.environment | {"PYTHONPATH": path})


@pytest.fixture(scope="module")
def breakable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SgeCluster]:
    """A real Grid Engine that the tests of one module stop, kill, freeze; each leaves it as it was."""
    with own(tmp_path_factory.mktemp("sge")) as cluster:
        yield cluster


@pytest.fixture
def beside(breakable: SgeCluster, tmp_path: Path) -> Iterator[Place]:
    """A home beside that one, whose jobs do not stay in the way of other tests."""
    with opened(tmp_path) as home:
        try:
            yield Place(home, "sge", breakable.environment)
        finally:
            for name in home.column("SELECT name FROM batch"):
                breakable.run("qdel", name)
