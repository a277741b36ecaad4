"""Clusters, their options and their queues as tables that people read."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from jobmon.client.clusters import Clusters
from jobmon.client.table import Table
from jobmon.core import cluster
from jobmon.core.quantities import format_memory, format_runtime
from jobmon.core.resources import QueueLimits

CLUSTER_COLUMNS = ("CLUSTER", "KIND", "FROM", "OPTIONS")
OPTION_COLUMNS = ("OPTION", "VALUE", "FROM")
QUEUE_COLUMNS = ("CLUSTER", "QUEUE", "MEMORY", "RUNTIME", "CORES")

Queues = Mapping[str, QueueLimits]


def cluster_table(clusters: Clusters) -> Table:
    """All clusters by name: installed kinds and those that the server knows, with the options that were given."""
    kinds = cluster.installed()
    return Table(CLUSTER_COLUMNS, [_cluster_row(clusters, name, kinds) for name in clusters.names])


def _cluster_row(clusters: Clusters, name: str, kinds: list[str]) -> dict[str, Any]:
    info = clusters.known.get(name)
    places = (["plugin"] if name in kinds else []) + (["server"] if info else [])
    missing = " (no plugin here)" if info and info.kind not in kinds else ""
    options = {**(info.options if info else {}), **clusters.own.get(name.lower(), {})}
    return {
        "CLUSTER": name,
        "KIND": info.kind if info else name,
        "FROM": ", ".join(places) + missing,
        "OPTIONS": options_text(options),
    }


def options_text(options: Mapping[str, str]) -> str:
    """Options as `jobmon cluster add` takes them."""
    return " ".join(f"{name}={value}" for name, value in options.items())


def option_table(clusters: Clusters, name: str) -> Table:
    """The options of a cluster that are in force, and who said so. Raises as `Clusters.find` does."""
    found = clusters.find(name)
    stored = clusters.known[name].options if name in clusters.known else {}
    own = clusters.own.get(name.lower(), {})
    values = msgspec.structs.asdict(found.options) if found else {**stored, **own}

    def place(option: str) -> str:
        return "settings" if option in own else "server" if option in stored else "default"

    rows = [{"OPTION": one, "VALUE": _shown(value), "FROM": place(one)} for one, value in values.items()]
    return Table(OPTION_COLUMNS, rows)


def _shown(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def queue_table(queues: Mapping[str, Queues]) -> Table:
    """The queues of clusters, each cluster's default first; nothing stands where there is no limit."""
    rows = [_queue_row(name, limits) for name, own in queues.items() for limits in own.values()]
    return Table(QUEUE_COLUMNS, rows)


def _queue_row(cluster_name: str, limits: QueueLimits) -> dict[str, Any]:
    memory, runtime = limits.max_memory_bytes, limits.max_runtime_seconds
    return {
        "CLUSTER": cluster_name,
        "QUEUE": limits.name,
        "MEMORY": None if memory is None else format_memory(memory),
        "RUNTIME": None if runtime is None else format_runtime(runtime),
        "CORES": limits.max_cores,
    }


def changes(before: Queues, after: Queues) -> list[str]:
    """One sentence for each thing in which queues differ."""
    found = [f"queue {name} is gone" for name in before if name not in after]
    for name, limits in after.items():
        if name not in before:
            found.append(f"queue {name} is new: {_described(limits)}")
        elif limits != before[name]:
            found.append(f"queue {name} has {_described(limits)} now; it had {_described(before[name])}")
    first, last = next(iter(before), ""), next(iter(after), "")
    if first and last and first != last:
        found.append(f"the default queue is {last} now; it was {first}")
    return found


def _described(limits: QueueLimits) -> str:
    return ", ".join(_stated(_queue_row("", limits))) or "no limits"


def _stated(row: Mapping[str, Any]) -> Iterator[str]:
    return (f"{key.lower()} {row[key]}" for key in ("MEMORY", "RUNTIME", "CORES") if row[key] is not None)
