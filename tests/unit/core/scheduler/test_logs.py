"""The scheduler's own logs of our jobs: a folder for each array, tidied when there is nothing to be read in it."""

import os
import time
from pathlib import Path

import pytest

from jobmon.core.scheduler.logs import TAIL_BYTES, Logs

HOUR = 3600


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    return Logs(tmp_path / "logs")


def test_a_folder_is_made_before_its_array_is_submitted_and_twice_is_fine(logs, tmp_path):
    assert logs.prepare("jm-1") == tmp_path / "logs" / "jm-1"

    assert logs.prepare("jm-1") == tmp_path / "logs" / "jm-1"
    assert (tmp_path / "logs" / "jm-1").is_dir()


@pytest.mark.promise("F41 F42")
def test_a_folder_that_cannot_be_made_is_an_error_before_any_job_dies_of_it(tmp_path):
    (tmp_path / "logs").touch()

    with pytest.raises(OSError, match="logs"):
        Logs(tmp_path / "logs").prepare("jm-1")


@pytest.mark.promise("F40")
def test_the_tail_is_the_end_of_the_log_as_text_whatever_is_in_it(logs, tmp_path):
    logs.prepare("jm-1")
    log = tmp_path / "logs" / "jm-1" / "3.log"
    log.write_bytes(b"x" * TAIL_BYTES + b"\n\xff\0 the end \n")

    tail = logs.tail("jm-1", 3)
    assert tail.endswith("\n\\xff the end")
    assert len(tail) < TAIL_BYTES + 10
    assert (logs.tail("jm-1", 4), logs.tail("jm-2", 3)) == ("", "")


def test_the_log_of_a_task_has_the_number_that_the_scheduler_gives_it(tmp_path):
    logs = Logs(tmp_path, first_index=1)
    (logs.prepare("jm-1") / "1.log").write_text("the first")

    assert (logs.tail("jm-1", 0), logs.tail("jm-1", 1)) == ("the first", "")


@pytest.mark.parametrize(
    ("age_seconds", "hours"), [(0, 2), (HOUR - 300, 2), (HOUR + 60, 3), (100 * HOUR + 60, 102)]
)
@pytest.mark.promise("F51")
def test_accounting_is_asked_back_to_before_the_submission_whatever_was_written_since(
    logs, tmp_path, age_seconds, hours
):
    logs.prepare("jm-1")
    for path in (tmp_path / "logs" / "jm-1").iterdir():
        os.utime(path, (time.time() - age_seconds,) * 2)
    logs.prepare("jm-1")  # submitted again
    (tmp_path / "logs" / "jm-1" / "0.log").touch()  # a task begins

    assert logs.hours_since("jm-1") == hours


def test_of_a_folder_that_is_not_there_nothing_is_known(logs):
    assert logs.hours_since("jm-1") == 24 * 30


def test_logs_that_say_nothing_go_and_those_that_say_something_stay(logs, tmp_path):
    for name in ("jm-1", "jm-2"):
        logs.prepare(name)
        for index in range(3):
            (tmp_path / "logs" / name / f"{index}.log").touch()
    (tmp_path / "logs" / "jm-2" / "1.log").write_text("error: no such file")
    for name in ("jm-1", "jm-2", "jm-3"):
        logs.tidy(name)

    assert [path.name for path in (tmp_path / "logs").iterdir()] == ["jm-2"]
    assert logs.tail("jm-2", 1) == "error: no such file"
    logs.clear()
    logs.clear()
    assert not (tmp_path / "logs").exists()
