"""Options of sbatch from resources: what is taken, what is refused by name, and that nothing can slip through."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmon.core.resources import Resources
from jobmon.core.scheduler.shapes import Submission
from jobmon_slurm.commands import Commands
from jobmon_slurm.options import Options
from jobmon_slurm.resources import OPTIONS, OURS, problems, sbatch_options

MIB = 2**20


def told(key: str, value: object, allow: str = "") -> list[str]:
    return problems(Resources(options={key: value}), Options(allow=allow))


def option(key: str, value: object) -> dict[str, str]:
    given = sbatch_options(Resources(options={key: value}), None, [])
    del given["cpus-per-task"]
    return given


@pytest.mark.promise("F56")
@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("account", "proj_a", {"account": "proj_a"}),
        ("project", "proj-a.b", {"account": "proj-a.b"}),
        ("qos", "long", {"qos": "long"}),
        ("constraint", "avx|[a*2&b]", {"constraint": "avx|[a*2&b]"}),
        ("constraints", ["archive", "avx"], {"constraint": "archive,avx"}),
        ("gres", "gpu:a100:2", {"gres": "gpu:a100:2"}),
        ("nodes", "1-2", {"nodes": "1-2"}),
        ("nodes", 2, {"nodes": "2"}),
        ("ntasks", 4, {"ntasks": "4"}),
        ("exclude", "n[1-3],n7", {"exclude": "n[1-3],n7"}),
        ("reservation", "maint_1", {"reservation": "maint_1"}),
        ("licenses", "matlab@site:2", {"licenses": "matlab@site:2"}),
        ("nice", -5, {"nice": "-5"}),
        ("stdout", "/any where/%a", {}),
        ("working_dir", "/tmp; rm -rf /", {}),
    ],
)
def test_each_resource_becomes_its_option(key, value, expected):
    assert told(key, value) == []
    assert option(key, value) == expected


@pytest.mark.promise("F56")
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("account", "a b"),
        ("account", ""),
        ("account", True),
        ("project", "a\n--uid=0"),
        ("qos", "long;rm"),
        ("qos", "x" * 200),
        ("constraint", "avx\n"),
        ("gres", "gpu:1 --uid=0"),
        ("nodes", "many"),
        ("nodes", 1.5),
        ("ntasks", -1),
        ("exclude", "n1 n2"),
        ("reservation", "a'b"),
        ("licenses", "a$b"),
        ("nice", "--5"),
        ("nice", False),
        ("account", "\u00e9quipe"),
    ],
)
def test_a_value_of_another_form_is_refused_by_name(key, value):
    [problem] = told(key, value)

    assert problem == f"{key} is {value!r}, which is not a value for sbatch's --{key}"


@pytest.mark.promise("F56")
def test_an_unknown_resource_is_refused_with_those_that_exist():
    [problem] = told("acount", "a", allow="mail-type, wrap")

    assert problem.startswith(
        "there is no resource 'acount' on this cluster; there are queue, memory, runtime, cores"
    )
    assert {*OPTIONS, "mail-type"} <= set(problem.replace(",", " ").split())
    assert " wrap" not in problem


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("mail_type", "FAIL", {"mail-type": "FAIL"}),
        ("mail-type", "FAIL", {"mail-type": "FAIL"}),
        ("exclusive", True, {"exclusive": ""}),
        ("exclusive", False, {}),
        ("switches", 2, {"switches": "2"}),
    ],
)
def test_a_site_may_allow_further_options(key, value, expected):
    assert told(key, value, allow="mail-type,exclusive,switches") == []
    assert option(key, value) == expected
    assert len(told(key, value)) == 1


@pytest.mark.parametrize("name", sorted(OURS))
def test_no_site_can_allow_what_the_plugin_relies_on(name):
    assert len(told(name, "x", allow=name)) == 1
    assert len(told(name.replace("-", "_"), "x", allow=name)) == 1


@pytest.mark.parametrize(("size", "mem"), [(1, "1M"), (MIB, "1M"), (MIB + 1, "2M"), (4 * 2**30, "4096M")])
def test_memory_is_rounded_up_to_whole_mebibytes(size, mem):
    assert sbatch_options(Resources(memory_bytes=size), None, [])["mem"] == mem


@pytest.mark.promise("F34")
@pytest.mark.parametrize(
    ("seconds", "most", "time", "signal"),
    [
        (1, None, "2", None),
        (60, None, "2", None),
        (61, None, "3", None),
        (3600, None, "61", None),
        (3600, 7200, "61", None),
        (540, 600, "10", None),
        (541, 600, "10", "B:USR1@30"),
        (600, 600, "10", "B:USR1@30"),
        (30, 45, "1", "B:USR1@30"),
        (600, 659, "10", "B:USR1@30"),
    ],
)
def test_a_job_gets_a_minute_more_than_its_command_or_a_warning_where_there_is_none(seconds, most, time, signal):
    given = sbatch_options(Resources(runtime_seconds=seconds), most, [])

    assert (given["time"], given.get("signal")) == (time, signal)


def test_what_is_not_asked_for_is_not_said():
    assert sbatch_options(Resources(), 600, []) == {"cpus-per-task": "1"}


@pytest.mark.promise("F43")
def test_nodes_to_be_avoided_are_excluded_beside_the_users_own():
    resources = Resources(queue="long", options={"exclude": "n[1-3]"})

    assert sbatch_options(resources, None, ["n7", "n8"])["exclude"] == "n7,n8,n[1-3]"
    assert sbatch_options(Resources(), None, ["n7"])["exclude"] == "n7"


WORDS = (
    st.text() | st.text("ab,-= ;$`'\"\n\0") | st.from_regex(r"[A-Za-z0-9]{1,9}$") | st.from_regex(r"^[0-9-]{1,5}")
)


@pytest.mark.promise("F56 F58")
@given(
    st.sampled_from([*OPTIONS, "mail-type", "exclusive"]),
    WORDS | st.booleans() | st.integers() | st.lists(WORDS, max_size=2),
)
def test_whatever_is_accepted_stays_one_word(key, value):
    if told(key, value, allow="mail-type,exclusive"):
        return
    sent = Submission("jm-1", 3, "/s", ["worker"], "/l/%a.log", option(key, value))
    plain = Submission("jm-1", 3, "/s", ["worker"], "/l/%a.log")
    words = [word for word in argv_of(sent) if word not in argv_of(plain)]

    assert len(words) <= 1
    for word in words:
        assert word.startswith(f"--{OPTIONS[key][0] if key in OPTIONS else key}")
        assert word.isascii()
        assert word.isprintable()


@pytest.mark.promise("F57 F58")
@pytest.mark.parametrize(("requeue", "word"), [(True, "--requeue"), (False, "--no-requeue")])
def test_the_command_line_says_everything_that_a_site_may_have_set_otherwise(requeue, word):
    sent = Submission("jm-1", 3, "/s", ["a b", "--batch-id=1"], "/l/%a.log", {"mem": "5M", "x": ""}, requeue, True)

    assert argv_of(sent) == [
        "sbatch",
        "--parsable",
        "--job-name=jm-1",
        "--array=0-2",
        "--chdir=/",
        "--output=/l/%a.log",
        "--error=/l/%a.log",
        word,
        "--dependency=singleton",
        "--mem=5M",
        "--x",
        "/s",
        "a b",
        "--batch-id=1",
    ]


def argv_of(submission: Submission) -> list[str]:
    """What sbatch would be called with."""
    seen: list[str] = []

    def start(argv, environment, seconds):
        seen.extend(argv)
        return 0, "7\n", ""

    Commands(start=start).submit(submission)
    return seen
