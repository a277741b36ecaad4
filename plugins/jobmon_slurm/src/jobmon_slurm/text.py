"""Reads what the commands of Slurm write."""

import re
from collections.abc import Iterable, Iterator, Mapping

from jobmon.core.scheduler.indices import parse_indices
from jobmon.core.scheduler.shapes import Queued, Record
from jobmon_slurm.back_end import Partition
from jobmon_slurm.states import base_state

SEPARATOR = "\x1f"
MIB = 2**20
QUEUE_FORMAT = SEPARATOR.join(("%F", "%K", "%j", "%T", "%r", "%V", "%N"))
_FIELDS = (
    "JobID",
    "JobName",
    "User",
    "State",
    "ExitCode",
    "Submit",
    "NodeList",
    "MaxRSS",
    "TotalCPU",
    "ElapsedRaw",
)
HISTORY_FORMAT = ",".join(_FIELDS)
_DURATION = re.compile(r"(?:(\d{1,9})-)?(?:(?:(\d{1,9}):)?(\d{1,9}):)?(\d{1,9}(?:\.\d{0,9})?)")
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40, "P": 2**50}


def version(output: str) -> str:
    """`slurm-wlm 22.05.8` -> `22.05.8`."""
    found = re.search(r"\d+\.\d+(\.\d+)?", output)
    return found[0] if found else output.strip()


def config(output: str) -> Mapping[str, str]:
    """`Name   = value` lines."""
    pairs = (line.partition("=") for line in output.splitlines())
    return {name.strip(): value.strip() for name, equals, value in pairs if equals}


def job_id(output: str) -> str:
    """The id in the last line of `sbatch --parsable`: `ID` or `ID;cluster`; "" when there is none."""
    lines = output.split("\n") if (output := output.strip()) else [""]
    found = re.fullmatch(r"([0-9]+)(;\S*)?", lines[-1].strip())
    return found[1] if found else ""


def least(output: str) -> int | None:
    """The least of all the numbers in a table; None when there is none."""
    return min((int(number) for number in re.findall(r"\d{1,18}", output)), default=None)


def node_addresses(output: str) -> list[str]:
    """Where the nodes are."""
    return re.findall(r"NodeHostName=(\S+)", output)


def partitions(described: str, nodes: str) -> list[Partition]:
    """Partitions with the most that one of their nodes gives; the default one first."""
    largest = _largest(nodes)
    found = [
        _partition(dict(re.findall(r"(\w+)=(\S+)", line)), largest) for line in described.splitlines() if line
    ]
    return sorted((one for one in found if one.name), key=lambda one: not one.default)


def _partition(fields: Mapping[str, str], largest: Mapping[str, tuple[int, int]]) -> Partition:
    name = fields.get("PartitionName", "")
    memory, cores = largest.get(name, (0, 0))
    memory_limits = [memory * MIB, *_numbers(fields.get("MaxMemPerNode"), MIB)]
    core_limits = [cores, *_numbers(fields.get("MaxCPUsPerNode"))]
    return Partition(
        name=name,
        default=fields.get("Default") == "YES",
        up=fields.get("State", "UP") == "UP",
        max_seconds=seconds(fields.get("MaxTime", "UNLIMITED")),
        max_memory_bytes=min((limit for limit in memory_limits if limit), default=None),
        max_cores=min((limit for limit in core_limits if limit), default=None),
    )


def _largest(nodes: str) -> dict[str, tuple[int, int]]:
    """Partition -> (MiB, cores) of the largest of its nodes, each for itself."""
    most: dict[str, tuple[int, int]] = {}
    for line in nodes.splitlines():
        name, memory, cores = (line.strip().split("|") + ["", ""])[:3]
        known = most.get(name, (0, 0))
        most[name] = (max(known[0], _leading(memory)), max(known[1], _leading(cores)))
    return most


def _leading(number: str) -> int:
    found = re.match(r"\d{1,18}", number)
    return int(found[0]) if found else 0


def _numbers(field: str | None, unit: int = 1) -> Iterator[int]:
    number = _whole(field or "")
    if number is not None:
        yield number * unit


def _whole(word: str) -> int | None:
    return int(word) if re.fullmatch(r"\d{1,18}", word) else None


def seconds(duration: str) -> int | None:
    """`[DAYS-]HOURS:MINUTES:SECONDS[.MS]`, `MINUTES:SECONDS.MS`; None for any other text (UNLIMITED, INVALID)."""
    found = _DURATION.fullmatch(duration.strip())
    if found is None:
        return None
    days, hours, minutes, last = (float(part or 0) for part in found.groups())
    return int(86400 * days + 3600 * hours + 60 * minutes + last + 0.5)


def queue(output: str) -> list[Queued]:
    """Rows of `squeue` in QUEUE_FORMAT; lines of another form (a greeting of the site) are left out."""
    rows = (line.split(SEPARATOR) for line in output.splitlines())
    return [_queued(row) for row in rows if len(row) == 7 and row[0].isdecimal()]


def _queued(row: list[str]) -> Queued:
    array_id, expression, name, state, reason, since, nodes = (field.strip() for field in row)
    return Queued(
        array_id=array_id,
        indices=parse_indices(expression) or (),
        name=name,
        state=base_state(state),
        reason=reason,
        since=since,
        nodes=nodes,
    )


def history(output: str) -> list[Record]:
    """The newest record of each task, with the peak memory that its steps have shown.

    Only rows of steps (`7_1.batch`) know the memory; a task that was requeued has several rows of its own.
    """
    rows = [line.split(SEPARATOR) for line in output.splitlines()]
    rows = [row for row in rows if len(row) == len(_FIELDS)]
    memory: dict[str, int] = {}
    newest: dict[str, list[str]] = {}
    for row in rows:
        task, dot, _ = row[0].partition(".")
        if dot:
            memory[task] = max(memory.get(task, 0), size_bytes(row[7]) or 0)
        elif task not in newest or row[5] >= newest[task][5]:
            newest[task] = row
    return [record for task, row in newest.items() for record in _records(row, memory.get(task))]


def _records(row: list[str], memory: int | None) -> Iterable[Record]:
    """One record for each index: waiting tasks share a row `7_[3-9]`."""
    task, name, user, state, exit_code, since, nodes, _, cpu, elapsed = row
    array_id, underscore, expression = task.partition("_")
    indices = parse_indices(expression) if underscore else [None]
    code, _, number = exit_code.partition(":")
    for index in indices or ():
        yield Record(
            array_id=array_id,
            index=index,
            name=name,
            user=user,
            state=base_state(state),
            exit_code=_whole(code),
            signal=_whole(number),
            since=since,
            nodes="" if nodes == "None assigned" else nodes,
            peak_memory_bytes=memory or None,
            cpu_seconds=seconds(cpu) if cpu else None,
            wall_seconds=_whole(elapsed),
        )


def size_bytes(text: str) -> int | None:
    """`157152K` -> bytes."""
    found = re.fullmatch(r"(\d{1,18}(?:\.\d{0,18})?)([KMGTP]?)", text.strip())
    return int(float(found[1]) * _UNITS[found[2]]) if found else None
