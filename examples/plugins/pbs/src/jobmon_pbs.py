"""Jobmon's contract of a cluster on PBS, a skeleton: all that a plugin needs, as docs/plugins.md explains."""

import getpass
import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from jobmon.core.cluster import ClusterKind, Connection, JobState
from jobmon.core.quantities import parse_memory, parse_runtime
from jobmon.core.resources import QueueLimits, Resources
from jobmon.core.scheduler.cluster import SchedulerCluster
from jobmon.core.scheduler.dialect import Dialect
from jobmon.core.scheduler.indices import format_indices
from jobmon.core.scheduler.limits import Limits
from jobmon.core.scheduler.options import SchedulerOptions
from jobmon.core.scheduler.pace import Breaker, Bucket, Gate
from jobmon.core.scheduler.reach import check_reach
from jobmon.core.scheduler.refusals import Meaning
from jobmon.core.scheduler.shapes import NoAnswer, Queued, Record, Refused, Submission, Tasks, Unreachable
from jobmon.core.scheduler.states import Fate, States

ANSWER_SECONDS = 30.0  # patience with one command
SPARE_SECONDS = 60  # the worker ends its command in time, and then has to tell
DELETED = 91  # the substate of a job that somebody ended by qdel
ENDED = {-26: "memory", -27: "memory", -28: "time", -29: "time"}  # exit codes, as in job.h of OpenPBS
PENDING, RUNNING = dict.fromkeys("QHWTM", JobState.PENDING), dict.fromkeys("RESUB", JobState.RUNNING)
LIMITED = {"deleted": Fate.CANCELLED, "memory": Fate.OUT_OF_MEMORY, "time": Fate.TIME_LIMIT, "lost": Fate.LOST}
MEANINGS = {
    r"cannot connect|Connection refused": Meaning.UNREACHABLE,
    r"would exceed .* limit|Maximum number of jobs": Meaning.LIMIT,
    r"array job exceeds|max_array_size": Meaning.TOO_LARGE,
    r"Unknown (queue|resource)|[Ii]llegal|Unauthorized|violates|Access to queue is denied": Meaning.FATAL,
}


def meaning(words: str) -> Meaning:
    return next((found for pattern, found in MEANINGS.items() if re.search(pattern, words)), Meaning.UNKNOWN)


DIALECT = Dialect(
    name="PBS",
    cancel="qdel",
    lookups=("qstat", "qstat -x"),
    states=States(PENDING | RUNNING, {"X": Fate.EXITED, "F": Fate.EXITED, **LIMITED}),
    meaning=meaning,
    script='#!/bin/sh\nexec "$@"\n',
    index_words=("--index-env=PBS_ARRAY_INDEX", "--job-env=PBS_JOBID"),
    log_pattern="^array_index^.log",
)


class Pbs:
    """The only one that knows the commands: an `Api` as `jobmon.core.scheduler.api` describes it."""

    def __init__(self, options: SchedulerOptions) -> None:
        self.user = getpass.getuser()
        self._gate = Gate(Bucket(options.requests_per_second, options.burst), lambda words: False)
        self._breaker = Breaker("PBS")

    @property
    def trouble(self) -> str:
        return self._breaker.trouble

    def submit(self, asked: Submission) -> str:
        if asked.singleton and (there := [row for row in self.queue() if row.name == asked.name]):
            return there[0].array_id  # PBS cannot wait for another job of the same name
        indices = f"0-{asked.size - 1}" if asked.size > 1 else "0-1:2"  # it does not take 0-0
        words = ["-N", asked.name, "-J", indices, "-r", "y" if asked.requeue else "n", "-j", "oe"]
        words += [word for option in asked.options.items() for word in option]
        words += ["-o", asked.log_pattern, "--", "/bin/sh", asked.script, *asked.arguments]
        return self._run("qsub", *words).split("[")[0]

    def queue(self) -> list[Queued]:
        return [
            Queued(id, [index], job["Job_Name"], _state(job), job.get("comment", ""), job["qtime"], _node(job))
            for id, index, job in self._jobs()
        ]

    def history(self, tasks: Tasks, hours: int) -> list[Record]:
        return [self._record(*job) for id in _ids(tasks) for job in self._jobs("-x", id)]

    def history_of_names(self, names: Sequence[str], hours: int) -> list[Record]:
        return [self._record(*job) for job in self._jobs("-x") if job[2]["Job_Name"] in names]

    def cancel(self, tasks: Tasks) -> None:
        for id in _ids(tasks):
            self._run("qdel", id)

    def node_addresses(self) -> list[str]:
        return [node["Mom"] for node in json.loads(self._run("pbsnodes", "-a", "-F", "json"))["nodes"].values()]

    def queues(self) -> dict[str, Any]:
        return dict(json.loads(self._run("qstat", "-Q", "-f", "-F", "json"))["Queue"])

    def close(self) -> None:
        pass

    def _record(self, id: str, index: int, job: dict[str, Any]) -> Record:
        code = job.get("Exit_status", -1)
        exit_code, signal = (None, code - 256) if code >= 256 else (code if code >= 0 else None, None)
        name, state = job["Job_Name"], _state(job)
        return Record(id, index, name, self.user, state, exit_code, signal, job["qtime"], _node(job))

    def _jobs(self, *words: str) -> Iterator[tuple[str, int, dict[str, Any]]]:
        """Array id, index and attributes of our own."""
        jobs = json.loads(self._run("qstat", "-t", "-f", "-F", "json", *words) or "{}").get("Jobs", {})
        for id, job in jobs.items():
            if "array_index" in job and job["Job_Owner"].split("@")[0] == self.user:
                yield id.split("[")[0], int(job["array_index"]), job

    def _run(self, *argv: str) -> str:
        return self._gate.ask(self._breaker, lambda: _answer(argv))


def _answer(argv: Sequence[str]) -> str:
    try:
        done = subprocess.run(argv, cwd="/", capture_output=True, text=True, timeout=ANSWER_SECONDS)
    except OSError as error:
        raise Unreachable(f"cannot run {argv[0]}: {error.strerror}") from error
    except subprocess.TimeoutExpired as late:
        raise NoAnswer(f"{argv[0]} did not answer within {ANSWER_SECONDS:.0f} s") from late
    if done.returncode and "Unknown Job Id" not in done.stderr:  # what is over is no error
        raise (Unreachable if meaning(done.stderr) is Meaning.UNREACHABLE else Refused)(done.stderr.strip())
    return done.stdout


def _state(job: dict[str, Any]) -> str:
    """PBS's letter; for a job that did not end by itself, why, as far as PBS knows."""
    code = job.get("Exit_status", 0)
    if job["job_state"] not in "XF" or (code >= 0 and job.get("substate") != DELETED):
        return str(job["job_state"])
    return "deleted" if code >= 0 else ENDED.get(code, "lost")


def _node(job: dict[str, Any]) -> str:
    return str(job.get("exec_host", "")).split("/")[0]


def _ids(tasks: Tasks) -> list[str]:
    return [f"{id}[{'' if indices is None else format_indices(indices)}]" for id, indices in tasks.items()]


def request(resources: Resources, avoided: Sequence[str]) -> Mapping[str, str]:
    memory, seconds = resources.memory_bytes, resources.runtime_seconds
    asked = f"select=1:ncpus={resources.cores}" + ("" if memory is None else f":mem={memory}b")
    asked += "" if seconds is None else f",walltime={seconds + SPARE_SECONDS}"
    return {"-l": asked} | ({"-q": resources.queue} if resources.queue else {})


def queues(options: SchedulerOptions) -> list[QueueLimits]:
    limits = {name: queue.get("resources_max", {}) for name, queue in Pbs(options).queues().items()}
    return [
        QueueLimits(
            name=name,
            max_memory_bytes=parse_memory(most["mem"]) if "mem" in most else None,
            max_runtime_seconds=parse_runtime(most["walltime"]) - SPARE_SECONDS if "walltime" in most else None,
            max_cores=most.get("ncpus"),
        )
        for name, most in limits.items()
    ]


def connect(connection: Connection, clock: Callable[[], float] = time.monotonic) -> SchedulerCluster:
    options: SchedulerOptions = connection.options
    api, limits = Pbs(options), Limits(options.max_batch, options.max_submitted)
    check_reach(connection, api)
    return SchedulerCluster(connection, api, limits, DIALECT, request, clock)


pbs = ClusterKind(
    name="pbs", queues=queues, connect=connect, options=SchedulerOptions, login_only=("XDG_", "DBUS_", "PBS_")
)
