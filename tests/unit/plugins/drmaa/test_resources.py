import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmon.core.resources import Resources
from jobmon.core.scheduler.shapes import Refused
from jobmon_drmaa.options import Options
from jobmon_drmaa.queues import Environment, Queue
from jobmon_drmaa.refusals import Meaning, meaning
from jobmon_drmaa.resources import OURS, Request, problems, qsub_options

GIB = 2**30
DEFAULTS = Options()


def asked(
    options: Options = DEFAULTS, *, environment: str = "", most: int | None = None, avoid=(), **given: object
):
    return qsub_options(Resources.parse(given), options, most, environment, list(avoid))


def test_resources_become_options_of_qsub():
    options = asked(
        queue="long.q",
        memory="1.5G",
        runtime="10m",
        cores=4,
        project="malaria",
        account="lab",
        priority=-5,
        l="gpu=1,scratch=10G",
        environment="smp",
    )

    assert options == {
        "q": "long.q",
        "pe": "smp 4",
        "l": "h_vmem=384M,h_rt=660,gpu=1,scratch=10G",
        "P": "malaria",
        "A": "lab",
        "p": "-5",
    }


def test_who_asks_for_nothing_gets_nothing():
    assert asked() == {}


@pytest.mark.parametrize(("memory", "cores", "slot"), [("1G", 1, "1024M"), ("1G", 3, "342M"), (1, 1, "1024M")])
def test_memory_is_that_of_a_slot_and_rounded_up(memory, cores, slot):
    assert asked(memory=memory, cores=cores) == {"l": f"h_vmem={slot}"}


def test_another_resource_may_be_the_memory():
    assert asked(Options(memory_resource="mem_free"), memory="1G") == {"l": "mem_free=1024M"}


@pytest.mark.promise("F34")
@pytest.mark.parametrize(
    ("most", "wanted"),
    [(None, "h_rt=660"), (660, "h_rt=660"), (659, "s_rt=629,h_rt=659"), (600, "s_rt=570,h_rt=600")],
)
def test_the_job_lasts_a_minute_longer_than_the_command_or_is_warned(most, wanted):
    assert asked(runtime=600, most=most) == {"l": wanted}


def test_a_queue_of_seconds_is_warned_after_one():
    assert asked(runtime=20, most=20) == {"l": "s_rt=1,h_rt=20"}


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("", "hostname=!(node1|node2)"),
        ("hostname=big*", "hostname=(big*)&!(node1|node2)"),
        ("h=big*,gpu=1", "hostname=(big*)&!(node1|node2),gpu=1"),
    ],
)
def test_nodes_that_shall_be_avoided_are_added_to_a_request_for_nodes(given, wanted):
    assert asked(l=given or None, avoid=["node1", "node2"]) == {"l": wanted}


def test_options_of_the_worker_are_no_options_of_qsub():
    assert asked(stdout="/a", stderr="/b", working_dir="/c", shell="/bin/bash") == {}


def test_what_a_site_allows_is_passed_on():
    options = Options(allow="binding, tc,R")
    given = {"binding": "linear:2", "tc": 5, "R": True}

    assert problems(Resources.parse(given), options) == []
    assert asked(options, **given) == {"binding": "linear:2", "tc": "5", "R": "y"}


@pytest.mark.promise("F56")
@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"project": "a b"}, "project"),
        ({"project": "-now"}, "project"),
        ({"project": ""}, "project"),
        ({"priority": "high"}, "priority"),
        ({"parallel_environment": "smp 4"}, "parallel_environment"),
        ({"l": "gpu=1 -now y"}, "l is"),
        ({"l": 'a="b"'}, "l is"),
        ({"l": "h_rt=5"}, "give runtime"),
        ({"l": "gpu=1,h_vmem=5G"}, "give memory"),
        ({"l": "qname=all.q"}, "give queue"),
        ({"queue": "all.q -now y"}, "name of a queue"),
        ({"partition": "x"}, "no resource 'partition'"),
        ({"now": "y"}, "no resource 'now'"),
        ({"binding": "linear:2 -now y"}, "one plain word"),
        ({"binding": "-V"}, "one plain word"),
        ({"binding": "a\nb"}, "one plain word"),
    ],
)
def test_what_qsub_could_misread_is_refused_by_name(given, word):
    (problem,) = problems(Resources.parse(given), Options(allow="now,binding"))

    assert word in problem


@pytest.mark.promise("F56")
@given(st.dictionaries(st.sampled_from(["project", "l", "priority", "binding", "queue"]), st.text(), min_size=1))
def test_whatever_is_given_no_word_of_it_becomes_another_option(given):
    options = Options(allow="binding")
    resources = Resources.parse(given)
    if problems(resources, options):
        return

    for name, value in qsub_options(resources, options, None, "", []).items():
        assert name not in OURS or name in "qPpAl"
        assert value.split() in ([], [value])
        assert name == "p" or not value.startswith("-")
        assert not set("\"'\\$`#") & set(value)


class Grid:
    """A Grid Engine with queues and parallel environments, that counts how often it is asked."""

    def __init__(self, environments: list[Environment], queues: list[Queue]) -> None:
        self._environments, self._queues = environments, queues
        self.asked = 0

    def environments(self) -> list[Environment]:
        self.asked += 1
        return self._environments

    def queues(self) -> list[Queue]:
        self.asked += 1
        return self._queues


@pytest.fixture
def grid():
    environments = [
        Environment("mpi", "$round_robin", 999),
        Environment("tiny", "$pe_slots", 2),
        Environment("threads", "$pe_slots", 64),
        Environment("smp", "$pe_slots", 999),
    ]
    return Grid(environments, [Queue("a.q", 3600, environments=["mpi", "tiny", "smp"]), Queue("b.q", None)])


def test_several_cores_are_in_the_first_environment_that_fits_the_queue(grid):
    request = Request(grid, DEFAULTS)

    assert request(Resources(queue="a.q", cores=2), []) == {"q": "a.q", "pe": "tiny 2"}
    assert request(Resources(queue="a.q", cores=3), []) == {"q": "a.q", "pe": "smp 3"}
    assert request(Resources(cores=3), []) == {"pe": "smp 3"}
    assert grid.asked == 2


def test_one_core_needs_no_environment_and_no_question(grid):
    assert Request(grid, DEFAULTS)(Resources(queue="a.q"), []) == {"q": "a.q"}
    assert grid.asked == 0


def test_an_environment_that_is_named_is_taken(grid):
    request = Request(grid, Options(parallel_environment="orte"))
    own = Resources(cores=2, options={"parallel_environment": "mpi"})

    assert request(Resources(cores=2), []) == {"pe": "orte 2"}
    assert request(own, []) == {"pe": "mpi 2"}
    assert request(Resources(), []) == {}
    assert request(Resources(options={"parallel_environment": "mpi"}), []) == {"pe": "mpi 1"}
    assert grid.asked == 0


@pytest.mark.promise("F56")
def test_without_an_environment_several_cores_are_refused_for_good(grid):
    with pytest.raises(Refused, match=r"no parallel environment for 4 cores .* b\.q") as refused:
        Request(grid, DEFAULTS)(Resources(queue="b.q", cores=4), [])

    assert meaning(str(refused.value)) is Meaning.FATAL


@pytest.mark.promise("F34")
def test_the_limit_of_the_queue_is_asked_for_once_and_only_for_a_run_time(grid):
    request = Request(grid, DEFAULTS)
    request(Resources(queue="a.q"), [])
    assert grid.asked == 0

    assert request(Resources(queue="a.q", runtime_seconds=3600), []) == {"q": "a.q", "l": "s_rt=3570,h_rt=3600"}
    assert request(Resources(queue="b.q", runtime_seconds=3600), []) == {"q": "b.q", "l": "h_rt=3660"}
    assert request(Resources(runtime_seconds=3600), []) == {"l": "h_rt=3660"}
    assert grid.asked == 1
