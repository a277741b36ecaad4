"""How a name becomes a kind with options and queues, and what that costs."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes.canned_server import CannedServer
from fakes.plugins import LONG, SHORT, BatchOptions, batch, install
from jobmon.client.bind import Graph
from jobmon.client.clusters import Clusters
from jobmon.client.connection import connect
from jobmon.client.tool import Tool
from jobmon.client.workflow import Workflow
from jobmon.core.exceptions import ConfigError, InvalidResources, UnknownCluster
from jobmon.core.resources import Resources
from jobmon.core.routes import CLUSTERS
from jobmon.core.wire import ClusterInfo, ClusterList

STORED = {"old.q": {"max_memory_bytes": 1024, "max_cores": None, "max_of_tomorrow": 1}}


def info(name: str, kind: str = "batch", **options: str) -> ClusterInfo:
    return ClusterInfo(name=name, kind=kind, queues=STORED, options=options)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[CannedServer]:
    """Knows no cluster until a test says so; the plugins of tests/fakes are installed."""
    install(tmp_path / "plugins", monkeypatch)
    with CannedServer() as server:
        monkeypatch.setenv("JOBMON__HTTP__SERVICE_URL", server.url)
        server.prepare(CLUSTERS, ClusterList(clusters=[]))
        yield server


def knows(server: CannedServer, *infos: ClusterInfo) -> Clusters:
    server.prepare(CLUSTERS, ClusterList(clusters=list(infos)))
    return Clusters(connect())


def test_an_installed_kind_without_options_is_known_without_a_request(server: CannedServer) -> None:
    clusters = Clusters(connect())

    assert list(clusters.queues("plain")) == ["plain.q"]
    assert clusters.check("plain", Resources()) == []
    assert server.requests == []


def test_a_kind_with_options_is_looked_for_on_the_server_once(server: CannedServer) -> None:
    clusters = Clusters(connect())

    for _ in range(2):
        assert clusters.queues("batch") == {"short.q": SHORT, "long.q": LONG}
    assert clusters.find("batch") == (batch, BatchOptions())
    assert len(server.requests) == 1


def test_a_cluster_of_the_server_is_its_kind_with_its_options(server: CannedServer) -> None:
    clusters = knows(server, info("big", account="a1", queues="1"), info("batch", poll_seconds="5"))

    assert clusters.find("big") == (batch, BatchOptions(account="a1", queues=1))
    assert clusters.find("batch") == (batch, BatchOptions(poll_seconds=5))
    assert clusters.queues("big") == {"short.q": SHORT}
    assert len(server.requests) == 1


def test_ones_own_settings_change_the_options_of_the_server(
    server: CannedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBMON__CLUSTERS__BIG__QUEUES", "1")
    clusters = knows(server, info("Big", account="a1", queues="2"))

    assert clusters.find("Big") == (batch, BatchOptions(account="a1", queues=1))


def test_a_cluster_that_cannot_be_reached_has_the_queues_that_the_server_knows(server: CannedServer) -> None:
    clusters = knows(server, info("big", down="no route"), info("far", "far"))

    for name in ("big", "far"):
        [queue] = clusters.queues(name).values()
        assert (queue.name, queue.max_memory_bytes, queue.max_cores) == ("old.q", 1024, None)


def test_a_cluster_that_nobody_reaches_has_no_queues(server: CannedServer) -> None:
    assert Clusters(connect()).queues("far") == {}


def test_a_cluster_whose_plugin_is_not_here_has_the_queues_of_the_server_and_is_not_checked(
    server: CannedServer,
) -> None:
    clusters = knows(server, info("pbs", "openpbs", anything="x"))

    assert clusters.find("pbs") is None
    assert list(clusters.queues("pbs")) == ["old.q"]
    assert clusters.check("pbs", Resources(options={"gpus": 1})) == []


def test_an_unknown_name_names_installed_kinds_and_clusters_of_the_server(server: CannedServer) -> None:
    clusters = knows(server, info("big"))

    with pytest.raises(UnknownCluster, match=r"no cluster 'bgi'; there are batch, big, .*plain"):
        clusters.queues("bgi")


@pytest.mark.parametrize("name", ["BATCH", "PLAIN"])
def test_a_misspelt_option_in_the_settings_is_an_error(
    server: CannedServer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(f"JOBMON__CLUSTERS__{name}__ACOUNT", "a1")

    with pytest.raises(ConfigError, match="unknown option 'acount'"):
        Clusters(connect()).queues(name.lower())


# --- what bind makes of it ----------------------------------------------------------------------------------


@pytest.fixture
def make(server: CannedServer) -> Callable[..., Workflow]:
    """A workflow of one task on the cluster `batch`."""

    def make(**resources: Any) -> Workflow:
        tool = Tool("tests")
        template = tool.get_task_template("fit", "true")
        workflow = tool.create_workflow()
        workflow.add_task(template.create_task(cluster_name="batch", compute_resources=resources))
        return workflow

    return make


def test_bind_sends_the_queues_that_were_found(make: Callable[..., Workflow]) -> None:
    resolver = Graph(make(runtime="30m")).resolver

    assert resolver.queues == {"batch": [SHORT, LONG]}
    assert [one.requested.queue for one in resolver.resources] == ["short.q"]


def test_options_that_the_cluster_does_not_take_are_refused_strict_or_not(
    make: Callable[..., Workflow], server: CannedServer
) -> None:
    workflow = make(gpus=1, runtime="9h")
    said = "gpus on queue 'short.q' need an account, on cluster 'batch'"

    [problem] = workflow.validate(strict=False)
    assert problem == f"task template 'fit': {said}"
    with pytest.raises(InvalidResources, match=r"runtime 09:00:00 is more than the 01:00:00"):
        workflow.bind()
    with pytest.raises(InvalidResources, match=said):
        make(gpus=1).bind()
    assert {path for path, _ in server.requests} == {"/clusters"}


def test_options_that_the_cluster_takes_go_through(
    make: Callable[..., Workflow], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBMON__CLUSTERS__BATCH__ACCOUNT", "a1")

    assert make(gpus=1).validate() == []
