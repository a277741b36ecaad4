"""Whether nodes can reach the state server."""

import os
from pathlib import Path

import pytest

from jobmon.core.cluster import Connection
from jobmon.core.exceptions import ClusterError
from jobmon.core.scheduler.reach import check_reach

HERE = os.uname().nodename


class Nodes:
    """A scheduler that is asked for its nodes."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self.asked: list[str] = []

    def node_addresses(self) -> list[str]:
        self.asked.append("node_addresses")
        return list(self.names)


def check(url: str, *names: str) -> Nodes:
    nodes = Nodes(*names)
    connection = Connection(
        name="big", service_url=url, token_file="/token", state_dir=Path(), workflow_id=1, python="python"
    )
    check_reach(connection, nodes)
    return nodes


@pytest.mark.parametrize("url", ["http://n1.site.org:80", "https://10.0.0.1", "http://[fd00::1]:80"])
def test_a_server_with_an_address_of_its_own_needs_no_question(url):
    assert check(url, "n1").asked == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.1.2.3"])
@pytest.mark.parametrize("nodes", [(HERE,), (HERE.partition(".")[0], "localhost"), ("127.0.0.1",), ()])
def test_a_server_on_the_loopback_serves_nodes_that_are_this_machine(host, nodes):
    assert check(f"http://{host}:80", *nodes).asked == ["node_addresses"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_a_server_on_the_loopback_serves_no_other_machine(host):
    with pytest.raises(
        ClusterError, match=r"nodes of big \(n7, \.\.\.\) are other machines.*JOBMON__SERVER__HOST"
    ):
        check(f"http://{host}:80", HERE, "n8", "n7")
