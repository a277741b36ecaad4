"""The clusters that the suite is run over: this machine, Slurm and Grid Engine, each as a fake and for real."""

import pytest

from conformance import sge_bench, slurm_bench
from conformance.local_bench import Local
from jobmon_conformance.fixtures import bench, drive, home, home_of_all, make_for_each
from pbs_bench import Pbs

__all__ = ["bench", "drive", "home", "home_of_all"]

BENCHES = {
    "local": Local,
    "fake-pbs": Pbs,
    "fake-slurm": slurm_bench.Fake,
    "slurm": slurm_bench.Real,
    "fake-sge": sge_bench.Fake,
    "sge": sge_bench.Real,
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    make_for_each(metafunc, BENCHES)
