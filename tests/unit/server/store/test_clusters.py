"""Clusters with their options and queues, as they were made known."""

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jobmon.core.exceptions import Conflict, InvalidRequest
from jobmon.core.resources import QueueLimits
from jobmon.core.wire import ClusterAnswer, ClusterInfo, ClusterRequest
from jobmon.server import tables
from jobmon.server.store.clusters import add, known, note_queues

UNLIMITED = {"max_memory_bytes": None, "max_runtime_seconds": None, "max_cores": None}


def added(connection: Connection, name: str, kind: str = "slurm", **options: str) -> ClusterAnswer:
    return add(connection, ClusterRequest(name=name, kind=kind, options=options))


def queue_ids(connection: Connection) -> list[int]:
    return list(connection.execute(sa.select(tables.queue.c.id).order_by(tables.queue.c.id)).scalars())


def test_clusters_come_by_name_with_options_and_with_limits_in_bytes_and_seconds(connection: Connection) -> None:
    added(connection, "slurm", account="a1")
    added(connection, "local", "multiprocess")
    note_queues(connection, {"slurm": [QueueLimits(name="z.q", max_memory_bytes=1024), QueueLimits(name="a.q")]})

    local, slurm = known(connection).clusters
    assert local == ClusterInfo(name="local", kind="multiprocess", queues={})
    assert slurm == ClusterInfo(
        name="slurm",
        kind="slurm",
        queues={"z.q": {**UNLIMITED, "max_memory_bytes": 1024}, "a.q": UNLIMITED},
        options={"account": "a1"},
    )
    assert list(slurm.queues) == ["z.q", "a.q"]


def test_adding_again_says_whether_anything_changed(connection: Connection) -> None:
    note_queues(connection, {"big": [QueueLimits(name="all.q")]})

    assert added(connection, "big", "big") == ClusterAnswer(new=False)
    assert added(connection, "big", "big", a="1", b="2") == ClusterAnswer(new=False, replaced={})
    assert added(connection, "big", "big", b="2", a="1") == ClusterAnswer(new=False)
    assert added(connection, "big", "big", a="1") == ClusterAnswer(new=False, replaced={"a": "1", "b": "2"})
    assert added(connection, "other", "big") == ClusterAnswer(new=True)
    assert [(one.name, one.options, list(one.queues)) for one in known(connection).clusters] == [
        ("big", {"a": "1"}, ["all.q"]),
        ("other", {}, []),
    ]


def test_a_cluster_stays_of_its_kind(connection: Connection) -> None:
    added(connection, "big", "slurm", a="1")

    with pytest.raises(Conflict, match="cluster 'big' is of kind 'slurm'.*'pbs'.*another name"):
        added(connection, "big", "pbs", a="2")
    [found] = known(connection).clusters
    assert (found.kind, found.options) == ("slurm", {"a": "1"})


@pytest.mark.parametrize("name", ["", "a b", "../x", ".", "..", "-c", "x" * 65, "tschüß", "a/b", "a\n"])
def test_a_name_that_cannot_be_a_folder_or_an_option_is_refused(connection: Connection, name: str) -> None:
    for attempt in (
        lambda: added(connection, name),
        lambda: added(connection, "x", name),
        lambda: note_queues(connection, {name: []}),
    ):
        with pytest.raises(InvalidRequest, match="1 to 64 letters"):
            attempt()

    assert known(connection).clusters == []


@pytest.mark.parametrize("name", ["x" * 64, "_a.b-C_9", "2"])
def test_other_names_are_taken(connection: Connection, name: str) -> None:
    assert added(connection, name).new


def test_queues_of_an_unknown_cluster_make_it_known_as_its_own_kind(connection: Connection) -> None:
    note_queues(connection, {"slurm": [QueueLimits(name="all.q", max_cores=4)]})

    assert known(connection).clusters == [
        ClusterInfo(name="slurm", kind="slurm", queues={"all.q": {**UNLIMITED, "max_cores": 4}})
    ]


def test_queues_are_replaced_and_options_stay(connection: Connection) -> None:
    added(connection, "big", a="1")
    note_queues(connection, {"big": [QueueLimits(name="a.q"), QueueLimits(name="b.q")]})
    note_queues(connection, {"big": [QueueLimits(name="b.q"), QueueLimits(name="c.q")]})

    [found] = known(connection).clusters
    assert (list(found.queues), found.options) == (["b.q", "c.q"], {"a": "1"})
    note_queues(connection, {"big": []})
    assert known(connection).clusters[0].queues == {}


def test_the_same_queues_again_write_nothing(connection: Connection) -> None:
    queues = {"big": [QueueLimits(name="a.q"), QueueLimits(name="b.q")]}
    note_queues(connection, queues)
    before = queue_ids(connection)
    note_queues(connection, queues)

    assert queue_ids(connection) == before


@pytest.mark.parametrize("names", [["a.q", "a.q"], [""], ["q" * 256]])
def test_queues_that_cannot_be_told_apart_are_refused(connection: Connection, names: list[str]) -> None:
    with pytest.raises(InvalidRequest, match="queues of cluster 'big' must have different names"):
        note_queues(connection, {"big": [QueueLimits(name=name) for name in names]})

    assert known(connection).clusters == []
