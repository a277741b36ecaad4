import pytest

from fakes.slurm import Association

SEPARATED = "--format=" + "\x1f".join(f"%{letter}" for letter in "iAFKjTtrVSeNuPLM")


def test_running_tasks_have_lines_and_pending_ones_share_one(slurm, submit, run):
    submit("--job-name=fit", "--array=0-99%50", "--time=10")
    slurm.advance(7)
    lines = [line.split("\x1f") for line in run("squeue", "--noheader", "--states=all", SEPARATED).splitlines()]

    assert len(lines) == 5
    assert lines[0] == [
        "1_[4-99%50]", "1", "1", "4-99%50", "fit", "PENDING", "PD", "Resources", "1800000000", "N/A", "N/A", "",
        slurm.user, "all", "10:00", "0:00",
    ]  # fmt: skip
    assert lines[1] == [
        "1_0", "2", "1", "0", "fit", "RUNNING", "R", "None", "1800000000", "1800000000", "1800000600", "n1",
        slurm.user, "all", "9:53", "0:07",
    ]  # fmt: skip
    assert [line[0] for line in lines[2:]] == ["1_1", "1_2", "1_3"]


def test_r_expands_what_is_pending(submit, run):
    submit("--array=0-9")
    lines = run("squeue", "-h", "-r", "--format=%i %K %T").splitlines()

    assert len(lines) == 10
    assert "1_9 9 PENDING" in lines


def test_the_throttle_holds_tasks_back(slurm, submit, run):
    submit("--array=0-9%2")

    assert run("squeue", "-h", "--format=%i %r").splitlines()[0] == "1_[2-9%2] JobArrayTaskLimit"
    assert list(slurm.states(1).values()).count("RUNNING") == 2


def test_a_job_that_is_no_array_has_no_task_id(submit, run):
    submit()

    assert run("squeue", "-h", "--format=%i|%A|%F|%K") == "1|1|1|N/A\n"


def test_finished_jobs_are_shown_only_when_asked_for_and_leave_after_min_job_age(slurm, submit, run, fail):
    submit()
    slurm.advance(60)

    assert run("squeue", "-h") == ""
    assert run("squeue", "-h", "--states=all", "--format=%i %T %t %R") == "1 COMPLETED CD n1\n"
    slurm.advance(301)
    assert run("squeue", "-h", "--states=all") == ""
    assert fail("squeue", "--jobs=1") == "slurm_load_jobs error: Invalid job id specified\n"


def test_an_unknown_id_is_an_error_alone_and_nothing_among_others(submit, run, fail):
    submit()

    assert fail("squeue", "-h", "--jobs=77") == "slurm_load_jobs error: Invalid job id specified\n"
    assert run("squeue", "-h", "--jobs=1,77", "--format=%i") == "1\n"


def test_names_users_and_states_filter(slurm, submit, run):
    submit("--job-name=a")
    submit("--job-name=b")

    assert run("squeue", "-h", "--name=b", "--format=%i") == "2\n"
    assert run("squeue", "-h", f"--user={slurm.user}", "--format=%i") == "1\n2\n"
    assert run("squeue", "-h", "--user=nobody", "--format=%i") == ""
    assert run("squeue", "-h", "--states=PD", "--format=%i") == ""


def test_an_expression_is_cut_unless_the_environment_says_otherwise(slurm, submit, run):
    slurm.fail_node("n1")
    slurm.fail_node("n2")
    submit("--array=" + ",".join(str(i) for i in range(100) if i % 3))
    cut, whole = run("squeue", "-h", "--format=%K"), run("squeue", "-h", "--format=%K", SLURM_BITSTR_LEN="0")

    assert cut.endswith("...\n")
    assert whole.endswith(",97-98\n")


def test_singleton_waits_for_the_older_job_of_its_name(slurm, submit, run):
    first = submit("--job-name=x", "--array=0-1", "--dependency=singleton")
    second = submit("--job-name=x", "--array=0-1", "--dependency=singleton")
    other = submit("--job-name=y", "--dependency=singleton")

    assert run("squeue", "-h", f"--jobs={second}", "--format=%T %r") == "PENDING Dependency\n"
    assert slurm.state(str(other)) == "RUNNING"
    slurm.advance(60)
    assert set(slurm.states(first).values()) == {"COMPLETED"}
    assert set(slurm.states(second).values()) == {"RUNNING"}


def test_a_limit_on_running_jobs_is_a_reason_to_wait(slurm, submit, run):
    slurm.settings.associations = [Association(slurm.user, max_jobs=1)]
    submit()
    submit()
    submit("--constraint=")

    assert run("squeue", "-h", "--format=%i|%r").splitlines() == [
        "1|None",
        "2|AssocMaxJobsLimit",
        "3|AssocMaxJobsLimit",
    ]


def test_who_comes_late_to_a_full_cluster_waits_for_others(slurm, submit, run):
    submit("--array=0-3")
    submit()

    assert run("squeue", "-h", "-t", "PD", "--format=%r %R") == "Priority (Priority)\n"


def test_a_job_whose_nodes_are_down_pends_and_starts_when_they_are_back(slurm, submit, run):
    slurm.fail_node("n1")
    submit("--exclude=n2")

    assert run("squeue", "-h", "--format=%r") == "ReqNodeNotAvail, UnavailableNodes:n1\n"
    slurm.restore_node("n1")
    assert slurm.state("1") == "RUNNING"


def test_a_blocked_job_says_why_and_a_held_one_too(slurm, submit, run):
    submit("--hold")
    slurm.block(1, "AssocGrpCpuLimit")

    assert run("squeue", "-h", "--jobs=1", "--format=%T %r") == "PENDING AssocGrpCpuLimit\n"
    slurm.block(1, "")
    assert slurm.state("1") == "RUNNING"


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--states=WORSE", "squeue: error: Invalid job state specified: WORSE\n"),
        ("--jobs=x", "squeue: error: Invalid job id: x\n"),
    ],
)
def test_nonsense_is_refused(fail, option, words):
    assert fail("squeue", option) == words


def test_a_width_pads_and_cuts(submit, run):
    submit("--job-name=abcdef")

    assert run("squeue", "-h", "--format=%.4i|%3j|%8T|") == "   1|abc|RUNNING |\n"


def test_of_what_is_pending_only_the_tasks_asked_for_are_shown(submit, run):
    submit("--array=0-9")

    assert run("squeue", "-h", "--jobs=1_2,1_5,1_[7-8]", "--format=%i").splitlines() == ["1_2", "1_[5,7-8]"]
    assert run("squeue", "-h", "-r", "--jobs=1_2,1_5,1_[7-8]", "--format=%i").splitlines() == [
        "1_2",
        "1_5",
        "1_7",
        "1_8",
    ]


def test_a_job_that_fits_no_node_is_taken_where_the_site_does_not_refuse_it(slurm, submit, run):
    slurm.settings.refuses_impossible = False
    submit("--cpus-per-task=99")

    assert run("squeue", "-h", "--format=%T %r") == "PENDING BadConstraints\n"
