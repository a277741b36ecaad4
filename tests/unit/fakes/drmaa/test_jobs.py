"""What becomes of jobs of the fake Grid Engine, and what its commands say of it."""

import os
import re
from pathlib import Path

import pytest


def over(sge, number):
    return lambda: not any(sge.states(number).values())


def ends(run, number):
    """`failed` and exit status of each record, in order."""
    text = run(f"qacct -j {number}")
    return re.findall(r"^failed +(\d+).*\nexit_status +(\d+)", text, re.M)


def lives(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_script_has_the_environment_and_the_file_of_its_task(sge, submit, tmp_path):
    text = (
        "echo $JOB_ID $SGE_TASK_ID $SGE_TASK_FIRST $SGE_TASK_LAST $JOB_NAME $QUEUE $NSLOTS $RESTARTED $X [$HOME]"
    )
    submit(text, 2, "-pe smp 2 -v X=y")
    sge.wait(over(sge, 1))

    home = os.path.expanduser("~")
    assert (tmp_path / "1.1").read_text() == f"1 1 1 2 fit all.q 2 0 y [{home}]\n"
    assert (tmp_path / "1.2").read_text() == f"1 2 1 2 fit all.q 2 0 y [{home}]\n"


@pytest.mark.parametrize(
    ("text", "attributes", "end"),
    [
        ("exit 3", {}, ("0", "3")),
        ("kill -9 $$", {}, ("100", "137")),
        ("exit 100", {}, ("30", "100")),
        ("true", {"workingDirectory": "/no/where"}, ("28", "0")),
        ("true", {"outputPath": ":/no/where/x"}, ("26", "0")),
        ("true", {"remoteCommand": "/no/where"}, ("27", "0")),
    ],
)
def test_its_end_is_in_accounting(sge, submit, run, text, attributes, end):
    submit(text, **attributes)
    sge.wait(over(sge, 1))

    assert ends(run, 1) == [end]


def test_exit_code_99_starts_it_again_until_a_site_forbids_it(sge, submit, run, tmp_path):
    text = f"echo $RESTARTED >> {tmp_path}/runs; [ $RESTARTED = 1 ] || exit 99"
    submit(text)
    sge.wait(over(sge, 1))
    sge.settings.minds_99 = False
    submit(text)
    sge.wait(over(sge, 2))

    assert (tmp_path / "runs").read_text() == "0\n1\n0\n"
    assert (ends(run, 1), ends(run, 2)) == ([("25", "99"), ("0", "0")], [("0", "99")])


def test_a_limit_of_run_time_kills_all_of_a_job(sge, submit, run, tmp_path):
    submit(f"(trap '' TERM; setsid sleep 1000) & echo $! > {tmp_path}/child; sleep 1000", options="-l h_rt=600")
    sge.wait(lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text().endswith("\n"))
    script, child = sge.pid("1.1"), int((tmp_path / "child").read_text())
    sge.advance(601.5)
    sge.wait(over(sge, 1))

    sge.wait(lambda: not lives(script) and not lives(child))
    assert ends(run, 1) == [("37", "137")]


def test_after_the_soft_limit_the_hard_one_is_late(sge, submit, run, tmp_path):
    sge.settings.soft_pause = 900
    submit("trap 'echo warned' USR1; echo; while :; do sleep 0.02; done", options="-l s_rt=600,h_rt=700")
    sge.wait(lambda: (tmp_path / "1.1").exists() and (tmp_path / "1.1").read_text())
    sge.advance(1000)
    before = sge.states(1)
    sge.advance(501)
    sge.wait(over(sge, 1))

    assert before == {1: "r"}
    assert ends(run, 1) == [("37", "137")]


def test_a_limit_of_memory_is_one_of_each_process(sge, submit, tmp_path):
    submit("ulimit -v", options="-l h_vmem=300M -pe smp 2")
    sge.wait(over(sge, 1))

    assert (tmp_path / "1.1").read_text() == f"{600 * 1024}\n"


def test_slots_dependencies_holds_and_task_limits_make_tasks_wait(sge, submit, run):
    submit("sleep 1000", 6, "-q short.q -pe smp 2 -l h_rt=300")
    submit("sleep 1000", 3, "-tc 1")
    submit("sleep 1000", 1, "-hold_jid fit")
    submit("sleep 1000", 1, "-h")

    assert sorted(sge.states(1).values()) == ["qw"] * 2 + ["r"] * 4
    assert list(sge.states(2).values()) == ["r", "qw", "qw"]
    shown = re.findall(r"<JB_job_number>(\d+)<(?s:.*?)<state>(\w+)<(?s:.*?)<tasks>(.*?)<", run("qstat -xml"))
    assert [row for row in shown if row[1] != "r"] == [
        ("1", "qw", "5,6"),
        ("2", "qw", "2,3"),
        ("3", "hqw", "1"),
        ("4", "hqw", "1"),
    ]
    run("qdel 1 2")
    sge.wait(lambda: sge.states(3) == {1: "r"})


def test_qdel_kills_what_runs_and_leaves_no_record_of_what_waits(sge, submit, run):
    submit("sleep 1000", 2, "-tc 1")
    script = sge.pid("1.1")
    assert run("qdel 1.1-2") == (
        "root has registered the job-array task 1.1 for deletion\nroot has deleted job-array task 1.2\n"
    ).replace("root", sge.user)
    sge.wait(over(sge, 1))

    assert not lives(script)
    assert ends(run, 1) == [("100", "137")]


def test_who_asked_to_be_notified_has_time_to_end(sge, submit, run, tmp_path):
    submit("trap 'echo warned; exit 4' USR2; echo; while :; do sleep 0.02; done", options="-notify")
    sge.wait(lambda: (tmp_path / "1.1").exists() and (tmp_path / "1.1").read_text())
    run("qdel 1")
    sge.wait(over(sge, 1))

    assert (tmp_path / "1.1").read_text().splitlines()[-1] == "warned"  # bash may tell of its child's end first


def test_an_error_has_its_reason_until_it_is_cleared(sge, submit, run):
    submit("sleep 1000", 3)
    sge.put_into_error("1.2", "can't chdir to /x: No such file or directory")
    shown = run("qstat -j 1")

    assert sge.states(1) == {1: "r", 2: "Eqw", 3: "r"}
    reason = (
        r"error reason +2: +\d\d/\d\d/\d{4} [\d:]{8} \[0:\d+\]: can't chdir to /x: No such file or directory\n"
    )
    assert re.search(reason, shown)
    assert "can&apos;t chdir to /x" in run("qstat -xml -j 1")
    sge.clear_error("1")
    assert sge.states(1)[2] == "r"


def test_a_rescheduled_task_runs_again_while_its_first_copy_may_go_on(sge, submit, run, tmp_path):
    submit(f"echo $RESTARTED > {tmp_path}/run-$RESTARTED; sleep 1000")  # whichever of the two is faster
    first = sge.pid("1.1")
    sge.reschedule("1.1", survives=True)

    assert sge.states(1) == {1: "Rr"}
    assert lives(first)
    assert ends(run, 1) == [("25", "0")]
    sge.wait(lambda: sorted(file.read_text() for file in tmp_path.glob("run-*")) == ["0\n", "1\n"])


def test_what_ends_while_execd_is_away_is_heard_of_later(sge, submit, run, tmp_path):
    submit(f"until [ -e {tmp_path}/go ]; do sleep 0.02; done; exit 4")
    script = sge.pid("1.1")
    sge.lose_execd()
    (tmp_path / "go").touch()
    sge.wait(lambda: not lives(script))
    submit("true")

    assert (sge.states(1), sge.states(2)) == ({1: "r"}, {1: "qw"})
    sge.restore_execd()
    sge.wait(over(sge, 1))
    assert ends(run, 1) == [("0", "4")]


def test_numbers_of_lost_jobs_are_given_again(sge, submit, run):
    submit("sleep 1000")
    script = sge.pid("1.1")
    sge.lose(1)
    again = submit("exit 7", jobName="other")
    sge.wait(over(sge, 1))

    assert again == 1
    sge.wait(lambda: not lives(script))
    assert ends(run, 1) == [("0", "7")]


def test_accounting_lags_and_forgets(sge, submit, run):
    sge.settings.accounting_lag = 5000
    submit("exit 2")
    sge.wait(over(sge, 1))
    nothing = (1, "", "error: job id 1 not found\n")

    assert sge.call(["qacct", "-j", "1"]) == nothing
    sge.advance(5001)
    assert ends(run, 1) == [("0", "2")]
    submit("true")
    sge.wait(over(sge, 2))
    sge.purge(1)
    assert sge.call(["qacct", "-j", "1"]) == nothing


def test_nothing_survives_the_cluster(sge, submit):
    submit("setsid sleep 1000 & sleep 1000")
    submit("sleep 1000")
    scripts = [sge.pid("1.1"), sge.pid("2.1")]
    sge.close()

    assert not any(map(lives, scripts))
