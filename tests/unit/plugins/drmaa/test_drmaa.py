"""DRMAA's client and its child process, with a fake module, and with the real one where its library is missing."""

import json
import os
import sys
import time
from pathlib import Path

import pytest

from jobmon.core.scheduler.refusals import Meaning
from jobmon.core.scheduler.shapes import NoAnswer, Refused, Unreachable
from jobmon_drmaa import drmaa_client
from jobmon_drmaa.drmaa_child import Submit
from jobmon_drmaa.drmaa_client import TUNABLE, Drmaa, child_environment
from jobmon_drmaa.options import Options
from jobmon_drmaa.refusals import meaning

PATIENCE_SECONDS = 90.0  # only a failure waits so long
MODULE = str(Path(__file__).parent / "module")
SUBMISSION = Submit(
    name="jm-1",
    size=3,
    command="/bin/sh",
    arguments=["/launch.sh", "--node", "a b", ""],
    output="/logs/$TASK_ID.log",
    native="-w e -q all.q",
)


class Cluster:
    """What the fake module reads and writes."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def does(self, **told: object) -> None:
        (self.root / "drmaa.json").write_text(json.dumps(told))

    @property
    def calls(self) -> list[dict]:
        path = self.root / "calls"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def pids(self) -> list[int]:
        return list(dict.fromkeys(call["pid"] for call in self.calls))

    def names(self) -> list[str]:
        return [call["call"] for call in self.calls]


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (MODULE, os.environ.get("PYTHONPATH")))))
    monkeypatch.setenv("SGE_ROOT", str(tmp_path))
    return Cluster(tmp_path)


@pytest.fixture
def drmaa(cluster, monkeypatch):
    monkeypatch.setattr(drmaa_client, "PARTING_SECONDS", PATIENCE_SECONDS)
    drmaa = Drmaa(Options(answer_seconds=PATIENCE_SECONDS))
    yield drmaa
    drmaa.close()


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_an_array_is_submitted_with_all_that_it_needs(drmaa, cluster):
    assert drmaa.submit(SUBMISSION) == "4711"
    assert {key: value for key, value in cluster.calls[1].items() if key != "pid"} == {
        "call": "submit",
        "range": [1, 3, 1],
        "remoteCommand": "/bin/sh",
        "args": ["/launch.sh", "--node", "a b", ""],
        "jobName": "jm-1",
        "workingDirectory": "/",
        "outputPath": ":/logs/$TASK_ID.log",
        "joinFiles": True,
        "blockEmail": True,
        "nativeSpecification": "-w e -q all.q",
    }


def test_one_session_serves_many_questions_and_signs_off(drmaa, cluster):
    assert drmaa.version() == "SGE 8.1.9 (fake)"
    drmaa.submit(SUBMISSION)
    drmaa.submit(SUBMISSION)
    (pid,) = cluster.pids
    drmaa.close()

    assert cluster.names() == ["initialize", "submit", "delete", "submit", "delete", "exit"]
    assert not is_alive(pid)
    assert "drmaa" not in sys.modules


def test_nothing_is_started_before_it_is_needed(drmaa, cluster):
    assert drmaa.ended(["7.1"]) == {}
    assert cluster.calls == []


def test_what_a_session_knows_of_its_jobs(drmaa, cluster):
    drmaa.version()
    cluster.does(states={"7.1": "done", "7.2": "failed", "7.3": "running"})

    assert drmaa.ended(["7.1", "7.2", "7.3", "7.4"]) == {"7.1": False, "7.2": True}


@pytest.mark.promise("F52 F53 F54 F56")
@pytest.mark.parametrize(
    ("name", "words", "said", "found"),
    [
        ("DeniedByDrmException", "code 17: error: no suitable queues", "DRMAA: no suitable queues", Meaning.FATAL),
        (
            "DeniedByDrmException",
            "code 17: No budget",
            "DRMAA: denied: No budget",
            Meaning.FATAL,
        ),
        (
            "DeniedByDrmException",
            "code 17: job rejected: you tried to submit a job with more than 10 tasks",
            "DRMAA: job rejected: you tried to submit a job with more than 10 tasks",
            Meaning.TOO_LARGE,
        ),
        (
            "TryLaterException",
            "code 16: job rejected: only 2 jobs are allowed per user (current job count: 2)",
            "DRMAA: job rejected: only 2 jobs are allowed per user (current job count: 2)",
            Meaning.LATER,
        ),
        ("TryLaterException", "code 16: busy", "DRMAA: try later: busy", Meaning.LATER),
    ],
)
def test_a_refusal_has_the_words_of_grid_engine(drmaa, cluster, name, words, said, found):
    cluster.does(submit={"error": [name, words]})
    with pytest.raises(Refused) as refused:
        drmaa.submit(SUBMISSION)

    assert (str(refused.value), meaning(str(refused.value))) == (said, found)
    cluster.does()
    assert drmaa.submit(SUBMISSION) == "4711"
    assert len(cluster.pids) == 1


@pytest.mark.promise("F48")
@pytest.mark.parametrize("call", ["initialize", "submit"])
def test_a_qmaster_that_is_away_has_not_heard_of_it_and_the_next_session_finds_it_again(drmaa, cluster, call):
    words = 'code 2: unable to send message to qmaster using port 12014 on host "q": got send error'
    cluster.does(**{call: {"error": ["DrmCommunicationException", words]}})
    with pytest.raises(Unreachable, match="unable to send message to qmaster"):
        drmaa.submit(SUBMISSION)

    cluster.does()
    assert drmaa.submit(SUBMISSION) == "4711"
    assert len(cluster.pids) == 2


@pytest.mark.promise("F47")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("DrmCommunicationException", "code 2: failed receiving gdi request response for mid=1"),
        ("InternalException", "code 1: Error reading answer list from qmaster"),
        ("InternalException", "code 1: of a release to come"),
        ("Exception", "code 99: of a release to come"),
    ],
)
def test_an_error_that_does_not_say_no_may_have_been_a_yes(drmaa, cluster, name, words):
    cluster.does(submit={"error": [name, words]})

    with pytest.raises(NoAnswer):
        drmaa.submit(SUBMISSION)


@pytest.mark.promise("F47")
def test_a_frozen_call_is_given_up_with_its_process(drmaa, cluster):
    drmaa.version()
    drmaa._process.answer_seconds = 1
    cluster.does(submit={"freeze": True})
    began = time.monotonic()
    with pytest.raises(NoAnswer, match="did not answer within 1 s"):
        drmaa.submit(SUBMISSION)

    assert time.monotonic() - began < PATIENCE_SECONDS
    assert not is_alive(cluster.pids[0])
    cluster.does()
    drmaa._process.answer_seconds = PATIENCE_SECONDS
    assert drmaa.submit(SUBMISSION) == "4711"


@pytest.mark.promise("F48")
def test_a_session_that_does_not_begin_has_submitted_nothing(cluster):
    cluster.does(initialize={"freeze": True})
    for seconds in (3, 15, PATIENCE_SECONDS):  # more, should the process not have come so far
        drmaa = Drmaa(Options(answer_seconds=seconds))
        with pytest.raises(Unreachable, match=f"did not answer within {seconds:g} s while it started"):
            drmaa.submit(SUBMISSION)
        if cluster.calls:
            break

    assert cluster.names() == ["initialize"]
    assert not is_alive(cluster.pids[0])


@pytest.mark.promise("F47")
def test_a_process_that_ends_in_a_call_tells_its_last_words(drmaa, cluster):
    cluster.does(submit={"exit": "*** stack smashing detected ***"})

    with pytest.raises(NoAnswer, match="DRMAA ended.*stack smashing"):
        drmaa.submit(SUBMISSION)


def test_what_the_library_prints_is_no_answer(drmaa, cluster):
    cluster.does(submit={"print": '{"type":"done","result":"666"}\n'})

    assert drmaa.submit(SUBMISSION) == "4711"


def test_a_process_that_was_killed_between_questions_is_replaced(drmaa, cluster):
    drmaa.version()
    os.kill(cluster.pids[0], 9)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline and drmaa._process.pid is not None:
        time.sleep(0.01)

    assert drmaa.submit(SUBMISSION) == "4711"
    assert len(cluster.pids) == 2


def test_without_the_package_it_is_named(cluster, monkeypatch, tmp_path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "drmaa.py").write_text("raise ModuleNotFoundError('no drmaa', name='drmaa')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "broken"))

    with pytest.raises(Unreachable, match="the package drmaa is not installed for .*: pip install drmaa"):
        Drmaa(Options()).submit(SUBMISSION)


@pytest.mark.parametrize("place", ["variable", "option"])
def test_without_the_library_the_variable_and_what_to_install_are_named(monkeypatch, place):
    monkeypatch.setenv("DRMAA_LIBRARY_PATH", "/nowhere/libdrmaa.so" if place == "variable" else "/other")

    with pytest.raises(Unreachable) as error:
        Drmaa(Options(library="/nowhere/libdrmaa.so" if place == "option" else "")).submit(SUBMISSION)
    for word in ("/nowhere/libdrmaa.so", "DRMAA_LIBRARY_PATH", "gridengine-drmaa1.0", "option library"):
        assert word in str(error.value)


def test_the_child_gets_what_it_needs_and_little_else(monkeypatch):
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.check=1")
    monkeypatch.setenv("SGE_TASK_ID", "7")
    monkeypatch.setenv("SGE_ROOT", "/opt/sge")
    monkeypatch.setenv("SECRET", "x")
    environment = child_environment(Options(cell="lab", qmaster_port=6444, library="/lib/libdrmaa.so"))

    assert environment["GLIBC_TUNABLES"] == f"glibc.malloc.check=1:{TUNABLE}"
    assert (environment["SGE_ROOT"], environment["SGE_CELL"], environment["SGE_QMASTER_PORT"]) == (
        "/opt/sge",
        "lab",
        "6444",
    )
    assert environment["DRMAA_LIBRARY_PATH"] == "/lib/libdrmaa.so"
    assert not {"SECRET", "SGE_TASK_ID"} & environment.keys()


def test_the_tunable_is_given_once(monkeypatch):
    monkeypatch.setenv("GLIBC_TUNABLES", TUNABLE)

    assert child_environment(Options())["GLIBC_TUNABLES"] == TUNABLE


def test_a_library_below_the_root_is_found_that_is_for_this_machine(monkeypatch, tmp_path):
    monkeypatch.delenv("DRMAA_LIBRARY_PATH", raising=False)
    mine = f"lx-{os.uname().machine.replace('x86_64', 'amd64')}"
    for name in ("aix51", mine, "sol-sparc"):
        (tmp_path / "lib" / name).mkdir(parents=True)
        (tmp_path / "lib" / name / "libdrmaa.so.1.0").touch()

    found = child_environment(Options(root=str(tmp_path)))["DRMAA_LIBRARY_PATH"]
    assert found == f"{tmp_path}/lib/{mine}/libdrmaa.so.1.0"
