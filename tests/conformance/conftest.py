"""The clusters that the suite is run over: this machine, Slurm as a fake and for real."""

import pytest

from conformance.fixtures import bench, drive, home, home_of_all, make_for_each, pytest_configure
from conformance.local_bench import Local
from conformance.slurm_bench import Fake, Real

__all__ = ["bench", "drive", "home", "home_of_all", "pytest_configure"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    make_for_each(metafunc, {"local": Local, "fake-slurm": Fake, "slurm": Real})
