"""Two nodes of two CPUs each in virtual time; tasks last a minute."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fakes.slurm import FakeSlurm, Node

START = 1_800_000_000
EPOCHS = {"SLURM_TIME_FORMAT": "%s"}
Run = Callable[..., str]
Submit = Callable[..., int]


@pytest.fixture
def slurm(tmp_path: Path) -> Iterator[FakeSlurm]:
    nodes = [Node("n1", cpus=2), Node("n2", cpus=2)]
    with FakeSlurm(tmp_path, nodes, real_time=False, start=START) as slurm:
        yield slurm


@pytest.fixture
def script(tmp_path: Path) -> str:
    file = tmp_path / "job.sh"
    file.write_text("#!/bin/sh\nexit 0\n")
    return str(file)


@pytest.fixture
def run(slurm: FakeSlurm) -> Run:
    """What a command prints that goes well."""

    def run(*argv: str, **environment: str) -> str:
        rc, stdout, stderr = slurm.call(argv, EPOCHS | environment)
        assert (rc, stderr) == (0, "")
        return stdout

    return run


@pytest.fixture
def fail(slurm: FakeSlurm) -> Run:
    """What a command complains of."""

    def fail(*argv: str) -> str:
        rc, stdout, stderr = slurm.call(argv, EPOCHS)
        assert (rc, stdout) == (1, "")
        return stderr

    return fail


@pytest.fixture
def submit(run: Run, script: str) -> Submit:
    """The id of a job with these options."""
    return lambda *options: int(run("sbatch", "--parsable", *options, script))
