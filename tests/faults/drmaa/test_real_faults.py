"""Daemons of a real Grid Engine are stopped, killed, frozen under a run."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from clusters.sge import SgeCluster
from faults.place import Place

pytestmark = pytest.mark.slow

SILENT = "has not answered since"
FAILS_ONCE = "while [ ! -e ${WITNESS%/*}/release ]; do sleep 0.1; done; [ -e ${WITNESS%/*}/mended ]"


@contextmanager
def frozen(sge: SgeCluster, name: str) -> Iterator[None]:
    sge.freeze(name)
    try:
        yield
    finally:
        sge.thaw(name)


def numbers(sge: SgeCluster, place: Place) -> set[str]:
    """The jobs of all batches that accounting knows."""
    names = place.home.column("SELECT name FROM batch")
    texts = [sge.run("qacct", "-j", name).stdout for name in names]
    return {line.split()[1] for text in texts for line in text.splitlines() if line.startswith("jobnumber")}


@pytest.mark.promise("F46")
@pytest.mark.promise("F47")
def test_a_submission_to_a_frozen_qmaster_is_found_and_not_repeated(breakable: SgeCluster, beside: Place) -> None:
    """It is taken when qmaster goes on; the distributor was killed meanwhile."""
    beside.option(poll_seconds=60, poll_seconds_max=60)  # nothing else is asked meanwhile
    script = beside.start(1, "--attempts", "2", "--command", FAILS_ONCE)
    beside.runs(1)
    beside.launched()
    before = len(beside.job_ids())
    with frozen(breakable, "qmaster"):
        beside.release()
        beside.wait(lambda: len(beside.job_ids()) > before, "another batch")
        (beside.home.folder / "mended").touch()
        beside.home.kill("distributor")

    beside.ends(script)
    assert sorted(beside.home.witness.starts().values()) == [2]
    ids = {id for id in beside.job_ids() if id}
    beside.wait(lambda: len(numbers(breakable, beside)) >= 2, "two jobs in accounting")
    assert ids <= numbers(breakable, beside) and len(numbers(breakable, beside)) == 2


@pytest.mark.promise("F48")
@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_qmaster_that_is_away_changes_no_task(breakable: SgeCluster, beside: Place, how: str) -> None:
    """Also when it is killed: it has written down what runs."""
    beside.be_patient()
    script = beside.start(4)
    beside.runs()
    (number,) = beside.launched()
    before = beside.audited()
    getattr(breakable, how)("qmaster")
    try:
        beside.says(SILENT)
        assert beside.audited() == before
    finally:
        breakable.start("qmaster")
    beside.wait(lambda: SILENT not in beside.notice(), "a qmaster that is back")
    beside.release()

    beside.ends(script)
    beside.ran_once()
    assert beside.job_ids() == [number]


@pytest.mark.promise("F60")
def test_without_execd_workers_tell_how_it_went(breakable: SgeCluster, beside: Place) -> None:
    script = beside.start(2)
    beside.runs(2)
    beside.launched()
    breakable.kill("execd")
    try:
        beside.release()
        beside.ends(script)
    finally:
        breakable.start("execd")

    beside.ran_once(2)
