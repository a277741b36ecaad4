"""What a new executor learns from the journal of one that was killed."""

import os
from pathlib import Path

import msgspec
import pytest

from jobmon.core.wire import Outcome
from jobmon.distributor.local.journal import JOURNAL, Journal, Past, read
from unit.distributor.local.building import batch


def done(id: int) -> Outcome:
    """The outcome of an attempt."""
    return Outcome(instance_id=id, token=f"t{id}", status="D")


def again(folder: Path) -> Past:
    """What the next executor would read now."""
    past = read(folder / JOURNAL)
    assert past is not None
    return past


def test_an_executor_that_begins_knows_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "boot", print)

    assert journal.past == Past(executor_id=journal.past.executor_id, boot_id="boot")
    assert len(journal.past.executor_id) == 32
    assert again(tmp_path) == journal.past


@pytest.mark.promise("F30")
def test_each_step_of_an_attempt_is_known(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "boot", print)
    journal.accepted(batch(1, 6))
    assert again(tmp_path).batches == {1: batch(1, 6)}

    journal.started(1, 0, 1000, "t1000")
    journal.started(1, 1, 1001, "t1001")
    past = again(tmp_path)
    assert (past.settled, past.started) == ({1: {0, 1}}, {1000: "t1000", 1001: "t1001"})

    journal.ended(done(1000))
    journal.flush()
    past = again(tmp_path)
    assert (past.started, past.untold) == ({1001: "t1001"}, {1000: done(1000)})

    journal.told([done(1000)])
    journal.settled([(1, 2), (1, 4)])
    past = again(tmp_path)
    assert (past.settled, past.untold) == ({1: {0, 1, 2, 4}}, {})
    assert past == journal.past


def test_a_batch_of_which_all_is_settled_is_remembered_by_its_id_alone(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "boot", print)
    journal.accepted(batch(1, 2))
    journal.settled([(1, 0), (1, 1)])

    past = again(tmp_path)

    assert (past.batches, past.settled, past.finished) == ({}, {}, {1})
    assert journal.knows(1) and not journal.knows(2)


def test_a_line_that_was_cut_is_as_if_it_had_not_been_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "boot", print)
    journal.accepted(batch(1, 2))
    whole = msgspec.json.encode(again(tmp_path))
    journal = Journal(tmp_path, "boot", print)
    journal.accepted(batch(2, 2))
    file = tmp_path / JOURNAL
    file.write_bytes(file.read_bytes()[:-7])

    assert msgspec.json.encode(again(tmp_path)) == whole


def test_a_journal_that_makes_no_sense_is_not_trusted(tmp_path: Path) -> None:
    (tmp_path / JOURNAL).write_bytes(msgspec.json.encode(Past(executor_id="old", boot_id="boot")) + b"\n{oops\n")

    assert read(tmp_path / JOURNAL) is None
    assert Journal(tmp_path, "boot", print).past.executor_id != "old"


def test_it_is_compacted_when_it_has_grown_and_says_the_same(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "boot", print, compact_bytes=2000)
    journal.accepted(batch(1, 500))
    sizes = []
    for index in range(500):
        journal.started(1, index, 1000 + index, f"t{1000 + index}")
        if index:
            journal.ended(done(999 + index))
            journal.told([done(999 + index)])
        sizes.append((tmp_path / JOURNAL).stat().st_size)

    assert max(sizes) < 8000
    journal.flush()
    assert again(tmp_path) == journal.past
    assert (journal.past.started, journal.past.finished) == ({1499: "t1499"}, {1})


def test_after_a_reboot_there_is_another_executor_that_knows_of_the_old_one(tmp_path: Path) -> None:
    old = Journal(tmp_path, "boot", print)
    old.accepted(batch(1, 2))
    old.started(1, 0, 1000, "t1000")

    new = Journal(tmp_path, "another boot", print)

    assert new.past.executor_id != old.past.executor_id
    assert (new.past.batches, new.past.started, new.past.before) == ({}, {}, old.past)
    assert again(tmp_path) == new.past
    new.told_of_before()
    assert again(tmp_path).before is None


@pytest.mark.promise("F45")
def test_a_journal_that_cannot_be_written_is_removed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = Journal(tmp_path, "boot", print)
    journal.close()
    journal._out = os.open("/dev/full", os.O_WRONLY)

    journal.accepted(batch(1, 2))
    journal.accepted(batch(2, 2))

    assert "No space left" in capsys.readouterr().out
    assert not (tmp_path / JOURNAL).exists()
    assert journal.knows(1) and journal.knows(2)
    assert Journal(tmp_path, "boot", print).past.executor_id != journal.past.executor_id
