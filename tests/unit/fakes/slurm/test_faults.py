import subprocess

import pytest

from fakes.slurm import Association, faults

TIMED_OUT = "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation\n"
DOWN = "Unable to contact slurm controller (connect failure)\n"


@pytest.mark.parametrize("taken", [True, False])
def test_sbatch_times_out_whether_it_was_taken_or_not(slurm, fail, script, taken):
    slurm.fault("sbatch", faults.timed_out(taken))

    assert fail("sbatch", "--job-name=token", script) == TIMED_OUT
    assert [job.name for job in slurm.jobs] == ["token"] * taken


def test_a_frozen_controller_takes_the_job_when_it_thaws(slurm, fail, run, script):
    slurm.fault("sbatch", faults.timed_out(late=20))
    fail("sbatch", "--job-name=token", script)
    before = run("squeue", "-h", "--name=token")
    slurm.advance(20)

    assert before == ""
    assert run("squeue", "-h", "--name=token", "--format=%T") == "RUNNING\n"


@pytest.mark.parametrize("taken", [True, False])
def test_a_command_hangs(slurm, script, taken):
    slurm.fault("sbatch", faults.hangs(taken))
    with pytest.raises(subprocess.TimeoutExpired):
        slurm.call(["sbatch", script], timeout=30)

    assert len(slurm.jobs) == taken


def test_a_busy_controller_is_waited_for(slurm, script):
    slurm.fault("sbatch", faults.temporarily_unable())
    with pytest.raises(subprocess.TimeoutExpired) as caught:
        slurm.call(["sbatch", script], timeout=30)

    assert "temporarily unable to accept job, sleeping and retrying" in caught.value.stderr


def test_a_slow_answer_is_in_time_or_not(slurm):
    slurm.fault("squeue", faults.slow(5), times=None)

    assert slurm.call(["squeue", "-h"], timeout=6) == (0, "", "")
    with pytest.raises(subprocess.TimeoutExpired):
        slurm.call(["squeue", "-h"], timeout=5)


@pytest.mark.parametrize(
    ("argv", "rc", "stderr"),
    [
        (["squeue"], 1, "slurm_load_jobs error: " + DOWN),
        (["sbatch", "x"], 1, "sbatch: error: Batch job submission failed: " + DOWN),
        (["sinfo"], 1, "slurm_load_partitions: " + DOWN),
        (["scancel", "1"], 8, "scancel: error: slurm_load_jobs error: " + DOWN),
        (["scontrol", "show", "config"], 1, "slurm_load_ctl_conf error: " + DOWN),
    ],
)
def test_a_controller_that_is_down_says_so_in_every_command(slurm, argv, rc, stderr):
    slurm.fault("*", faults.controller_down())

    assert slurm.call(argv) == (rc, "", stderr)


def test_accounting_may_be_down_alone(slurm, submit, run, fail):
    slurm.fault("sacct", faults.accounting_down())

    assert "Problem talking to the database: Connection refused\n" in fail("sacct", "--jobs=1")
    assert submit() == 1
    assert run("sacct", "--jobs=1") != ""


def test_any_refusal_can_be_put_into_sbatchs_mouth(slurm, fail, script):
    slurm.fault("sbatch", faults.rejected("Job dependency problem"))
    slurm.fault("sbatch", faults.refused("sbatch: error: Go away", rc=1))

    assert fail("sbatch", script) == "sbatch: error: Batch job submission failed: Job dependency problem\n"
    assert fail("sbatch", script) == "sbatch: error: Go away\n"
    assert slurm.jobs == []


def test_a_cancel_is_lost(slurm, submit, run):
    submit()
    slurm.fault("scancel", faults.lost())
    lost = run("scancel", "1")
    state = slurm.state("1")
    run("scancel", "1")

    assert (lost, state) == ("", "RUNNING")
    assert slurm.state("1") == "CANCELLED"


def test_words_surround_the_id(slurm, run, script):
    slurm.fault("sbatch", faults.warned("Dear user,\n", "Have fun!\n"))
    slurm.fault("sbatch", faults.warned(stderr="sbatch: warning: slow today\n"))

    assert run("sbatch", "--parsable", script) == "Dear user,\n1\nHave fun!\n"
    assert slurm.call(["sbatch", "--parsable", script]) == (0, "2\n", "sbatch: warning: slow today\n")


def test_lines_are_mixed_doubled_cut_or_changed(slurm, submit, run):
    submit("--array=0-3")
    for fault in (faults.reordered(), faults.duplicated(), faults.cut_short(4), faults.mangled(str.lower)):
        slurm.fault("squeue", fault)
    mixed, doubled, cut, changed, plain = (run("squeue", "-h", "--format=%i %T") for _ in range(5))

    assert mixed != plain
    assert sorted(mixed.splitlines()) == sorted(plain.splitlines())
    assert sorted(doubled.splitlines()) == sorted(2 * plain.splitlines())
    assert cut == plain[:4]
    assert changed == plain.lower()


def test_a_fault_strikes_the_calls_it_is_meant_for(slurm, run, fail):
    armed = slurm.fault("squeue", faults.refused("no"), after=1, times=2, when=lambda call: "--me" in call.argv)
    run("squeue", "-h")
    run("squeue", "-h", "--me")

    assert fail("squeue", "--me") == fail("squeue", "--me") == "no\n"
    assert run("squeue", "-h", "--me") == ""
    assert len(armed.met) == 2


def test_a_lasting_fault_is_lifted(slurm, run, fail):
    armed = slurm.fault("squeue", faults.controller_down(), times=None)
    for _ in range(3):
        fail("squeue")
    armed.lift()

    assert run("squeue", "-h") == ""


def test_rate_limits_slow_a_client_down_or_turn_it_away(slurm, fail):
    slurm.fault("squeue", faults.rate_limited(delay=2))
    slurm.fault("squeue", faults.rate_limited(refuses=True))

    assert slurm.call(["squeue", "-h"]) == (
        0,
        "",
        "squeue: RPC rate limited 1 time(s). Sleeping then trying again.\n",
    )
    assert fail("squeue") == "slurm_load_jobs error: Rate limit exceeded, please retry momentarily\n"


def test_the_bucket_of_a_user_runs_empty_and_fills_again(slurm):
    slurm.settings.bucket = 3
    for _ in range(3):
        slurm.call(["squeue"], timeout=0.5)
    with pytest.raises(subprocess.TimeoutExpired):
        slurm.call(["squeue"], timeout=0.5)
    slurm.advance(2)

    assert slurm.call(["squeue", "-h"], timeout=0.5)[0] == 0


# What happens to jobs.


def test_a_lost_jobs_id_is_given_to_the_next_one(slurm, submit, run):
    lost = submit("--job-name=mine")
    slurm.lose(lost)
    again = submit("--job-name=another")

    assert again == lost
    assert run("squeue", "-h", f"--jobs={lost}", "--format=%j") == "another\n"
    assert run("sacct", "-n", "-P", "-X", f"--jobs={lost}", "--format=JobName") == "another\n"
    assert [node.used_cpus for node in slurm.nodes.values()] == [1, 0]


def test_a_node_fails(slurm, submit, run):
    submit("--no-requeue", "--array=0-3")
    slurm.fail_node("n1")

    assert slurm.states(1) == {0: "NODE_FAIL", 1: "NODE_FAIL", 2: "RUNNING", 3: "RUNNING"}
    assert run("sacct", "-n", "-P", "--jobs=1_0", "--format=JobID,State,ExitCode,NodeList").splitlines() == [
        "1_0|NODE_FAIL|0:0|n1",
        "1_0.batch|CANCELLED|0:0|n1",
    ]


def test_a_job_that_may_be_requeued_starts_again_elsewhere_with_a_new_submit_time(slurm, submit, run):
    slurm.settings.requeue_delay = 120
    submit("--requeue")
    slurm.advance(10)
    slurm.fail_node("n1")
    waiting = run("squeue", "-h", "--format=%i %T %r %V")
    slurm.advance(120)

    assert waiting == "1 PENDING BeginTime 1800000010\n"
    assert run("squeue", "-h", "--format=%i %T %N %V") == "1 RUNNING n2 1800000010\n"
    assert "Restarts=1 " in run("scontrol", "show", "job", "-o", "1")


@pytest.mark.parametrize(
    ("deed", "state", "exit_code", "step"),
    [
        (lambda slurm: slurm.out_of_memory("1"), "OUT_OF_MEMORY", "0:125", "OUT_OF_MEMORY|0:125"),
        (lambda slurm: slurm.time_out("1"), "TIMEOUT", "0:0", "CANCELLED|0:15"),
        (lambda slurm: slurm.preempt("1"), "PREEMPTED", "0:0", "CANCELLED|0:15"),
        (lambda slurm: slurm.end("1", "BOOT_FAIL"), "BOOT_FAIL", "0:0", "BOOT_FAIL|0:0"),
        (lambda slurm: slurm.end("1", "FAILED", "0:9"), "FAILED", "0:9", "CANCELLED|0:9"),
        (lambda slurm: slurm.end("1", "FAILED", "77:0"), "FAILED", "77:0", "FAILED|77:0"),
    ],
)
def test_a_task_ends_as_the_test_wants(slurm, submit, run, deed, state, exit_code, step):
    submit()
    deed(slurm)

    assert run("sacct", "-n", "-P", "--jobs=1", "--format=State,ExitCode").splitlines() == [
        f"{state}|{exit_code}",
        step,
    ]
    assert slurm.nodes["n1"].used_cpus == 0


def test_a_preempted_job_may_be_requeued(slurm, submit):
    submit()
    slurm.preempt("1", requeue=True)

    assert slurm.state("1") == "RUNNING"
    assert slurm.jobs[0].past[0].state == "PREEMPTED"


def test_a_state_of_tomorrow_is_shown_and_ends_nothing(slurm, submit, run):
    submit()
    slurm.show_state("1", "FOO_STATE")

    assert run("squeue", "-h", "-t", "all", "--format=%T %t") == "FOO_STATE FO\n"
    assert run("sacct", "-n", "-P", "-X", "--format=State", "--jobs=1") == "FOO_STATE\n"
    slurm.advance(60)
    assert slurm.state("1") == "COMPLETED"


def test_a_finished_job_is_purged_from_the_controller_and_from_the_accounting(slurm, submit, run, fail):
    submit()
    slurm.advance(60)
    slurm.purge(1)

    assert fail("squeue", "--jobs=1") == "slurm_load_jobs error: Invalid job id specified\n"
    assert run("sacct", "-n", "-P", "-X", "--jobs=1", "--format=State") == "COMPLETED\n"
    slurm.purge(1, accounting=True)
    assert run("sacct", "-n", "--jobs=1") == ""


def test_every_call_is_logged_with_what_slurm_reads_of_its_environment(slurm, submit):
    slurm.settings.associations = [Association(slurm.user)]
    slurm.advance(5)
    slurm.call(["squeue", "--me"], {"SLURM_BITSTR_LEN": "0", "HOME": "/root"})
    call = slurm.called("squeue")[0]

    assert call.argv == ("squeue", "--me")
    assert call.environment == {"SLURM_BITSTR_LEN": "0"}
    assert (call.at, call.rc) == (1_800_000_005, 0)


def test_a_policys_limit_has_its_name(slurm, fail, script):
    slurm.fault("sbatch", faults.over_limit())

    assert fail("sbatch", script).splitlines()[0] == "sbatch: error: QOSMaxSubmitJobPerUserLimit"


def test_a_site_may_force_jobs_to_be_requeued(slurm, submit):
    slurm.settings.forces_requeue = True
    submit("--no-requeue")
    slurm.fail_node("n1")

    assert slurm.state("1") == "RUNNING"
    assert slurm.jobs[0].parts[None].restarts == 1
