"""qstat: what runs and what waits, as a list or job by job, as text or XML."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import NamedTuple

from fakes.drmaa import words
from fakes.drmaa.details import details, unknown
from fakes.drmaa.options import is_meant, read
from fakes.drmaa.qmaster import Qmaster
from fakes.drmaa.records import Job, Task
from fakes.drmaa.settings import HOST
from fakes.drmaa.xml import Node, document
from fakes.scheduler.call import Answer, Call, Refusal

VALUED = ("-u", "-s", "-j", "-g", "-q", "-explain", "-l", "-pe", "-U", "-F", "-qs")
FLAGS = ("-xml", "-r", "-t", "-ext", "-pri", "-urg", "-f", "-ne", "-ncb")
TITLE = (
    "job-ID  prior   name       user         state submit/start at     queue                          slots"
    " ja-task-ID "
)


class Row(NamedTuple):
    """Tasks of a job that are shown together: each running one is alone."""

    job: Job
    letters: str
    tasks: tuple[Task, ...]
    running: bool

    @property
    def prior(self) -> float:
        return 0.5 if self.running else 0.0 if "h" in self.letters else 0.25

    @property
    def shown(self) -> str:
        return words.ranges([task.index for task in self.tasks]) if self.job.is_array else ""

    @property
    def queue(self) -> str:
        return f"{self.tasks[0].queue}@{HOST}" if self.running else ""

    @property
    def at(self) -> float:
        return self.tasks[0].started if self.running else self.job.submitted


def qstat(qmaster: Qmaster, call: Call) -> Answer:
    """All forms that are known here."""
    if call.rest == ["-help"]:
        return Answer(USAGE)
    try:
        asked, others = read(call.rest, VALUED, FLAGS)
    except KeyError as wrong:
        raise Refusal(f'{USAGE}invalid option argument "{wrong.args[0]}"') from None
    if others:
        raise Refusal(f'{USAGE}invalid option argument "{others[0]}"')
    if "-j" in asked:
        return _of_jobs(qmaster, asked["-j"].split(","), "-xml" in asked)
    rows = [row for row in _rows(qmaster, asked.get("-g") == "d") if _is_wanted(row, asked)]
    rows.sort(key=lambda row: (not row.running, -row.prior, row.job.number))
    return Answer(_xml(rows, "-r" in asked) if "-xml" in asked else _text(rows))


def _of_jobs(qmaster: Qmaster, wanted: list[str], xml: bool) -> Answer:
    jobs = [job for job in qmaster.jobs.values() if any(is_meant(job.number, job.name, one) for one in wanted)]
    missing = [one for one in wanted if not any(is_meant(job.number, job.name, one) for job in jobs)]
    if jobs:
        return Answer(details(qmaster, jobs, xml))
    if xml:
        return Answer(unknown(missing))
    raise Refusal("Following jobs do not exist: \n" + ", ".join(missing))


def _rows(qmaster: Qmaster, apart: bool) -> Iterator[Row]:
    for job in qmaster.jobs.values():
        waits = qmaster.waits(job)
        groups: dict[str, list[Task]] = {}
        for task in job.live:
            if task.started:
                yield Row(job, task.letters, (task,), True)
            else:
                letters = task.letters if task.held or not waits else task.letters.replace("q", "hq", 1)
                groups.setdefault(letters, []).append(task)
        for letters, tasks in groups.items():
            for some in [(task,) for task in tasks] if apart else [tuple(tasks)]:
                yield Row(job, letters, some, False)


def _is_wanted(row: Row, asked: dict[str, str]) -> bool:
    users = asked.get("-u", "*").split(",")
    states = asked.get("-s") or "a"
    suspended = any(letter in row.letters for letter in "sST")
    shown = (
        "a" in states
        or ("p" in states and not row.running)
        or ("r" in states and row.running and not suspended)
        or ("s" in states and suspended)
        or ("h" in states and "h" in row.letters)
    )
    return shown and any(fnmatchcase(row.job.request.user, user) for user in users)


def _text(rows: list[Row]) -> str:
    if not rows:
        return ""
    return "\n".join([TITLE, "-" * (len(TITLE) - 1), *map(_line, rows)]) + "\n"


def _line(row: Row) -> str:
    job = row.job
    return (
        f"{job.number:7d} {row.prior:7.5f} {job.name:10.10} {job.request.user:12.12} {row.letters:5.5} "
        f"{words.when(row.at, words.IN_LISTS)} {row.queue:30.30} {job.request.slots:5d} {row.shown or ' ' * 7}"
    )


def _xml(rows: list[Row], requests: bool) -> str:
    running = [_node(row, requests) for row in rows if row.running]
    pending = [_node(row, requests) for row in rows if not row.running]
    return document("job_info", "qstat/qstat.xsd", [("queue_info", running), ("job_info", pending)])


def _node(row: Row, requests: bool) -> Node:
    job, request = row.job, row.job.request
    at = "JAT_start_time" if row.running else "JB_submission_time"
    nodes: list[Node] = [
        ("JB_job_number", str(job.number)), ("JAT_prio", f"{row.prior:.5f}"), ("JB_name", job.name),
        ("JB_owner", request.user), ("state", row.letters), (at, words.when(row.at, words.IN_XML)),
        ("queue_name", row.queue), ("slots", str(request.slots)),
    ]  # fmt: skip
    if job.is_array:
        nodes.append(("tasks", row.shown))
    if requests:
        nodes += _requests(row)
    return f'job_list state="{"running" if row.running else "pending"}"', nodes


def _requests(row: Row) -> list[Node]:
    request = row.job.request
    nodes: list[Node] = [("full_job_name", row.job.name)]
    if request.parallel:
        names = ("requested_pe", "granted_pe") if row.running else ("requested_pe",)
        nodes += [(f'{name} name="{request.parallel}"', str(request.slots)) for name in names]
    nodes += [
        (f'hard_request name="{name}" resource_contribution="0.000000"', text)
        for name, text in request.resources.items()
    ]
    nodes += [("hard_req_queue", name) for name in request.queues]
    nodes += [("predecessor_jobs_req", name) for name in request.waits_for]
    nodes += [("predecessor_jobs", str(other.number)) for other in row.job.waits_for if other.live]
    return [*nodes, ("binding", "NONE")]


USAGE = "SGE 8.1.9\nusage: qstat [options]\n"
