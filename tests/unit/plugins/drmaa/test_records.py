"""What qacct writes, as a real Grid Engine 8.1.9 and others wrote it, and anything else that it may."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmon.core.scheduler.shapes import Record
from jobmon_drmaa import records
from jobmon_drmaa.states import (
    AGAIN,
    BROKEN,
    EXITED,
    FAILURES,
    KILLED,
    MEMORY,
    NOT_STARTED,
    SIGNALLED,
    STATES,
    TIME,
)

RULE = 62 * "=" + "\n"
ENTRY = """qname        all.q               
hostname     node7               
group        lab                 
owner        ann                 
project      NONE                
department   defaultdepartment   
jobname      jm-1-1-a            
jobnumber    51                  
taskid       3                   
account      sge                 
priority     0                   
qsub_time    Sat Nov  7 16:04:29 2026
start_time   Sat Nov  7 16:04:29 2026
end_time     Sat Nov  7 16:04:33 2026
granted_pe   NONE                
slots        1                   
failed       0    
exit_status  0                   
ru_wallclock 4s
ru_utime     0.016s
ru_maxrss    150.984KB
cpu          0.122s
mem          0.037GBs
io           46.000B
maxvmem      148.973MB
arid         undefined
category     -l h_vmem=1G
"""  # noqa: W291 - as it comes
LIMIT = "37  : qmaster enforced h_rt, h_cpu, or h_vmem limit"
SIGNAL = "100 : assumedly after job"


def entry(**changes: str) -> str:
    lines = [line.partition(" ") for line in ENTRY.splitlines()]
    return RULE + "".join(f"{name:<13}{changes.get(name, value.strip()):<20}\n" for name, _, value in lines)


def read(**changes: str) -> Record:
    (record,) = records.history(entry(**changes), "h_vmem")
    return record


def test_a_record_has_what_the_task_used():
    assert records.history(RULE + ENTRY, "h_vmem") == [
        Record(
            array_id="51",
            index=2,
            name="jm-1-1-a",
            user="ann",
            state=EXITED,
            exit_code=0,
            since="2026-11-07T16:04:29",
            nodes="node7",
            peak_memory_bytes=158_318_198,
            cpu_seconds=0.122,
            wall_seconds=4.0,
        )
    ]


def test_other_grid_engines_print_plain_numbers_and_dates():
    record = read(ru_maxrss="154608", ru_wallclock="4.120", cpu="0.122", qsub_time="11/07/2026 16:04:29.123")

    assert (record.peak_memory_bytes, record.wall_seconds, record.cpu_seconds) == (158_318_592, 4.12, 0.122)
    assert record.since == "2026-11-07T16:04:29"


@pytest.mark.promise("F49")
def test_the_newest_record_of_a_task_counts_and_a_job_of_another_name_is_another_job():
    output = (
        entry(failed="25  : rescheduling", exit_status="99")
        + entry(exit_status="4")
        + entry(jobname="of-old", exit_status="5")
        + entry(taskid="4")
    )

    found = {(one.name, one.index): (one.state, one.exit_code) for one in records.history(output, "h_vmem")}
    assert found == {
        ("jm-1-1-a", 2): (EXITED, 4),
        ("of-old", 2): (EXITED, 5),
        ("jm-1-1-a", 3): (EXITED, 0),
    }


def test_a_task_that_is_put_back_into_the_queue_is_not_over():
    record = read(failed="25  : rescheduling", exit_status="99")

    assert record.state == AGAIN
    assert AGAIN not in STATES.over
    assert AGAIN not in STATES.alive


def test_a_job_that_is_no_array_has_no_index():
    assert read(taskid="undefined").index is None


@pytest.mark.parametrize(
    ("failed", "status", "state", "code", "signal"),
    [
        ("0", "3", EXITED, 3, None),
        ("0", "137                  (Killed)", EXITED, 137, 9),
        ("0", "255", EXITED, 255, None),
        (SIGNAL, "137                  (Killed)", KILLED, 137, 9),
        (SIGNAL, "139                  (Segmentation fault)", SIGNALLED, 139, 11),
        (SIGNAL, "143                  (Terminated)", SIGNALLED, 143, 15),
        ("30  : application error returned", "100", EXITED, 100, None),
        ("28  : changing into working directory", "0", NOT_STARTED, None, None),
        ("26  : opening input/output file", "0", NOT_STARTED, None, None),
        ("19  : before writing exit_status", "0", BROKEN, None, None),
        ("99  : of a release to come", "0", "failed 99", 0, None),
        ("-", "-", "unknown", None, None),
    ],
)
def test_what_failed_and_exit_status_mean(failed, status, state, code, signal):
    record = read(failed=failed, exit_status=status)

    assert (record.state, record.exit_code, record.signal) == (state, code, signal)


@pytest.mark.parametrize(
    ("category", "slots", "wall", "used", "state"),
    [
        ("-l h_rt=60", "1", "61s", "1.000MB", TIME),
        ("-l h_vmem=200M", "1", "1s", "297.652MB", MEMORY),
        ("-q all.q -l h_rt=60,h_vmem=200M -pe smp 2", "2", "61s", "300.000MB", TIME),
        ("-q all.q -l h_rt=60,h_vmem=200M -pe smp 2", "2", "10s", "450.000MB", MEMORY),
        ("-q all.q -l h_rt=0:1:0,h_vmem=200M", "1", "61s", "10.000MB", TIME),
        ("-l h_rt=60,h_vmem=200M", "1", "3s", "0.000B", MEMORY),
        ("-q short.q", "1", "301s", "10.000MB", TIME),
        ("-q short.q -l h_vmem=1G", "1", "301s", "10.000MB", TIME),
        ("NONE", "x", "", "", TIME),
    ],
)
def test_the_category_tells_which_limit_it_was(category, slots, wall, used, state):
    changes = {"failed": LIMIT, "exit_status": "137", "slots": slots, "ru_wallclock": wall, "maxvmem": used}

    assert read(category=category, **changes).state == state


def test_another_resource_may_be_the_memory():
    changes = {"failed": LIMIT, "category": "-l mem=200M", "maxvmem": "250.000MB"}
    (record,) = records.history(entry(**changes), "mem")

    assert record.state == MEMORY


def test_a_task_that_never_ran_has_used_nothing_that_is_known():
    record = read(failed="28  : changing into working directory", ru_wallclock="0s", ru_maxrss="0.000B")

    assert (record.peak_memory_bytes, record.cpu_seconds, record.wall_seconds) == (None, None, None)
    assert record.detail == "failed 28: its working directory could not be entered"


@pytest.mark.parametrize(
    ("said", "nothing"),
    [
        ("error: job id 4711 not found\n", True),
        ("error: job name jm-1-1-a not found\n", True),
        ("error: ignoring invalid entry in line 1\nerror: job id 48 not found\n", True),
        ("error: Job-array tasks 48.7-7:1 not found\n", True),
        ("/sge/default/common/accounting: No such file or directory\nno jobs running since startup\n", True),
        ("/sge/default/common/accounting: Permission denied\n", False),
        ('error: SGE_ROOT directory "/nix" doesn\'t exist', False),
    ],
)
def test_no_record_is_told_from_no_accounting(said, nothing):
    assert records.not_found(said) is nothing


ANYTHING = (
    st.text()
    | st.lists(st.sampled_from([RULE.strip(), *ENTRY.splitlines(), "x"])).map("\n".join)
    | st.dictionaries(
        st.sampled_from([line.split()[0] for line in ENTRY.splitlines()]),
        st.text() | st.text("0123456789.:sKMGBT -"),
    ).map(lambda changes: entry(**changes))
)


@pytest.mark.promise("F51")
@given(ANYTHING)
def test_anything_is_read_as_records_or_as_none(output):
    for record in records.history(output, "h_vmem"):
        assert record.array_id.isdecimal()
        assert record.state in {*STATES.over, AGAIN, "unknown"} or record.state.startswith("failed ")


def test_every_code_of_the_manual_has_a_meaning():
    assert set(FAILURES) == {0, 1, *range(3, 39), 100}
