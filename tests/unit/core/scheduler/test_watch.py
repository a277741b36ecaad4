"""Arrays that are watched, held against what the queue shows."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fakes.server import batch
from jobmon.core.cluster import JobState
from jobmon.core.scheduler.shapes import Queued
from jobmon.core.scheduler.states import Fate, States
from jobmon.core.scheduler.watch import Watch
from jobmon.core.wire import Batch

TWO, FIVE = batch(1, size=2), batch(2, size=5)
STATES = States(
    alive={"PENDING": JobState.PENDING, "RUNNING": JobState.RUNNING, "COMPLETING": JobState.RUNNING},
    over={"COMPLETED": Fate.EXITED, "FAILED": Fate.EXITED, "TIMEOUT": Fate.TIME_LIMIT},
    impossible={"BadConstraints": "no node can give that", "PartitionTimeLimit": "it asks for too much time"},
    usual=frozenset(("", "None", "Priority")),
)


def row(one: Batch, indices: Sequence[int], state: str = "RUNNING", reason: str = "None", job_id: str = "7"):
    return Queued(job_id, tuple(indices), one.name, state, reason)


def ended(watch: Watch, *rows: Queued) -> list[tuple[int, int]]:
    return [(one.batch_id, index) for one, index in watch.look(rows)]


@pytest.fixture
def watch() -> Watch:
    watch = Watch(STATES)
    watch.begin(FIVE, "7")
    return watch


def test_what_the_queue_shows_as_over_has_ended_once(watch):
    assert ended(
        watch, row(FIVE, [0, 3], "COMPLETED"), row(FIVE, [1, 2], "PENDING"), row(FIVE, [4], "COMPLETING")
    ) == [
        (2, 0),
        (2, 3),
    ]
    assert len(watch) == 3
    assert ended(watch, row(FIVE, [0, 3], "COMPLETED"), row(FIVE, [1, 2, 4], "TIMEOUT")) == [
        (2, 1),
        (2, 2),
        (2, 4),
    ]

    assert len(watch) == 0
    assert watch.job_id(FIVE.batch_id) == ""
    assert ended(watch, row(FIVE, range(5), "COMPLETED")) == []


@pytest.mark.promise("F49")
def test_what_two_looks_in_a_row_do_not_show_has_ended(watch):
    alive = row(FIVE, range(1, 5))
    assert ended(watch, alive) == []
    assert ended(watch, alive, row(FIVE, [0])) == []
    assert ended(watch, alive) == []

    assert ended(watch, alive) == [(2, 0)]


@pytest.mark.promise("F49")
def test_an_id_under_another_name_is_another_job(watch):
    assert ended(watch, row(TWO, range(5))) == []

    assert ended(watch, row(TWO, range(5))) == [(2, index) for index in range(5)]


@pytest.mark.promise("F49")
def test_two_arrays_of_ours_with_one_id_are_told_apart_by_their_names(watch):
    watch.begin(TWO, "7")
    shown = row(TWO, [0, 1])
    assert ended(watch, shown) == []

    assert ended(watch, shown) == [(2, index) for index in range(5)]
    assert len(watch) == 2
    assert watch.others == 0


def test_a_state_that_nobody_knows_is_no_end(watch):
    for _ in range(3):
        assert ended(watch, row(FIVE, range(5), "A_STATE_OF_2030")) == []


def test_an_array_that_is_watched_already_is_not_begun_anew(watch):
    ended(watch, row(FIVE, [0], "COMPLETED"), row(FIVE, range(1, 5)))
    watch.begin(replace(FIVE, job_id="8"), "8")

    assert len(watch) == 4
    assert watch.job_id(FIVE.batch_id) == "7"


@pytest.mark.promise("F54")
def test_living_jobs_of_others_are_counted_task_by_task(watch):
    rows = [
        row(FIVE, range(5)),
        row(TWO, [0], "PENDING", job_id="8"),
        row(TWO, [1], "PENDING"),
        Queued("9", (), "by hand", "RUNNING"),
        Queued("10", (), "by hand", "COMPLETED"),
        Queued("11", range(100), "by hand", "PENDING"),
    ]
    ended(watch, *rows)
    assert watch.others == 103
    ended(watch, row(FIVE, range(5)))

    assert watch.others == 0


@pytest.mark.promise("F55")
def test_reasons_worth_telling_are_counted_by_task(watch):
    ended(
        watch,
        row(FIVE, [0, 1], "PENDING", "AssocGrpCpuLimit"),
        row(FIVE, [2], "PENDING", "Priority"),
        row(FIVE, [3], "RUNNING", "AssocGrpCpuLimit"),
        row(TWO, [0], "PENDING", "JobHeldUser", "8"),
    )

    assert watch.reasons == {"AssocGrpCpuLimit": 2}


@pytest.mark.promise("F55")
def test_the_impossible_counts_after_a_grace_without_a_break_and_until_given_up(watch):
    def look(now: float, reason: str) -> list[tuple[int, str]]:
        ended(watch, row(FIVE, [0, 1], "PENDING", reason), row(FIVE, [2, 3, 4]))
        return [(index, why) for _, index, why in watch.impossible(now, 600)]

    assert look(0, "BadConstraints") == []
    assert look(599, "Priority") == []
    assert look(600, "BadConstraints") == []
    assert look(1199, "PartitionTimeLimit") == []
    assert look(1200, "BadConstraints") == [(0, "BadConstraints"), (1, "BadConstraints")]
    assert look(1230, "BadConstraints") == [(0, "BadConstraints"), (1, "BadConstraints")]
    watch.give_up([(FIVE, 0), (FIVE, 1), (TWO, 0)])

    assert look(1260, "BadConstraints") == []
    assert len(watch) == 3
    watch.give_up([(FIVE, index) for index in range(5)])
    assert (len(watch), watch.job_id(FIVE.batch_id)) == (0, "")


SHOWN = st.sampled_from(["PENDING", "RUNNING", "COMPLETED", "FAILED", "A_STATE_OF_2030", "missing"])


@given(st.lists(st.lists(SHOWN, min_size=5, max_size=5), max_size=12))
def test_whatever_the_queue_shows_each_task_ends_once_at_most(looks):
    watch = Watch(STATES)
    watch.begin(FIVE, "7")
    told: list[int] = []
    for states in looks:
        shown = [row(FIVE, [index], state) for index, state in enumerate(states) if state != "missing"]
        told += [index for _, index in watch.look(shown)]

        assert len(watch) == 5 - len(told)
    assert len(told) == len(set(told))


@pytest.mark.promise("F54")
def test_the_reasons_are_never_seen_half_made(watch):
    watch.look([row(FIVE, [0], "PENDING", "QOSMaxJobsPerUserLimit")])
    before = watch.reasons
    seen = []

    def rows():
        yield row(FIVE, [1, 2], "PENDING", "AssocMaxJobsLimit")
        seen.append((watch.reasons is before, dict(before)))  # as another thread would see it meanwhile

    watch.look(rows())

    assert seen == [(True, {"QOSMaxJobsPerUserLimit": 1})]
    assert dict(watch.reasons) == {"AssocMaxJobsLimit": 2}
