"""sacct: the accounting database, a line for a job or task, then its steps."""

import re
import time
from collections.abc import Iterable, Iterator

from fakes.scheduler.call import Answer, Call, Refusal
from fakes.slurm import accounting, options, references, states
from fakes.slurm.accounting import Entry
from fakes.slurm.controller import Controller
from fakes.slurm.sacct_fields import FIELDS, NAMES, Line

VALUES = (
    "jobs name format starttime endtime delimiter user state accounts partition qos units nodelist clusters array "
    "cluster timelimit-min uid"
)
FLAGS = "noheader parsable parsable2 duplicates allocations allusers long brief helpformat version truncate"
SHORT = (
    "j:jobs o:format S:starttime E:endtime u:user s:state A:accounts r:partition M:clusters q:qos nnoheader "
    "pparsable Pparsable2 Dduplicates Xallocations aallusers llong bbrief ehelpformat Vversion Ttruncate"
)
USUAL = "JobID,JobName,Partition,Account,AllocCPUS,State,ExitCode"
DISABLED = "Slurm accounting storage is disabled"


def sacct(slurm: Controller, call: Call) -> Answer:
    """Print what is asked for."""
    given, _ = options.read("sacct", call.rest, VALUES, FLAGS, SHORT)
    if "version" in given:
        return Answer(f"slurm-wlm {slurm.settings.version}\n")
    if not slurm.settings.accounting:
        raise Refusal(DISABLED)
    fields = _fields(given.get("format") or call.environment.get("SACCT_FORMAT") or USUAL)
    chosen = [entry for entry in _asked(slurm, given) if _fits(entry, given, call, slurm.clock.now())]
    lines = (_lines(slurm, entry, given, call) for entry in chosen)
    rows = [[FIELDS[field](line) for field in fields] for group in lines for line in group]
    heads = [] if "noheader" in given else [[NAMES[field] for field in fields]]
    return Answer(_write([*heads, *rows], given))


def _write(rows: Iterable[list[str]], given: dict[str, str]) -> str:
    mark = given.get("delimiter", "|")
    if "parsable2" in given:
        return "".join(mark.join(row) + "\n" for row in rows)
    if "parsable" in given:
        return "".join(mark.join(row) + mark + "\n" for row in rows)
    return "".join(" ".join(value[:10].rjust(10) for value in row) + " \n" for row in rows)


def _fields(format_: str) -> list[str]:
    fields = [field.partition("%")[0].lower() for field in format_.split(",") if field]
    for field in fields:
        if field not in FIELDS:
            raise Refusal(f'sacct: error: Invalid field requested: "{field}"')
    return fields


def _asked(slurm: Controller, given: dict[str, str]) -> Iterator[Entry]:
    every_run = "duplicates" in given
    wanted: dict[int, set[int] | None] = {}
    if not given.get("jobs"):
        wanted = dict.fromkeys(slurm.register.ledger)
    for reference in references.read(references.split(given.get("jobs", ""))):
        known = wanted.setdefault(reference.job_id, set())
        if reference.tasks is None:
            wanted[reference.job_id] = None
        elif known is not None:
            known.update(reference.tasks)
    names = set(filter(None, given.get("name", "").split(",")))
    return accounting.find(slurm, wanted, names, every_run)


def _fits(entry: Entry, given: dict[str, str], call: Call, now: float) -> bool:
    asked = entry.job.submission
    users = given.get("user") or (
        "" if "allusers" in given or given.get("jobs") or not call.user_id else call.user
    )
    begin = _time(given["starttime"], now) if given.get("starttime") else _midnight(now, given)
    end = _time(given.get("endtime") or "now", now)
    chosen = [states.LONG.get(name, name) for name in given.get("state", "").upper().split(",") if name]
    return (
        (not users or {asked.user, str(asked.user_id)} & set(users.split(",")) != set())
        and (not chosen or entry.state in chosen)
        and entry.part.submitted <= end
        and (not entry.ended or entry.ended >= int(begin))
    )


def _midnight(now: float, given: dict[str, str]) -> float:
    return 0 if given.get("jobs") else time.mktime((*time.localtime(now)[:3], 0, 0, 0, 0, 0, -1))


def _time(text: str, now: float) -> float:
    """now, now-2hours, 2026-11-21[T12:00[:00]], uts1763726400."""
    relative = re.fullmatch(r"now(?:([+-])(\d+)(\w*))?", text)
    if relative:
        units = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
        seconds = int(relative[2] or 0) * units[(relative[3] or "")[:1]]
        return now - seconds if relative[1] == "-" else now + seconds
    if text.startswith("uts"):
        return float(text[3:])
    for pattern in ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d"):
        try:
            return time.mktime(time.strptime(text, pattern))
        except ValueError:
            continue
    raise Refusal(f"sacct: error: Invalid time specification (pos=0): {text}")


def _lines(slurm: Controller, entry: Entry, given: dict[str, str], call: Call) -> Iterator[Line]:
    cluster = slurm.settings.cluster
    steps = ["", "batch", *(["extern"] if slurm.settings.extern_step else [])]
    for step in steps if entry.started and "allocations" not in given else steps[:1]:
        yield Line(entry, step, call.environment, slurm.clock.now(), cluster)
