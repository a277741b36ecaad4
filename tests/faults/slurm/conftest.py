"""Homes beside a Slurm: a fake one for each test; a real one that all share; a real one that tests break."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from clusters.slurm import SlurmCluster
from clusters.slurm.fixture import own, own_slurm, slurm
from fakes.slurm import FakeSlurm, Node, faults
from faults.place import Place
from jobmon_conformance.home import opened

__all__ = ["own_slurm", "slurm"]


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeSlurm]:
    """Three nodes of four CPUs."""
    nodes = [Node(name, cpus=4) for name in ("n1", "n2", "n3")]
    with FakeSlurm(tmp_path / "slurm", nodes, message_timeout=1, kill_wait=1, requeue_delay=1) as fake:
        here = faults.mangled(lambda text: text.replace("NodeHostName=fakehost", "NodeHostName=localhost"))
        fake.fault("scontrol", here, times=None, when=lambda call: "node" in call.argv)
        yield fake


@pytest.fixture
def place(fake: FakeSlurm, tmp_path: Path) -> Iterator[Place]:
    """A home beside the fake."""
    with opened(tmp_path) as home:
        yield Place(home, "slurm", fake.environment)


@pytest.fixture
def site(slurm: SlurmCluster, tmp_path: Path) -> Iterator[Place]:
    """A home beside the real Slurm that all tests share."""
    with beside_real(slurm, tmp_path) as place:
        yield place


@pytest.fixture(scope="module")
def breakable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    """A real Slurm that the tests of one module stop, kill, freeze; each leaves it as it was."""
    options = {"SlurmdTimeout": 5, "MessageTimeout": 3}
    with own(tmp_path_factory.mktemp("slurm"), options) as cluster:
        yield cluster


@pytest.fixture
def beside(breakable: SlurmCluster, tmp_path: Path) -> Iterator[Place]:
    """A home beside that one."""
    breakable.run("scontrol", "update", f"nodename={','.join(breakable.nodes)}", "state=resume")  # drained ones
    breakable.wait_until_ready()
    with beside_real(breakable, tmp_path) as place:
        yield place


@contextmanager
def beside_real(slurm: SlurmCluster, folder: Path) -> Iterator[Place]:
    """A home whose jobs, should the test fail, do not stay in the way of other tests."""
    with opened(folder) as home:
        try:
            yield Place(home, "slurm", slurm.environment)
        finally:
            for name in home.column("SELECT name FROM batch"):
                slurm.run("scancel", f"--name={name}")
