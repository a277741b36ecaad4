"""The fake Grid Engine answers as the real one does: the same is done on both, the answers are compared."""

import json
import os
import re
import subprocess
import sys
import uuid
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path

import pytest

from clusters.sge import SgeCluster
from clusters.sharing import folder_of_the_run, shared
from fakes.drmaa import FakeGridEngine
from jobmon_conformance.home import wait_for

SUBMITS = str(Path(__file__).with_name("submits.py"))
EATS = f"{sys.executable} -c 'bytearray(2**30)'"
MANY = [
    ("held", 5, {"nativeSpecification": "-h -l h_rt=600"}),
    ("runs", 2, {"args": ["-c", "sleep 600"], "nativeSpecification": "-l h_vmem=2G,h_rt=600 -q all.q"}),
    ("ends", 2, {"args": ["-c", "exit 3"]}),
    ("killed", 1, {"args": ["-c", "kill -9 $$"]}),
    ("terminated", 1, {"args": ["-c", "kill -15 $$"]}),
    ("limited", 1, {"args": ["-c", "sleep 600"], "nativeSpecification": "-l h_rt=1"}),
    ("hundred", 1, {"args": ["-c", "exit 100"]}),
    ("folder", 1, {"workingDirectory": "/no/where"}),
    ("output", 1, {"outputPath": ":/no/where/x"}),
    ("command", 1, {"remoteCommand": "/no/where"}),
    (
        "memory",
        1,
        {"args": ["-c", f"{sys.executable} -c 'bytearray(2**30)'"], "nativeSpecification": "-l h_vmem=300M"},
    ),
]
REFUSED = [
    ("-q nope.q", {}), ("-q all.q@nope", {}), ("-P nope", {}), ("-pe nope 2", {}), ("-pe smp x", {}),
    ("-pe smp", {}), ("-l nope=2", {}), ("-l h_vmem=x2", {}), ("-l h_rt=0:0", {}), ("-l slots=2", {}),
    ("-l", {}), ("-q", {}),
    ("-zzz 3", {}), ("-w x", {}), ("-r x", {}), ("-tc x", {}), ("-p 5000", {}), ("-q short.q -l h_rt=301", {}),
    ("-w e -l h_vmem=1001G", {}), ("-pe smp 41", {}), ("", {"jobName": "1abc"}), ("", {"jobName": "a/b"}),
    ("", {"jobName": "a@b"}), ("", {"jobName": "a:b"}), ("", {"jobName": "a\nb"}), ("", {"jobName": ""}),
    ("", {"outputPath": "/tmp/abc"}), ("", {"hardWallclockTimeLimit": 3}),
]  # fmt: skip
ASKED = [
    "qstat -j 999999", "qstat -xml -j 999999", "qstat -j nosuch", "qstat -xml -j nosuch", "qacct -j 999999",
    "qacct -j nosuch", "qacct -j {ends} -t 7", "qdel 999999", "qdel 999999.3", "qdel nosuch", "qdel {held} -t 9",
    "qconf -sq nope.q", "qconf -sp nope", "qconf -sprj nope", "qconf -sprjl", "qconf -sql", "qconf -spl",
    "qconf -sel", "qdel {held}.4", "qdel {held} -t 2-3", "qdel {held}.1 999999",
]  # fmt: skip
DELETES = "qdel {runs} -t 1"  # it takes a moment: asked before, in, and after it
DELETED = ["qdel {runs}.1", "qdel {held}", "qdel  {held}", "qdel {runs}"]  # one of them twice
TABLES = ["-sq all.q", "-sp smp", "-ssconf", "-sconf", "-se localhost"]
RECORDS = ["ends", "killed", "terminated", "limited", "hundred", "folder", "output", "command", "memory"]


class World:
    """A cluster, real or not, and what came of doing all this on it."""

    def __init__(
        self, environment: dict[str, str], folder: Path, lasting: AbstractContextManager[None] | None = None
    ) -> None:
        """`lasting`: within it a deletion does not come to its end."""
        self._environment = {**os.environ, **environment}
        self._folder = folder
        self._names = {name: f"{name}{uuid.uuid4().hex[:8]}" for name, *_ in MANY}
        self.numbers = dict(zip(self._names, self._submit([self._one(*one) for one in MANY]), strict=True))
        self.ids = {name: ids[0].partition(".")[0] for name, ids in self.numbers.items()}
        self.refusals = self._submit([self._one("ends", 1, {"nativeSpecification": n, **a}) for n, a in REFUSED])
        ours = set(self.ids.values())
        wait_for(lambda: self._states() == {("held", "hqw"), ("runs", "r")}, f"the end of the others of {ours}")
        self.list = self._ours(self.run("qstat -xml -r -u *")[1])
        self.lines = self._lines()
        self.details = self.run(f"qstat -xml -j {self.ids['runs']},{self.ids['held']}")[1]
        self.records = {name: wait_for(partial(self._record, name), f"the record of {name}") for name in RECORDS}
        with lasting or nullcontext():
            self.answers = self._answers([*ASKED, DELETES])
            self.repeated = self._answers([DELETES])[DELETES]
        wait_for(lambda: ("runs", "dr") not in self._states(), "the end of what is deleted")
        self.answers |= self._answers(DELETED)
        self.tables = {asked: self.run(f"qconf {asked}")[1] for asked in TABLES}

    def run(self, line: str) -> tuple[int, str, str]:
        done = subprocess.run(line.split(), env=self._environment, capture_output=True, text=True, timeout=120)
        return done.returncode, done.stdout, done.stderr

    def _answers(self, asked: list[str]) -> dict[str, tuple[int, list[str], list[str]]]:
        return {line: self._plain(self.run(line.format(**self.ids))) for line in asked}

    def _record(self, name: str) -> str:
        """What accounting has of a job; "" while some of its tasks are missing."""
        text = self.run(f"qacct -j {self.ids[name]}")[1]
        return text if len(re.findall(r"^taskid ", text, re.M)) == len(self.numbers[name]) else ""

    def _one(self, name: str, tasks: int, attributes: dict[str, object]) -> dict[str, object]:
        common = {"remoteCommand": "/bin/sh", "args": ["-c", "true"], "workingDirectory": str(self._folder)}
        common |= {"outputPath": ":/dev/null", "joinFiles": True, "jobName": self._names[name]}
        return {"tasks": tasks, "attributes": {**common, **attributes}}

    def _submit(self, what: list[dict[str, object]]) -> list[list[str]]:
        done = subprocess.run(
            [sys.executable, SUBMITS],
            env=self._environment,
            input=json.dumps(what),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        answer: list[list[str]] = json.loads(done.stdout)
        return answer

    def _ours(self, text: str) -> ElementTree.Element:
        root = ElementTree.fromstring(text)
        for part in root:
            for job in [job for job in part if job.findtext("JB_job_number") not in self.ids.values()]:
                part.remove(job)
        return root

    def _states(self) -> set[tuple[str, str]]:
        names = {number: name for name, number in self.ids.items()}
        jobs = self._ours(self.run("qstat -xml -u *")[1]).iter("job_list")
        return {(names[str(job.findtext("JB_job_number"))], str(job.findtext("state"))) for job in jobs}

    def _lines(self) -> list[str]:
        """Of the list for people, without numbers and times."""
        lines = self.run("qstat -u *")[1].splitlines()
        ours = [line for line in lines[2:] if line.split()[0] in self.ids.values()]
        return lines[:2] + sorted(re.sub(r"^ *\d+ [\d.]+ (\w{4}).{6}|\d\d/.{17}", r"\1", line) for line in ours)

    def _plain(self, answer: tuple[int, str, str]) -> tuple[int, list[str], list[str]]:
        """With the names of jobs where their numbers are."""
        code, out, err = answer
        for name, number in self.ids.items():
            its = re.compile(rf'\b(job|job-array task|Job-array tasks) ("?){number}\b')
            out, err = (its.sub(rf"\1 \2{name}", text) for text in (out, err))
        return code, out.strip().splitlines(), err.strip().splitlines()


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with shared(partial(SgeCluster, folder_of_the_run(tmp_path_factory) / "sge")) as cluster:
        yield World(cluster.environment, tmp_path_factory.mktemp("real"))


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with FakeGridEngine(tmp_path_factory.mktemp("fake"), first_number=7000, end_delay=1) as sge:
        yield World(sge.environment, tmp_path_factory.mktemp("world"), without_execd(sge))


@contextmanager
def without_execd(sge: FakeGridEngine) -> Iterator[None]:
    sge.lose_execd()
    yield
    sge.restore_execd()


def paths(node: ElementTree.Element, above: str = "") -> Iterator[str]:
    """Of all elements, with their attributes' names."""
    here = f"{above}/{node.tag}{sorted(node.attrib)}"
    yield here
    for child in node:
        yield from paths(child, here)


def test_ids_and_refusals_are_the_same(real, fake):
    shapes = [[[id.partition(".")[2] for id in ids] for ids in world.numbers.values()] for world in (real, fake)]

    assert shapes[1] == shapes[0]
    assert fake.refusals == real.refusals


def test_the_list_of_jobs_is_the_same(real, fake):
    parts = [[sorted(map(plain, part)) for part in world.list] for world in (real, fake)]

    assert parts[1] == parts[0]
    assert fake.lines == real.lines


def plain(job: ElementTree.Element) -> str:
    """Without numbers, times, priorities and the white space behind it (of what follows)."""
    text = ElementTree.tostring(job, encoding="unicode").rstrip()
    return re.sub(r">\d+</JB|>[\d.]+</JAT_prio|>[\dT:-]+</J|[0-9a-f]{8}</", ">", text)


def test_what_is_told_of_a_job_is_told_of_it_by_the_real_one(real, fake):
    roots = [ElementTree.fromstring(world.details) for world in (real, fake)]

    assert set(paths(roots[1])) <= set(paths(roots[0]))
    for name in ("JB_job_name", "JAT_task_number", "RN_max", "CE_stringval"):
        found = [[re.sub("[0-9a-f]{8}$", "", str(one.text)) for one in root.iter(name)] for root in roots]
        assert sorted(found[1]) == sorted(found[0])


@pytest.mark.parametrize("name", RECORDS)
def test_records_of_accounting_are_the_same(real, fake, name):
    both = [[line.split(maxsplit=1) for line in world.records[name].splitlines()] for world in (real, fake)]
    shapes = [[(line[0], kind(*line[1:])) for line in lines] for lines in both]

    assert shapes[1] == shapes[0]
    told = [sorted(line for line in lines if line[0] in ("failed", "exit_status", "taskid")) for lines in both]
    assert told[1] == told[0]


def kind(text: str = "") -> str:
    """What sort of value it is."""
    if re.fullmatch(r"\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}", text):
        return "time"
    text = re.sub(r"^-?\d+(\.\d+)?([KMGT]?B|s|Bs)? *$", r"number", text)
    return text if text in ("number", "-/-", "NONE") else "text"


@pytest.mark.parametrize("asked", [*ASKED, DELETES, *DELETED])
def test_answers_to_wrong_and_right_questions_are_the_same(real, fake, asked):
    assert fake.answers[asked] == real.answers[asked]


def test_a_second_deletion_is_told_of_the_first_or_of_its_end(real, fake):
    said = [fake.repeated, fake.answers[DELETED[0]]]

    assert said[0] != said[1]
    assert real.repeated in said


@pytest.mark.parametrize("asked", TABLES)
def test_what_is_set_up_is_shown_in_the_same_form(real, fake, asked):
    tables = [dict(re.findall(r"^(\w+ +)(\S+)", world.tables[asked], re.M)) for world in (real, fake)]

    assert set(tables[1]) <= set(tables[0])
    assert {"-sq all.q": "slots", "-sp smp": "slots", "-ssconf": "algorithm", "-sconf": "max_aj_tasks"}.get(
        asked, "hostname"
    ) in {name.strip() for name in tables[1]}


def test_a_qmaster_that_is_away_gives_the_same_words(own_sge: Callable[..., SgeCluster], tmp_path: Path) -> None:
    own = own_sge()
    own.kill("qmaster")
    asked = ["qstat -xml", "qdel 3", "qconf -sql", "qstat -j 3"]
    with FakeGridEngine(tmp_path / "fake") as sge:
        sge.qmaster_down()
        worlds = [{**os.environ, **own.environment}, {**os.environ, **sge.environment}]
        answers = [[_said(line, world) for line in asked] for world in worlds]

    assert answers[1] == answers[0]
    assert own.run("qacct", "-j", "1").returncode == 0


def _said(line: str, environment: dict[str, str]) -> tuple[int, str, str]:
    done = subprocess.run(line.split(), env=environment, capture_output=True, text=True, timeout=120)
    return done.returncode, *(re.sub(r"port \d+", "port N", text) for text in (done.stdout, done.stderr))
