"""qacct -j: the lines of accounting of a job, by its number or its name."""

from collections.abc import Iterable
from signal import strsignal

from fakes.drmaa import words
from fakes.drmaa.options import is_meant, read
from fakes.drmaa.qmaster import Qmaster
from fakes.drmaa.records import Entry, Request
from fakes.drmaa.settings import HOST
from fakes.scheduler.call import Answer, Call, Refusal

VALUED = ("-j", "-t", "-o", "-u", "-d", "-b", "-e", "-f", "-q", "-P", "-A", "-h")
FLAGS = ("-E", "-m")
LINE = "=" * 62 + "\n"
NO_COUNTS = ("ixrss", "ismrss", "idrss", "isrss")


def qacct(qmaster: Qmaster, call: Call) -> Answer:
    """Every line whose job is meant; a number that was given twice means both jobs."""
    try:
        asked, _ = read(call.rest, VALUED, FLAGS)
    except KeyError:
        raise Refusal("SGE 8.1.9\nusage: qacct [options]") from None
    if not qmaster.entries:
        raise Refusal("no jobs running since startup")
    wanted = asked.get("-j") or "*"
    found = [one for one in qmaster.accounted() if is_meant(one.task.job.number, one.task.job.name, wanted)]
    found = [one for one in found if _is_of(one, asked.get("-o", "")) and _is_recent(qmaster, one, asked)]
    if not found:
        kind = "id" if wanted.isdecimal() else "name"
        raise Refusal(f"error: job {kind} {wanted} not found")
    if "-t" in asked:
        indices = words.read_range(asked["-t"])
        found = [one for one in found if one.task.index in indices]
        if not found:
            span = f"{indices.start}-{indices.stop - 1}:{indices.step}"
            raise Refusal(f"error: Job-array tasks {wanted}.{span} not found")
    return Answer("".join(LINE + _record(one) for one in found))


def _is_of(entry: Entry, user: str) -> bool:
    return user in ("", entry.task.job.request.user)


def _is_recent(qmaster: Qmaster, entry: Entry, asked: dict[str, str]) -> bool:
    return "-d" not in asked or entry.started >= qmaster.clock.now() - 86400 * int(asked["-d"])


def _record(entry: Entry) -> str:
    return "".join(f"{name:12} {text}\n" for name, text in _fields(entry))


def _fields(entry: Entry) -> Iterable[tuple[str, str]]:
    task, job, request = entry.task, entry.task.job, entry.task.job.request
    never = entry.failed == 25 and not entry.started  # rescheduled by hand
    wall = int(entry.ended - entry.started)
    texts = {
        "qname": task.queue, "hostname": HOST, "group": "root", "owner": request.user,
        "project": request.project or "NONE", "department": "defaultdepartment", "jobname": job.name,
        "jobnumber": job.number, "taskid": task.shown_index, "account": request.account,
        "priority": request.priority,
    }  # fmt: skip
    yield from ((name, f"{text!s:20}") for name, text in texts.items())
    yield "qsub_time", words.when(0 if never else job.submitted, words.IN_DETAILS)
    yield from ((name, _time(at)) for name, at in (("start_time", entry.started), ("end_time", entry.ended)))
    yield "granted_pe", f"{request.parallel or 'NONE':20}"
    yield "slots", f"{request.slots!s:20}"
    yield "failed", f"{entry.failed!s:3} {': ' + words.FAILED[entry.failed] if entry.failed else ' '}"
    yield "exit_status", _exit(entry.exit_status)
    yield "ru_wallclock", f"{wall}s"
    yield from ((name, f"{entry.cpu_seconds / 2:.3f}s") for name in ("ru_utime", "ru_stime"))
    yield "ru_maxrss", words.amount(entry.max_rss_kb)  # in 8.1.9 what is KB is shown as if it were bytes
    yield from ((f"ru_{name}", "0.000B") for name in NO_COUNTS)
    counts = ("minflt", "majflt", "nswap", "inblock", "oublock", "msgsnd", "msgrcv", "nsignals", "nvcsw", "nivcsw")
    yield from ((f"ru_{name}", f"{0!s:20}") for name in counts)
    yield "cpu", f"{entry.cpu_seconds:.3f}s"
    yield from (("mem", "0.000Bs"), ("io", "0.000B"), ("iow", "0.000s"))
    yield "maxvmem", words.amount(entry.max_vmem)
    yield from (("arid", "undefined"), ("ar_sub_time", "undefined"), ("category", _category(request)))


def _time(at: float) -> str:
    return words.when(at, words.IN_DETAILS) if at else "-/-"


def _exit(status: int) -> str:
    if status > 128 and (name := strsignal(status - 128)):
        return f"{status!s:20} ({name})"
    return f"{status!s:20}"


def _category(request: Request) -> str:
    words_ = [f"-q {','.join(request.queues)}"] if request.queues else []
    if request.resources:
        words_.append("-l " + ",".join(f"{name}={text}" for name, text in request.resources.items()))
    if request.parallel:
        words_.append(f"-pe {request.parallel} {request.slots}")
    return " ".join(words_) or "NONE"
