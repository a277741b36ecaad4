"""The entry points of the local clusters."""

import pytest

from jobmon.core import cluster


@pytest.mark.parametrize("name", ["multiprocess", "local", "sequential", "dummy"])
def test_a_local_cluster_is_found_by_its_name(name: str) -> None:
    kind = cluster.load(name)

    assert kind.name == ("multiprocess" if name == "local" else name)
    assert [limits.name for limits in kind.queues(kind.read_options({}, "a test"))] == ["null.q"]
    assert not kind.on_nodes
