"""What a new executor learns from the journal of one that was killed."""

import os
from pathlib import Path

import msgspec
import pytest

from jobmon.core.wire import Claim, Denial, Outcome, WorkAnswer, WorkRequest
from jobmon.distributor.local.journal import JOURNAL, Journal, Past, read
from unit.distributor.local.building import batch, grant


def request(sequence: int, outcomes: list[int] | None = None, claims: list[Claim] | None = None) -> WorkRequest:
    """A request of an executor."""
    told = [Outcome(instance_id=id, token=f"t{id}", status="D") for id in outcomes or []]
    return WorkRequest(runner="r", node="n", sequence=sequence, outcomes=told, claims=claims or [])


def again(folder: Path) -> Past:
    """What the next executor would read now."""
    past = read(folder / JOURNAL)
    assert past is not None
    return past


def test_an_executor_that_begins_knows_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "boot")

    assert journal.past == Past(executor_id=journal.past.executor_id, boot_id="boot")
    assert len(journal.past.executor_id) == 32
    assert again(tmp_path) == journal.past


@pytest.mark.promise("F30")
def test_each_step_of_an_attempt_is_known(tmp_path: Path) -> None:
    of, claim = batch(1, 6), Claim(batch_id=1, start=0, count=4)
    journal = Journal(tmp_path, "boot")
    journal.accepted(of)
    assert again(tmp_path).batches == {1: of}

    journal.sent(request(1, claims=[claim]))
    assert again(tmp_path).unanswered == {1: request(1, claims=[claim])}

    denial = Denial(batch_id=1, index=3, instance_id=1003, verdict="gone")
    wait = Denial(batch_id=1, index=2, instance_id=1002, verdict="wait")
    granted = WorkAnswer(grants=[grant(of, Claim(batch_id=1, start=0, count=2))], denials=[denial, wait])
    journal.answered(1, granted)
    past = again(tmp_path)
    assert (past.settled, past.granted, past.unanswered) == ({1: {0, 1, 3}}, {1000: "t1000", 1001: "t1001"}, {})

    journal.sent(request(2, outcomes=[1000]))
    past = again(tmp_path)
    assert (past.granted, list(past.unanswered), past.sequence) == ({1001: "t1001"}, [2], 2)

    journal.answered(2, WorkAnswer())
    journal.dropped([(1, 2), (1, 4)])
    past = again(tmp_path)
    assert (past.settled, past.unanswered) == ({1: {0, 1, 2, 3, 4}}, {})
    assert past == journal.past


def test_a_batch_of_which_all_is_settled_is_remembered_by_its_id_alone(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "boot")
    journal.accepted(batch(1, 2))
    journal.dropped([(1, 0), (1, 1)])

    past = again(tmp_path)

    assert (past.batches, past.settled, past.finished) == ({}, {}, {1})
    assert journal.knows(1) and not journal.knows(2)


def test_a_line_that_was_cut_is_as_if_it_had_not_been_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "boot")
    journal.accepted(batch(1, 2))
    whole = msgspec.json.encode(again(tmp_path))
    journal = Journal(tmp_path, "boot")
    journal.accepted(batch(2, 2))
    file = tmp_path / JOURNAL
    file.write_bytes(file.read_bytes()[:-7])

    assert msgspec.json.encode(again(tmp_path)) == whole


def test_a_journal_that_makes_no_sense_is_not_trusted(tmp_path: Path) -> None:
    (tmp_path / JOURNAL).write_bytes(msgspec.json.encode(Past(executor_id="old", boot_id="boot")) + b"\n{oops\n")

    assert read(tmp_path / JOURNAL) is None
    assert Journal(tmp_path, "boot").past.executor_id != "old"


def test_it_is_compacted_when_it_has_grown_and_says_the_same(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "boot", compact_bytes=2000)
    of = batch(1, 500)
    journal.accepted(of)
    sizes = []
    for index in range(500):
        claim = Claim(batch_id=1, start=index)
        journal.sent(request(index, claims=[claim], outcomes=[1000 + index - 1] if index else []))
        journal.answered(index, WorkAnswer(grants=[grant(of, claim)]))
        sizes.append((tmp_path / JOURNAL).stat().st_size)

    assert max(sizes) < 8000
    assert again(tmp_path) == journal.past
    assert (journal.past.granted, journal.past.finished) == ({1499: "t1499"}, {1})


def test_after_a_reboot_only_outcomes_that_were_not_answered_are_taken_over(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "boot")
    journal.accepted(batch(1, 2))
    claims = [Claim(batch_id=1, start=1)]
    journal.sent(request(3, outcomes=[7], claims=claims))
    journal.sent(request(4, claims=claims))

    later = Journal(tmp_path, "another boot")

    assert later.outcomes_of_another_boot == [request(3, outcomes=[7])]
    assert later.past == Past(executor_id=later.past.executor_id, boot_id="another boot")
    assert later.past.executor_id != journal.past.executor_id


@pytest.mark.promise("F45")
def test_a_journal_that_cannot_be_written_is_removed(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "boot")
    journal.close()
    journal._out = os.open("/dev/full", os.O_WRONLY)

    journal.accepted(batch(1, 2))
    journal.accepted(batch(2, 2))

    assert "No space left" in journal.problem
    assert not (tmp_path / JOURNAL).exists()
    assert journal.knows(1) and journal.knows(2)
    assert Journal(tmp_path, "boot").past.executor_id != journal.past.executor_id
