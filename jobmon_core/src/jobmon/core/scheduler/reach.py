"""Whether nodes can reach the state server: one that listens on the loopback serves this machine alone."""

import os
from urllib.parse import urlsplit

from jobmon.core.cluster import Connection
from jobmon.core.exceptions import ClusterError
from jobmon.core.scheduler.api import Api

LOOPBACK = ("localhost", "::1")


def check_reach(connection: Connection, api: Api) -> None:
    """Raises ClusterError when nodes elsewhere could never report."""
    host = urlsplit(connection.service_url).hostname or ""
    if not (host in LOOPBACK or host.startswith("127.")):
        return
    here = {os.uname().nodename, os.uname().nodename.partition(".")[0], *LOOPBACK}
    nodes = api.node_addresses()
    elsewhere = sorted(node for node in nodes if node not in here and not node.startswith("127."))
    if elsewhere:
        raise ClusterError(
            f"the state server listens on {host} only, and the nodes of {connection.name} ({elsewhere[0]}, ...) "
            "are other machines. Set JOBMON__SERVER__HOST to a name of this machine that they know, and "
            "JOBMON__SERVER__INSECURE=true as it has no TLS, and run `jobmon server stop`; or set "
            "JOBMON__HTTP__SERVICE_URL to a server of your site"
        )
