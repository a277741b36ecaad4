"""What qstat and qconf write, as a real Grid Engine 8.1.9 wrote it, and anything else that they may."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmon.core.scheduler.shapes import NoAnswer, Queued
from jobmon_drmaa import text
from jobmon_drmaa.text import Told

HEAD = """<?xml version='1.0'?>
<job_info  xmlns:xsd="http://arc.liv.ac.uk/repos/darcs/sge/source/dist/util/resources/schemas/qstat/qstat.xsd">
  <queue_info>
"""
RUNNING = """    <job_list state="running">
      <JB_job_number>52</JB_job_number>
      <JAT_prio>0.50000</JAT_prio>
      <JB_name>jm-1-1-a</JB_name>
      <JB_owner>ann</JB_owner>
      <state>dr</state>
      <JAT_start_time>2026-11-21T16:04:29</JAT_start_time>
      <queue_name>all.q@node7.lab</queue_name>
      <slots>1</slots>
      <tasks>3</tasks>
    </job_list>
"""
MIDDLE = """  </queue_info>
  <job_info>
"""
WAITING = """    <job_list state="pending">
      <JB_job_number>55</JB_job_number>
      <JAT_prio>0.50000</JAT_prio>
      <JB_name>a &lt;very&gt; long name, of which qstat itself shows ten letters</JB_name>
      <JB_owner>ann</JB_owner>
      <state>STATE</state>
      <JB_submission_time>2026-11-21T16:04:55</JB_submission_time>
      <queue_name></queue_name>
      <slots>1</slots>
TASKS    </job_list>
"""
TAIL = """  </job_info>
</job_info>
"""
EMPTY = HEAD + MIDDLE + TAIL
REASONS = """==============================================================
job_number:                 55
exec_file:                  job_scripts/55
job_name:                   eqw
job-array tasks:            1-3:1
error reason          1:      11/21/2026 16:04:56 [0:28832]: error: can't chdir to /nix: No such file or directory
error reason          3:      11/21/2026 16:04:56 [0:28837]: error: can't chdir to /nix: No such file or directory
scheduling info:            queue instance "all.q@localhost" dropped because it is full
                            All queues dropped because of overload or full
                            Job is in error state
==============================================================
job_number:                 57
usage         1:            cpu=00:00:00, mem=0.00000 GB s, io=0.00003 GB, vmem=231.000K, maxvmem=231.000K
scheduling info:            queue instance "all.q@localhost" dropped because it is full
                            queue instance "short.q@localhost" dropped because it is disabled
==============================================================
job_number:                 98
scheduling info:            cannot run in queue "all.q" because it is not contained in its hard queue list (-q)
                            (-l h_rt=301) cannot run in queue "short.q" because of cluster queue
==============================================================
job_number:                 99
"""


def waiting(state: str = "qw", tasks: str = "1-3:1") -> str:
    row = WAITING.replace("STATE", state)
    return row.replace("TASKS", f"      <tasks>{tasks}</tasks>\n" if tasks else "")


@pytest.mark.parametrize(
    ("output", "version"), [("SGE 8.1.9\nusage: qstat [options]\n", "SGE 8.1.9"), ("", ""), ("\n\n", "")]
)
def test_the_version_is_the_first_line_of_the_help(output, version):
    assert text.version(output) == version


def test_a_configuration_is_read_with_lines_that_go_on():
    output = (
        "#global:\nmax_aj_tasks                 75000\nexecd_params       A=true,B=true, \\\n            C=false\n"
    )

    assert text.config(output) == {"max_aj_tasks": "75000", "execd_params": "A=true,B=true, C=false"}


@pytest.mark.parametrize(
    ("word", "limit"), [("75000", 75_000), ("0", None), ("", None), ("-1", None), ("x", None)]
)
def test_a_limit_of_the_configuration_that_is_nought_is_none(word, limit):
    assert text.whole({"max_u_jobs": word}, "max_u_jobs") == limit
    assert text.whole({}, "max_u_jobs") is None


def test_the_queue_counts_indices_from_nought():
    rows = text.queue(HEAD + RUNNING + MIDDLE + waiting() + TAIL, "ann")

    assert rows == [
        Queued("52", [2], "jm-1-1-a", "dr", "", "2026-11-21T16:04:29", "node7.lab"),
        Queued(
            "55",
            [0, 1, 2],
            "a <very> long name, of which qstat itself shows ten letters",
            "qw",
            "",
            "2026-11-21T16:04:55",
        ),
    ]


@pytest.mark.parametrize(
    ("tasks", "indices"),
    [("1", [0]), ("1,2", [0, 1]), ("2-8:2,11-12:1", [1, 3, 5, 7, 10, 11]), ("", [])],
)
def test_waiting_tasks_share_a_row(tasks, indices):
    (row,) = text.queue(HEAD + MIDDLE + waiting(tasks=tasks) + TAIL, "ann")

    assert row.indices == indices


def test_letters_of_a_state_are_put_in_order_and_a_held_row_says_so():
    (row,) = text.queue(HEAD + MIDDLE + waiting("hRwq") + TAIL, "ann")

    assert (row.state, row.reason) == ("hRqw", "held")


def test_jobs_of_others_are_left_out():
    assert text.queue(HEAD + RUNNING + MIDDLE + TAIL, "bob") == []


def test_a_greeting_of_the_site_is_no_harm():
    assert len(text.queue(f"Welcome!\nQuota: 95 %\n{HEAD}{RUNNING}{MIDDLE}{TAIL}", "ann")) == 1


def test_control_characters_in_a_name_are_no_harm():
    output = HEAD + RUNNING.replace("jm-1-1-a", "a\x1bb") + MIDDLE + TAIL

    assert [row.name for row in text.queue(output, "ann")] == ["a?b"]


@pytest.mark.promise("F52")
@pytest.mark.parametrize(
    "output",
    [
        "",
        "commlib error",
        HEAD + RUNNING,
        EMPTY[:-4],
        HEAD + MIDDLE + waiting(tasks="1-3,...") + TAIL,
        HEAD + RUNNING.replace("52", "") + MIDDLE + TAIL,
        HEAD + RUNNING.replace("<JB_owner>", "<JB_owner><b>") + MIDDLE + TAIL,
    ],
)
def test_what_is_no_queue_never_passes_for_an_empty_one(output):
    with pytest.raises(NoAnswer):
        text.queue(output, "ann")


def test_an_empty_queue_is_empty():
    assert text.queue(EMPTY, "ann") == []


def test_reasons_are_the_first_thing_that_is_worth_telling():
    assert text.reasons(REASONS) == {
        "55": Told(error="can't chdir to /nix: No such file or directory"),
        "57": Told(waits='queue instance "short.q@localhost" dropped because it is disabled'),
        "98": Told(waits='(-l h_rt=301) cannot run in queue "short.q" because of cluster queue'),
        "99": Told(),
    }


def test_a_reason_is_not_as_long_as_one_likes():
    (told,) = text.reasons(f"job_number: 5\nscheduling info: {'x' * 10_000}").values()

    assert len(told.waits) == text.REASON_LENGTH


@pytest.mark.parametrize(
    ("said", "ended"),
    [
        ("ann has deleted job 30\n", True),
        ('ann has registered the job-array task 48.3 for deletion\ndenied: job "99" does not exist\n', True),
        ("job 48 is already in deletion", True),
        ("ann has deleted job-array tasks 2,3 of job 49", True),
        ('ann - you do not have the necessary privileges to delete the job "7"', False),
        ('denied: job "99" does not exist\nerror: -t option only allows one range specification', False),
    ],
)
def test_jobs_that_are_over_are_no_failure_of_qdel(said, ended):
    assert text.is_all_ended(said) is ended


ANYTHING = (
    st.text()
    | st.text("job_number:  \n0123456789schedulinginfo")
    | st.lists(st.sampled_from([*REASONS.splitlines(), "x", ""])).map("\n".join)
)
CUT = st.tuples(st.integers(0, 1500), st.integers(0, 1500), st.text(max_size=20))


@pytest.mark.promise("F52")
@given(ANYTHING)
def test_readers_of_plain_text_take_anything(output):
    for read in (text.version, text.names, text.config, text.reasons, text.is_all_ended, text.is_nothing_there):
        read(output)


@pytest.mark.promise("F52")
@given(CUT)
def test_a_queue_that_is_mangled_is_read_or_is_no_answer(cut):
    first, last, inserted = cut
    whole = HEAD + RUNNING + MIDDLE + waiting() + TAIL
    try:
        rows = text.queue(whole[:first] + inserted + whole[last:], "ann")
    except NoAnswer:
        return

    assert all(row.array_id.isdecimal() and min(row.indices, default=0) >= 0 for row in rows)
