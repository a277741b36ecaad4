"""Whether nodes can reach the state server."""

import os
from pathlib import Path

import pytest

from fakes.slurm_back_end import Clock, SlurmBackEnd
from jobmon.core.cluster import Connection
from jobmon.core.exceptions import ClusterError
from jobmon_slurm.api import Slurm
from jobmon_slurm.options import Options
from jobmon_slurm.reach import check_reach

HERE = os.uname().nodename


def check(url: str, *nodes: str) -> SlurmBackEnd:
    clock = Clock()
    back_end = SlurmBackEnd(clock)
    back_end.nodes = nodes
    connection = Connection(
        name="big", service_url=url, token_file="/token", state_dir=Path(), workflow_id=1, python="python"
    )
    check_reach(connection, Slurm(back_end, Options(), clock.sleep, clock))
    return back_end


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
