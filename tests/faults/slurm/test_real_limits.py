"""Limits of a real Slurm: of an array's size, of what a user may submit, of who may use an account."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from clusters.slurm import SlurmCluster
from clusters.slurm.fixture import own
from faults.place import Place
from faults.slurm.conftest import beside_real

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    folder = tmp_path_factory.mktemp("slurm")
    with own(folder, {"MaxArraySize": 11, "MinJobAge": 2}, {"MaxSubmitJobs": 25}) as cluster:
        yield cluster


@pytest.fixture
def strictly(strict: SlurmCluster, tmp_path: Path) -> Iterator[Place]:
    with beside_real(strict, tmp_path) as place:
        yield place


@pytest.mark.promise("F53")
@pytest.mark.promise("F54")
def test_arrays_are_as_large_as_allowed_and_the_rest_waits(strictly: Place) -> None:
    script = strictly.start(50)
    strictly.runs(20)
    strictly.says("Slurm takes 25 jobs of this user at one time")
    strictly.release()

    strictly.ends(script)
    strictly.ran_once(50)
    assert max(strictly.home.column("SELECT size FROM batch WHERE job_id <> ''")) == 10


@pytest.mark.promise("F54")
def test_a_limit_that_is_lowered_under_a_run_is_waited_for(strict: SlurmCluster, strictly: Place) -> None:
    strictly.option(max_batch=5)
    script = strictly.start(10)
    strictly.runs(10)
    strict.sacctmgr("modify", "user", "where", "account=science", "set", "MaxSubmitJobs=5")
    strictly.release()
    strictly.ends(script)
    strictly.ran_once(10)


@pytest.mark.promise("F56")
def test_an_account_that_is_refused_ends_the_template_at_once(strictly: Place) -> None:
    script = strictly.start(300, "--command", "true", "--resources", '{"account": "nope"}', "--attempts", "3")

    strictly.ends(script, "E")
    assert strictly.home.task_counts() == {"F": 300}
    assert "Invalid account or account/partition combination specified" in strictly.errors()
    assert strictly.home.witness.count() == 0
