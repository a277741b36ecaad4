"""File system work that may hang."""

import threading

import pytest

from jobmon.distributor.worker.answer import Unanswered
from jobmon.distributor.worker.deadline import Overdue, Remembered, within

PATIENCE_SECONDS = 90.0  # only a failure waits so long


def fail() -> int:
    raise FileNotFoundError("no such file")


def test_the_result_or_the_error_comes_back() -> None:
    got = within(PATIENCE_SECONDS, lambda: 3)

    assert got == 3
    with pytest.raises(FileNotFoundError, match="no such file"):
        within(PATIENCE_SECONDS, fail)


@pytest.mark.promise("F44")
def test_work_that_hangs_is_left_behind() -> None:
    go = threading.Event()

    with pytest.raises(Overdue, match="did not answer within 0.05 s"):
        within(0.05, lambda: go.wait(PATIENCE_SECONDS))
    go.set()


@pytest.mark.promise("F44")
def test_while_the_disk_hangs_the_last_address_is_good() -> None:
    go = threading.Event()
    begun = threading.Event()
    asked: list[int] = []

    def locate() -> tuple[str, str]:
        asked.append(1)
        begun.set()
        go.wait(PATIENCE_SECONDS)
        return "new", "token"

    remembered = Remembered(locate, 0.05, ("old", "token"))

    hanging = [remembered() for _ in range(3)]
    begun.wait(PATIENCE_SECONDS)
    threads_sent = len(asked)
    go.set()
    while remembered() == ("old", "token"):
        pass

    assert hanging == [("old", "token")] * 3
    assert threads_sent == 1
    assert remembered() == ("new", "token")


def test_an_address_that_cannot_be_found_is_an_error_and_asked_for_again() -> None:
    answers = [None, ("new", "token")]

    def locate() -> tuple[str, str]:
        found = answers.pop(0)
        if found is None:
            raise Unanswered("no note")
        return found

    remembered = Remembered(locate, PATIENCE_SECONDS, ("old", "token"))

    with pytest.raises(Unanswered, match="no note"):
        remembered()
    assert remembered() == ("new", "token")
