"""`jobmon cluster show`: one cluster as it is seen from here."""

from collections.abc import Mapping

import click

from jobmon.client.cluster_tables import Queues, option_table, queue_table
from jobmon.client.clusters import Clusters
from jobmon.client.connection import connect
from jobmon.core.exceptions import ClusterError
from jobmon.core.paths import shared_dir
from jobmon.core.settings import data_dir


@click.command("show")
@click.argument("name")
def show(name: str) -> None:
    """Show a cluster as it is seen from here.

    Its kind, the options in force, what its plugin says of it, its queues.
    """
    clusters = Clusters(connect())
    options = option_table(clusters, name)
    kind = clusters.known[name].kind if name in clusters.known else name
    missing = "" if clusters.find(name) else ", whose plugin is not installed here"
    _lines({"cluster": name, "kind": f"{kind}{missing}"} | _seen(clusters, name))
    if options:
        click.echo(f"\nOptions:\n{options}")
    queues, heading = _queues(clusters, name)
    click.echo(f"\n{heading}")
    if queues:
        click.echo(queue_table({name: queues}))


def _seen(clusters: Clusters, name: str) -> dict[str, str]:
    """What the plugin says of the cluster."""
    found = clusters.find(name)
    if found is None:
        return {}
    folder = shared_dir(data_dir(connect().settings), name)
    try:
        return found.kind.describe(found.options, folder)
    except ClusterError as error:
        return {"problem": str(error)}


def _lines(texts: Mapping[str, str]) -> None:
    width = max(map(len, texts))
    for name, text in texts.items():
        click.echo(f"{name:<{width}}  {text}")


def _queues(clusters: Clusters, name: str) -> tuple[Queues, str]:
    """The queues, and where they are known from."""
    try:
        queues: Queues = clusters.ask(name)
        return queues, "Queues, as the cluster says:" if queues else "It has no queues."
    except ClusterError as error:
        queues = clusters.stored(name)
        stored = "Queues, as the server knows them:" if queues else "The server knows none of its queues."
        return queues, f"It cannot be reached from here: {error}\n{stored}"
