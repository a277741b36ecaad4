"""What a queue and a parallel environment of Grid Engine give to one job, read from `qconf`."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

ON_ONE_NODE = "$pe_slots"  # the allocation rule by which all slots of a job are on one node
NO_ENVIRONMENT = (
    "Grid Engine has no parallel environment for {cores} cores on one node in {queue}: name one by the resource "
    "or the option parallel_environment; `qconf -spl` lists them"
)
# sge_types(1): small letters are powers of 1000.
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


@dataclass(frozen=True)
class Queue:
    """A cluster queue. Limits are the most that one of its nodes gives to one job; None is no limit.

    environments  parallel environments that may run there
    order         by which the scheduler may prefer queues: the least first
    """

    name: str
    max_seconds: int | None = None
    max_memory_bytes: int | None = None
    max_cores: int | None = None
    environments: Sequence[str] = ()
    order: int = 0


@dataclass(frozen=True)
class Environment:
    """A parallel environment, with the slots that all of its jobs have together."""

    name: str
    rule: str
    slots: int


def environment_for(cores: int, environments: Iterable[Environment], queues: Iterable[Queue]) -> str:
    """The first that keeps a job to one node, is large enough and may run in one of the queues; "" for none."""
    there = {name for queue in queues for name in queue.environments}
    fitting = (one for one in environments if one.rule == ON_ONE_NODE and one.slots >= cores)
    return next((one.name for one in fitting if one.name in there), "")


def queues(output: str, memory_resource: str) -> list[Queue]:
    """Queues that have nodes and take batch jobs, of `qconf -sq`; those that the scheduler may prefer first.

    memory_resource  the limit of a queue that counts as its memory, of each slot
    """
    found = [_queue(fields, memory_resource) for fields in _objects(output, "qname") if _is_in_use(fields)]
    return sorted(found, key=lambda one: one.order)


def _is_in_use(fields: dict[str, str]) -> bool:
    return "BATCH" in fields.get("qtype", "") and fields.get("hostlist", "NONE") != "NONE"


def _queue(fields: dict[str, str], memory_resource: str) -> Queue:
    environments = [name for value in _values(fields.get("pe_list", "NONE")) for name in value.split()]
    environments = [name for name in dict.fromkeys(environments) if name != "NONE"]
    slots = max((_whole(value) or 0 for value in _values(fields.get("slots", "0"))), default=0)
    memory = _most(size_bytes(value) for value in _values(fields.get(memory_resource, "INFINITY")))
    orders = [_whole(value) or 0 for value in _values(fields.get("seq_no", "0"))]
    return Queue(
        name=fields["qname"],
        max_seconds=_most(seconds(value) for value in _values(fields.get("h_rt", "INFINITY"))),
        max_memory_bytes=None if memory is None else memory * max(1, slots),
        max_cores=max(1, slots) if environments else 1,
        environments=environments,
        order=min(orders, default=0),
    )


def environments(output: str) -> list[Environment]:
    """Of `qconf -sp`."""
    return [
        Environment(fields["pe_name"], fields.get("allocation_rule", ""), _whole(fields.get("slots", "")) or 0)
        for fields in _objects(output, "pe_name")
    ]


def _objects(output: str, first: str) -> Iterator[dict[str, str]]:
    """Each object's lines `name value`; one begins with the line `first`."""
    fields: dict[str, str] = {}
    for line in output.replace("\\\n", " ").splitlines():
        name, _, value = line.strip().partition(" ")
        if name == first:
            if first in fields:
                yield fields
            fields = {}
        fields[name] = " ".join(value.split())
    if fields.get(first):
        yield fields


def _values(field: str) -> list[str]:
    """The value for all nodes, then those for single ones: `2:0:0,[node1=4:0:0],[@big=INFINITY]`."""
    general, *others = re.split(r",?\s*\[", field)
    return [general.strip(), *(other.partition("=")[2].rstrip("], ") for other in others)]


def _most(values: Iterable[int | None]) -> int | None:
    """None, no limit, is more than any other."""
    known = list(values)
    return None if None in known else max((value for value in known if value is not None), default=None)


def _whole(word: str) -> int | None:
    return int(word) if re.fullmatch(r"[0-9]{1,18}", word.strip()) else None


def seconds(word: str) -> int | None:
    """`1:30:0` or `5400`; None for INFINITY and for what is no time."""
    found = re.fullmatch(r"(?:(?:([0-9]{0,9}):)?([0-9]{0,9}):)?([0-9]{1,18})", word.strip())
    if found is None:
        return None
    hours, minutes, last = (int(part or 0) for part in found.groups())
    return 3600 * hours + 60 * minutes + last


def size_bytes(word: str) -> int | None:
    """`1.5G`; None for INFINITY and for what is no size."""
    found = re.fullmatch(r"([0-9]{1,18}(?:\.[0-9]{0,18})?)([kmgtKMGT]?)", word.strip())
    return int(float(found[1]) * _UNITS[found[2]]) if found else None
