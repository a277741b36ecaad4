import pytest

from jobmon.core.scheduler.indices import parse_indices
from jobmon.core.scheduler.shapes import Submission
from jobmon_drmaa.native import expressions, specification

PLAIN = Submission("jm-1", 3, "/s", [], "/logs/$TASK_ID.log")


def submission(**changes: object) -> Submission:
    return Submission(**{**vars(PLAIN), **changes})


def test_options_are_words_with_hyphens():
    options = {"q": "all.q", "pe": "smp 4", "l": "h_rt=60", "notify": ""}

    assert specification(submission(options=options), True) == "-w e -r n -q all.q -pe smp 4 -l h_rt=60 -notify"


@pytest.mark.parametrize(
    ("changes", "verify", "words"),
    [
        ({}, False, "-w n -r n"),
        ({"requeue": True}, True, "-w e -r y"),
        ({"singleton": True}, True, "-w e -r n -hold_jid jm-1"),
    ],
)
def test_what_decides_over_the_job_itself(changes, verify, words):
    assert specification(submission(**changes), verify) == words


@pytest.mark.parametrize(
    ("tasks", "words"),
    [
        ({"7": None}, ["7"]),
        ({"7": {0}}, ["7.1"]),
        ({"7": [5, 0, 1, 2], "8": None}, ["7.1-3", "7.6", "8"]),
        ({"7": []}, []),
        ({}, []),
    ],
)
def test_tasks_to_be_ended_are_counted_from_one(tasks, words):
    assert list(expressions(tasks)) == words


def test_no_task_is_lost_in_an_expression():
    indices = {index for index in range(1000) if index % 7 and index % 3}
    words = [word.partition(".") for word in expressions({"7": indices})]

    assert {number for number, _, _ in words} == {"7"}
    assert {index - 1 for _, _, run in words for index in parse_indices(run)} == indices
