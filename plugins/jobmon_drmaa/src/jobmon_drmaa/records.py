"""Reads what `qacct -j` writes: what became of each task, and what it used.

Its `failed` says how the job ended for Grid Engine, `exit_status` how for its shell: 128 and more after a signal.
What is asked of it in the category tells which limit it was killed at. Two numbers are not what they seem:
`ru_maxrss` is counted in KiB and printed as if in bytes (`150.984KB` is 151 MB), and units are powers of 1024.
"""

import re
from collections.abc import Iterator, Mapping

from jobmon.core.scheduler.shapes import Record
from jobmon_drmaa.queues import seconds, size_bytes
from jobmon_drmaa.states import BROKEN, EXITED, FAILURES, KILLED, MEMORY, NOT_STARTED, SIGNALLED, TIME, Failure
from jobmon_drmaa.text import FIRST

SIGNALS = 128  # what an exit status has more than the number of the signal
SIGKILL = 9
LAST_SIGNAL = 64  # there is none above
NEAR = 0.9  # of the memory asked for, used: the sampling is coarse

_RULE = re.compile(r"^={20,}\s*$", re.MULTILINE)
_NUMBER = re.compile(r"([0-9]{1,18}(?:\.[0-9]{0,18})?)(?:([KMGTPE])?(?:i?B)?|s)?")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_CTIME = re.compile(r"\w{3} (\w{3}) +(\d{1,2}) (\d{2}:\d{2}:\d{2}) (\d{4})")
_DATE = re.compile(r"(\d{2})/(\d{2})/(\d{4}) (\d{2}:\d{2}:\d{2})\S*")


def not_found(said: str) -> bool:
    """Whether a failed `qacct` says no more than that accounting has no such record."""
    return bool(re.search(r"(job (id|name) .* |Job-array tasks .* )not found|no jobs running since startup", said))


def history(output: str, memory_resource: str) -> list[Record]:
    """The newest record of each task, of `qacct -j`. A task that was put back into the queue has several."""
    newest: dict[tuple[str, str, int | None], Record] = {}
    for fields in _entries(output):
        record = _record(fields, memory_resource)
        if record is not None:
            newest[record.array_id, record.name, record.index] = record
    return list(newest.values())


def _entries(output: str) -> Iterator[dict[str, str]]:
    for part in _RULE.split(output)[1:]:
        pairs = (line.partition(" ") for line in part.splitlines())
        yield {name: value.strip() for name, _, value in pairs}


def _record(fields: Mapping[str, str], memory_resource: str) -> Record | None:
    number, task = fields.get("jobnumber", ""), fields.get("taskid", "")
    if not re.fullmatch(r"[0-9]{1,18}", number) or not fields.get("jobname"):
        return None
    code, status = _whole(fields.get("failed", "")), _whole(fields.get("exit_status", ""))
    failure = FAILURES.get(code, Failure(f"failed {code}", "")) if code is not None else Failure("unknown", "")
    state = _state(failure.state, status, fields, memory_resource)
    ran = state not in (NOT_STARTED, BROKEN)
    peak = _number(fields.get("ru_maxrss", ""))
    return Record(
        array_id=number,
        index=int(task) - FIRST if re.fullmatch(r"[1-9][0-9]{0,17}", task) else None,
        name=fields["jobname"],
        user=fields.get("owner", ""),
        state=state,
        exit_code=status if ran else None,
        signal=_signal(state, status),
        since=_time(fields.get("qsub_time", "")),
        nodes=fields.get("hostname", ""),
        peak_memory_bytes=int(peak * 1024) if peak and ran else None,
        cpu_seconds=_number(fields.get("cpu", "")) if ran else None,
        wall_seconds=_number(fields.get("ru_wallclock", "")) if ran else None,
        detail=f"failed {code}: {failure.words}" if code else "",
    )


def _state(state: str, status: int | None, fields: Mapping[str, str], memory_resource: str) -> str:
    if state == SIGNALLED:
        return KILLED if status == SIGNALS + SIGKILL else SIGNALLED
    if state == TIME and _is_memory(fields, memory_resource):
        return MEMORY
    return state


def _is_memory(fields: Mapping[str, str], memory_resource: str) -> bool:
    """Whether a job that was killed at a limit had used up its memory rather than its time."""
    asked = dict(re.findall(r"(?:-l |,)([\w.]+)=([^, ]+)", fields.get("category", "")))
    limit = size_bytes(asked.get(memory_resource, "")) or size_bytes(asked.get("h_vmem", ""))
    used = _number(fields.get("maxvmem", ""))
    if limit and used and used >= NEAR * limit * (_whole(fields.get("slots", "")) or 1):
        return True
    time_limit, wall = seconds(asked.get("h_rt", "")), _number(fields.get("ru_wallclock", ""))
    return limit is not None and time_limit is not None and wall is not None and wall < time_limit


def _signal(state: str, status: int | None) -> int | None:
    """That which ended the job, or its worker: the script that has started a worker ends as a shell does."""
    if state not in (EXITED, SIGNALLED, KILLED, TIME, MEMORY) or status is None:
        return None
    return status - SIGNALS if SIGNALS < status <= SIGNALS + LAST_SIGNAL else None


def _whole(word: str) -> int | None:
    """`100 : assumedly after job` -> 100."""
    found = re.match(r"[0-9]{1,9}(?![0-9])", word)
    return int(found[0]) if found else None


def _number(word: str) -> float | None:
    """`297.652MB`, `0.109s`, `154608`, in bytes or seconds."""
    found = _NUMBER.fullmatch(word.strip())
    return float(found[1]) * 1024 ** (" KMGTPE".index(found[2]) if found[2] else 0) if found else None


def _time(word: str) -> str:
    """`Sat Nov 21 16:01:39 2026` or `11/21/2026 16:01:39.123` -> `2026-11-21T16:01:39`; "" for any other."""
    if (found := _CTIME.fullmatch(word)) and found[1] in _MONTHS:
        return f"{found[4]}-{_MONTHS.index(found[1]) + 1:02}-{int(found[2]):02}T{found[3]}"
    if found := _DATE.fullmatch(word):
        return f"{found[3]}-{found[1]}-{found[2]}T{found[4]}"
    return ""
