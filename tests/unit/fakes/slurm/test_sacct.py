from fakes.slurm import Association

COLUMNS = (
    "--format=JobID,JobIDRaw,JobName,User,State,ExitCode,DerivedExitCode,"
    "Submit,Start,End,NodeList,MaxRSS,ElapsedRaw"
)
DISABLED = "Slurm accounting storage is disabled\n"


def rows(run, *options, columns="JobID,State"):
    return run("sacct", "--noheader", "--parsable2", *options, f"--format={columns}").splitlines()


def test_a_task_and_its_step_have_lines_and_only_the_step_tells_memory(slurm, submit, run):
    submit("--job-name=fit", "--array=0-1")
    slurm.advance(60)
    found = run(
        "sacct", "--noheader", "--parsable2", "--starttime=uts1799999999", "--endtime=now", "--jobs=1_1", COLUMNS
    )

    assert found.splitlines() == [
        f"1_1|1|fit|{slurm.user}|COMPLETED|0:0|0:0|1800000000|1800000000|1800000060|n1||60",
        "1_1.batch|1.batch|batch||COMPLETED|0:0||1800000000|1800000000|1800000060|n1|1200K|60",
    ]


def test_only_the_last_task_has_the_arrays_own_raw_id(slurm, submit, run):
    submit("--array=0-5")
    slurm.advance(120)

    assert rows(run, "-X", "--jobs=1", columns="JobID,JobIDRaw") == [
        "1_0|2",
        "1_1|3",
        "1_2|4",
        "1_3|5",
        "1_4|6",
        "1_5|1",
    ]


def test_what_is_pending_is_one_row_with_nothing_known(submit, run):
    submit("--array=0-9%4")

    assert rows(run, "--jobs=1", columns="JobID,JobIDRaw,State,Start,End,NodeList,ExitCode,MaxRSS")[0] == (
        "1_[4-9%4]|1|PENDING|Unknown|Unknown|None assigned|0:0|"
    )


def test_a_pending_task_is_not_found_by_its_id_unless_the_site_is_newer(slurm, submit, run):
    submit("--array=0-9")

    assert rows(run, "--jobs=1_7") == []
    slurm.settings.accounting_finds_pending = True
    assert rows(run, "--jobs=1_7") == ["1_[4-9]|PENDING"]


def test_unknown_ids_are_no_error(run):
    assert rows(run, "--jobs=4711,4712_3") == []


def test_a_running_task_has_no_end(slurm, submit, run):
    submit()
    slurm.advance(9)

    assert rows(run, "--jobs=1", columns="JobID,State,End,ElapsedRaw,MaxRSS") == [
        "1|RUNNING|Unknown|9|",
        "1.batch|RUNNING|Unknown|9|",
    ]


def test_names_and_times_filter_and_the_delimiter_is_free(slurm, submit, run):
    submit("--job-name=a")
    slurm.advance(100)
    submit("--job-name=b")

    assert rows(run, "-X", "--name=a,b", "--starttime=now-1days", "--delimiter=;", columns="JobID,JobName") == [
        "1;a",
        "2;b",
    ]
    assert rows(run, "-X", "--name=a", "--starttime=now-30seconds") == []
    assert rows(run, "-X", "--name=b", "--starttime=now-30seconds") == ["2|RUNNING"]


def test_accounting_lags(slurm, submit, run):
    slurm.settings.accounting_lag = 10
    submit("--array=0-5")
    early = rows(run, "-X", "--jobs=1")
    slurm.advance(10)
    later = rows(run, "-X", "--jobs=1")
    slurm.advance(55)
    last = rows(run, "-X", "--jobs=1")

    assert early == []
    assert later == ["1_[4-5]|PENDING", *(f"1_{i}|RUNNING" for i in range(4))]
    assert last == ["1_[4-5]|PENDING", *(f"1_{i}|RUNNING" for i in range(4))]


def test_accounting_forgets(slurm, submit, run):
    slurm.settings.accounting_keeps = 3600
    submit()
    slurm.advance(4000)

    assert rows(run, "--jobs=1") == []


def test_there_may_be_no_accounting_at_all(slurm, submit, run, fail):
    slurm.settings.accounting = False
    submit()

    assert fail("sacct", "--jobs=1") == DISABLED
    assert "Only 'accounting_storage/slurmdbd' is supported." in fail("sacctmgr", "show", "assoc")
    assert "AccountingStorageType   = (null)\n" in run("scontrol", "show", "config")


def test_a_requeued_task_has_two_records_of_which_the_last_is_shown(slurm, submit, run):
    submit()
    slurm.advance(5)
    slurm.requeue("1")
    slurm.advance(60)

    assert rows(run, "-X", "--jobs=1") == ["1|COMPLETED"]
    assert rows(run, "-X", "--duplicates", "--jobs=1", columns="JobID,State,Submit") == [
        "1|REQUEUED|1800000000",
        "1|COMPLETED|1800000005",
    ]


def test_an_unknown_field_is_an_error(fail):
    assert fail("sacct", "--format=JobID,Restarts") == 'sacct: error: Invalid field requested: "restarts"\n'


def test_associations_are_shown_with_what_limits_them(slurm, run):
    slurm.settings.associations = [
        Association("ann", "lab", max_submit=500),
        Association("bob", "lab", max_jobs=2),
    ]
    shown = run(
        "sacctmgr", "-n", "-P", "show", "assoc", "user=ann", "format=Cluster,Account,User,QOS,MaxJobs,MaxSubmit"
    )

    assert shown == "fake|lab|ann|normal||500\n"
