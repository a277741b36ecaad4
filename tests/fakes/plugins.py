"""Cluster plugins without a cluster: what they say follows from the options alone."""

from pathlib import Path

import msgspec
import pytest

from jobmon.core import cluster
from jobmon.core.cluster import Cluster, ClusterKind, Connection, NoOptions
from jobmon.core.exceptions import ClusterError
from jobmon.core.resources import QueueLimits, Resources

GIB = 2**30
GROUP = "jobmon.fake_clusters"
SHORT = QueueLimits(name="short.q", max_memory_bytes=4 * GIB, max_runtime_seconds=3600, max_cores=8)
LONG = QueueLimits(name="long.q", max_runtime_seconds=2 * 86400)


class BatchOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`down`: why the cluster cannot be reached; `queues`: as many of its queues as there are."""

    account: str = ""
    poll_seconds: float = 30.0
    queues: int = 2
    down: str = ""


def _connect(connection: Connection) -> Cluster:
    raise ClusterError("nothing can be submitted here")


def _queues(options: BatchOptions) -> list[QueueLimits]:
    if options.down:
        raise ClusterError(options.down)
    return [SHORT, LONG][: options.queues]


def _check(resources: Resources, options: BatchOptions) -> list[str]:
    free = "gpus" not in resources.options or options.account
    return [] if free else [f"gpus on queue {resources.queue!r} need an account"]


def _describe(options: BatchOptions, shared_dir: Path) -> dict[str, str]:
    if options.down:
        raise ClusterError(options.down)
    return {"version": "22.05", "folder": str(shared_dir)}


def _plain_queues(options: NoOptions) -> list[QueueLimits]:
    return [QueueLimits(name="plain.q")]


def _far_queues(options: NoOptions) -> list[QueueLimits]:
    raise ClusterError("its controller does not answer")


batch = ClusterKind(
    name="batch", queues=_queues, connect=_connect, check=_check, describe=_describe, options=BatchOptions
)
plain = ClusterKind(name="plain", queues=_plain_queues, connect=_connect)
far = ClusterKind(name="far", queues=_far_queues, connect=_connect)


def install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a distribution in that folder with `batch`, `plain`, `far` and an unloadable `broken`, no other."""
    metadata = folder / "fake_plugins-1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: fake-plugins\nVersion: 1\n")
    entries = "".join(f"{name} = fakes.plugins:{name}\n" for name in ("batch", "plain", "far", "broken"))
    (metadata / "entry_points.txt").write_text(f"[{GROUP}]\n{entries}")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(cluster, "ENTRY_POINT_GROUP", GROUP)
