"""sinfo: a line for each group of nodes of a partition that look the same in what is asked for."""

import re
from collections.abc import Callable, Sequence
from functools import partial

from fakes.scheduler.call import Answer, Call, Refusal
from fakes.slurm import options
from fakes.slurm.controller import Controller
from fakes.slurm.indices import hosts
from fakes.slurm.records import Node, Partition
from fakes.slurm.shown import squeue_span

VALUES = "format Format partition nodes states sort"
FLAGS = "noheader exact Node long summarize all version responding dead"
SHORT = (
    "o:format O:Format p:partition n:nodes t:states S:sort hnoheader eexact NNode llong ssummarize aall Vversion"
)
USUAL = "%9P %.5a %.10l %.6D %.6t %N"
MARKS = {"DRAIN": "drained", "DOWN": "down", "NOT_RESPONDING": "idle*"}

Group = tuple[Partition, Sequence[Node]]


def sinfo(slurm: Controller, call: Call) -> Answer:
    """Print what is asked for."""
    given, _ = options.read("sinfo", call.rest, VALUES, FLAGS, SHORT)
    if "version" in given:
        return Answer(f"slurm-wlm {slurm.settings.version}\n")
    pieces = re.split(r"%(\.?)(\d*)([A-Za-z])", given.get("format") or USUAL)
    letters = pieces[3::4]
    unknown = [letter for letter in letters if letter not in FIELDS]
    if unknown:
        raise Refusal(f"sinfo: error: Invalid node format specification: {unknown[0]}")
    wanted = [name for name in given.get("partition", "").split(",") if name]
    groups = [
        group
        for partition in slurm.placement.partitions.values()
        if not wanted or partition.name in wanted
        for group in _groups(partition, slurm.placement.members(partition), letters, "exact" in given)
    ]
    heads = [] if "noheader" in given else [_write(pieces, HEADS.__getitem__)]
    lines = [_write(pieces, partial(_field, group)) for group in groups]
    return Answer("".join(f"{line}\n" for line in heads + lines))


def _groups(partition: Partition, nodes: Sequence[Node], letters: list[str], exact: bool) -> list[Group]:
    telling = [letter for letter in letters if letter in ("t", "T") or (letter in MERGED and exact)]
    if "n" in letters:
        telling.append("n")
    alike: dict[tuple[str, ...], list[Node]] = {}
    for node in nodes:
        alike.setdefault(tuple(FIELDS[letter]((partition, [node])) for letter in telling), []).append(node)
    return [(partition, group) for group in alike.values()] or [(partition, [])]


def _write(pieces: list[str], value: Callable[[str], str]) -> str:
    line = pieces[0]
    for dot, width, letter, literal in zip(pieces[1::4], pieces[2::4], pieces[3::4], pieces[4::4], strict=True):
        text = value(letter)
        if width:
            text = text[: int(width)]
            text = text.rjust(int(width)) if dot else text.ljust(int(width))
        line += text + literal
    return line


def _field(group: Group, letter: str) -> str:
    return FIELDS[letter](group)


def _least(values: list[int]) -> str:
    """Where nodes differ, the least of them and a plus."""
    return str(min(values, default=0)) + ("+" if len(set(values)) > 1 else "")


def _counts(group: Group) -> str:
    """Nodes allocated/idle/other/total."""
    other = sum(bool(node.condition) for node in group[1])
    used = sum(bool(node.used_cpus) and not node.condition for node in group[1])
    return f"{used}/{len(group[1]) - used - other}/{other}/{len(group[1])}"


def _cpu_counts(group: Group) -> str:
    other = sum(node.cpus for node in group[1] if node.condition)
    used = sum(node.used_cpus for node in group[1] if not node.condition)
    total = sum(node.cpus for node in group[1])
    return f"{used}/{total - used - other}/{other}/{total}"


def _state(group: Group) -> str:
    if not group[1]:
        return "n/a"
    node = group[1][0]
    return MARKS.get(node.condition) or node.state.partition("+")[0].lower()


def _limit(group: Group) -> str:
    return squeue_span(60 * group[0].max_minutes) if group[0].max_minutes else "infinite"


MERGED = "mcfG"  # differing values make lines of their own with --exact
FIELDS: dict[str, Callable[[Group], str]] = {
    "P": lambda group: group[0].name + ("*" if group[0].is_default else ""),
    "R": lambda group: group[0].name,
    "l": _limit,
    "m": lambda group: _least([node.memory_mb for node in group[1]]),
    "c": lambda group: _least([node.cpus for node in group[1]]),
    "a": lambda group: group[0].state.lower(),
    "N": lambda group: hosts(node.name for node in group[1]),
    "n": lambda group: group[1][0].name if group[1] else "",
    "D": lambda group: str(len(group[1])),
    "F": _counts,
    "C": _cpu_counts,
    "t": lambda group: {"allocated": "alloc", "mixed": "mix", "drained": "drain"}.get(
        _state(group), _state(group)
    ),
    "T": _state,
    "f": lambda group: (group[1][0].features if group[1] else "") or "(null)",
    "G": lambda group: (group[1][0].gres if group[1] else "") or "(null)",
}
HEADS = {
    "P": "PARTITION", "R": "PARTITION", "l": "TIMELIMIT", "m": "MEMORY", "c": "CPUS", "a": "AVAIL",
    "N": "NODELIST", "n": "HOSTNAMES", "D": "NODES", "F": "NODES(A/I/O/T)",
    "C": "CPUS(A/I/O/T)", "t": "STATE", "T": "STATE",
    "f": "AVAIL_FEATURES", "G": "GRES",
}  # fmt: skip
