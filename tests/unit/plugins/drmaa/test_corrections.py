import pytest

from jobmon.core.scheduler.shapes import NoAnswer, Record
from jobmon.core.scheduler.states import Fate
from jobmon_drmaa.corrections import FLUSH_SECONDS, Corrections
from jobmon_drmaa.states import DELETED, EXITED, KILLED, SIGNALLED, STATES


class Session:
    """What a session of DRMAA knows of ended jobs: whether they have failed."""

    def __init__(self) -> None:
        self.ended_jobs: dict[str, bool] = {}
        self.asked: list[str] = []
        self.is_frozen = False

    def ended(self, jobs):
        self.asked += jobs
        if self.is_frozen:
            raise NoAnswer("frozen")
        return {job: self.ended_jobs[job] for job in jobs if job in self.ended_jobs}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def session():
    return Session()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def corrections(session, clock):
    corrections = Corrections(session, "ann", clock)
    corrections.submitted("7", "jm-7")
    return corrections


def record(state: str, index: int = 0, name: str = "jm-7") -> Record:
    return Record("7", index, name, "ann", state)


def states(records: list[Record]) -> dict[int | None, str]:
    return {one.index: one.state for one in records}


@pytest.mark.promise("F35")
def test_a_deletion_stays_one_and_another_sigkill_is_a_signal(corrections, session):
    session.ended_jobs = {"7.1": True, "7.2": False}
    found = corrections.corrected([record(KILLED, 0), record(KILLED, 1)], {"7": [0, 1]})

    assert states(found) == {0: KILLED, 1: SIGNALLED}


@pytest.mark.promise("F35")
def test_without_a_session_every_sigkill_is_a_deletion(corrections, session):
    assert states(corrections.corrected([record(KILLED)], {"7": [0]})) == {0: KILLED}
    session.is_frozen = True
    assert states(corrections.corrected([record(KILLED)], {"7": [0]})) == {0: KILLED}


@pytest.mark.promise("F35")
def test_a_job_without_a_record_was_deleted_when_accounting_has_had_its_time(corrections, session, clock):
    session.ended_jobs = {"7.2": True, "7.3": False}
    assert corrections.corrected([], {"7": [0, 1, 2]}) == []

    clock.now += FLUSH_SECONDS
    assert corrections.corrected([], {"7": [0, 1, 2]}) == [Record("7", 1, "jm-7", "ann", DELETED)]
    assert STATES.over[DELETED] is Fate.CANCELLED


def test_a_record_that_comes_late_counts(corrections, session, clock):
    session.ended_jobs = {"7.1": True}
    corrections.corrected([], {"7": [0]})
    clock.now += FLUSH_SECONDS

    assert states(corrections.corrected([record("not started")], {"7": [0]})) == {0: "not started"}


def test_what_another_session_submitted_is_nobodys_business(corrections, session):
    session.ended_jobs = {"8.1": False, "7.1": False}
    old = record(KILLED, name="of-old")

    assert corrections.corrected([old], {"8": [0]}) == [old]
    assert "8.1" not in session.asked


@pytest.mark.promise("F49")
def test_a_job_of_old_with_the_same_number_is_not_corrected(corrections, session):
    session.ended_jobs = {"7.1": False}
    old = record(KILLED, name="of-old")

    assert corrections.corrected([old], {"7": [0]}) == [old]


def test_nothing_is_asked_of_what_accounting_tells(corrections, session):
    corrections.corrected([record(EXITED)], {"7": [0]})

    assert session.asked == []
