"""The api over commands that a function answers; tests/integration/drmaa has the same over a real Grid Engine."""

import getpass
from collections.abc import Sequence

import pytest

from jobmon.core.scheduler.shapes import NoAnswer, Refused, Unreachable
from jobmon_drmaa.api import ENDED_AT_ONCE, GridEngine
from jobmon_drmaa.options import Options

USER = getpass.getuser()
QSTAT = """<job_info><queue_info/><job_info>
<job_list><JB_job_number>7</JB_job_number><JB_name>jm-7</JB_name><JB_owner>{user}</JB_owner>
<state>{state}</state><tasks>1-2:1</tasks></job_list></job_info></job_info>"""
REASON = "job_number: 7\nerror reason 1: 11/21/2026 16:04:56 [0:28832]: error: can't chdir to /x\n"
ENTRY = "=" * 62 + "\njobname jm-7\njobnumber 7\ntaskid {task}\nfailed 0\nexit_status {status}\n"
AWAY = 'unable to send message to qmaster using port 12014 on host "q": got send error\n'


class Site:
    """Answers commands from a table of their first words; writes down how they were called."""

    def __init__(self, **options: object) -> None:
        self.calls: list[list[str]] = []
        self.answers: dict[str, tuple[int, str, str]] = {}
        self.now = 0.0
        self.slept: list[float] = []
        self.grid_engine = GridEngine(Options(**options), self._sleep, lambda: self.now, self._start)

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def _start(self, argv: Sequence[str], environment: object, seconds: float) -> tuple[int, str, str]:
        self.calls.append(list(argv))
        called = " ".join(argv)
        return next((answer for words, answer in self.answers.items() if words in called), (0, "", ""))


@pytest.fixture
def site():
    return Site()


def test_queues_and_environments_are_asked_for_all_at_once(site):
    site.answers = {
        "-spl": (0, "smp\nmpi\n", ""),
        "-sp ": (0, "pe_name smp\nslots 9\nallocation_rule $pe_slots\npe_name mpi\nslots 7\n", ""),
    }

    assert [one.name for one in site.grid_engine.environments()] == ["smp", "mpi"]
    assert site.grid_engine.queues() == []
    assert site.calls == [["qconf", "-spl"], ["qconf", "-sp", "smp", "-sp", "mpi"], ["qconf", "-sq", "*"]]


def test_a_site_without_environments_has_none(site):
    site.answers = {"-spl": (1, "", "no parallel environment defined\n")}

    assert site.grid_engine.environments() == []


def test_the_reason_of_an_error_is_asked_once(site):
    site.answers = {"-xml": (0, QSTAT.format(user=USER, state="Eqw"), ""), "-j 7": (0, REASON, "")}

    assert [row.reason for row in site.grid_engine.queue()] == ["can't chdir to /x"]
    assert [row.reason for row in site.grid_engine.queue()] == ["can't chdir to /x"]
    assert [call[1] for call in site.calls] == ["-xml", "-j", "-xml"]


def test_a_queue_is_good_without_its_reasons(site):
    site.answers = {"-xml": (0, QSTAT.format(user=USER, state="Eqw"), ""), "-j 7": (1, "", AWAY)}

    (row,) = site.grid_engine.queue()
    assert (row.state, row.indices, row.reason) == ("Eqw", [0, 1], "")


def test_history_asks_for_one_range_and_finds_what_is_in_it(site):
    site.answers = {"-j 7": (0, ENTRY.format(task=1, status=0) + ENTRY.format(task=4, status=3), "")}
    found = site.grid_engine.history({"7": [3, 0]}, 1)

    assert {record.index: record.exit_code for record in found} == {0: 0, 3: 3}
    assert site.calls == [["qacct", "-o", USER, "-j", "7", "-t", "1-4"]]


@pytest.mark.promise("F51")
def test_accounting_that_was_put_away_is_asked_for_what_is_missing(tmp_path):
    site = Site(root=str(tmp_path), cell="default")
    old = tmp_path / "default" / "common" / "accounting.0"
    old.parent.mkdir(parents=True)
    old.touch()
    site.answers = {
        f"-t 1-2 -f {old}": (0, ENTRY.format(task=1, status=3) + ENTRY.format(task=2, status=9), ""),
        "-t 1-2": (0, ENTRY.format(task=2, status=0), ""),
    }
    found = site.grid_engine.history({"7": [0, 1]}, 1)

    assert [(record.index, record.exit_code) for record in found] == [(0, 3), (1, 9), (1, 0)]


@pytest.mark.promise("F51")
def test_no_record_is_no_error_and_no_accounting_is_one(site):
    site.answers = {
        "-j 7": (1, "", "error: job id 7 not found\n"),
        "-j jm": (1, "no jobs running since startup\n", "/sge/accounting: No such file or directory\n"),
        "-j 8": (1, "", "/sge/accounting: Permission denied\n"),
    }

    assert site.grid_engine.history({"7": None}, 1) == []
    assert site.grid_engine.history_of_names(["jm-7", "jm-8"], 1) == []
    with pytest.raises(Refused, match="Permission denied"):
        site.grid_engine.history({"8": None}, 1)


@pytest.mark.promise("F50")
def test_many_tasks_are_ended_by_few_commands_and_those_that_are_over_are_no_error(site):
    site.answers = {
        "7.1 ": (1, 'ann has registered the job 7.1 for deletion\ndenied: job "7" does not exist\n', "")
    }
    site.grid_engine.cancel({"7": range(0, 4 * ENDED_AT_ONCE, 2)})

    assert [len(call) for call in site.calls] == [1 + ENDED_AT_ONCE, 1 + ENDED_AT_ONCE]
    assert site.calls[0][:3] == ["qdel", "7.1", "7.3"]


def test_a_deletion_that_is_denied_is_told(site):
    site.answers = {"qdel": (1, 'ann - you do not have the necessary privileges to delete the job "7"\n', "")}

    with pytest.raises(Refused, match="necessary privileges"):
        site.grid_engine.cancel({"7": None})


@pytest.mark.promise("F48")
def test_a_silent_qmaster_is_asked_once_in_a_while_and_named(site):
    site.answers = {"qstat": (1, "", AWAY)}
    for _ in range(5):
        with pytest.raises(Unreachable):
            site.grid_engine.queue()
    assert len(site.calls) == 1
    assert site.grid_engine.trouble.startswith("Grid Engine has not answered since")

    site.now += 5
    site.answers = {"qstat": (0, QSTAT.format(user=USER, state="r"), "")}
    assert len(site.grid_engine.queue()) == 1
    assert site.grid_engine.trouble == ""


@pytest.mark.promise("F52")
def test_a_queue_that_cannot_be_read_is_trouble_and_no_empty_queue(site):
    site.answers = {"qstat": (0, "<job_info><queue_info>", "")}

    with pytest.raises(NoAnswer):
        site.grid_engine.queue()


def test_accounting_may_be_silent_while_the_queue_is_not(site):
    site.answers = {"qacct": (1, "", AWAY), "qstat": (0, QSTAT.format(user=USER, state="r"), "")}
    with pytest.raises(Unreachable):
        site.grid_engine.history({"7": None}, 1)

    assert len(site.grid_engine.queue()) == 1
    assert site.grid_engine.trouble.startswith("Grid Engine's accounting has not answered since")


def test_requests_are_counted_and_paced():
    site = Site(requests_per_second=1, burst=2)
    for _ in range(4):
        site.grid_engine.node_addresses()

    assert site.grid_engine.requests == 4
    assert site.slept == [1.0, 1.0]
