"""`jobmon queue list`."""

import click

from jobmon.client.cli.options import ListCommand, ListOption, output_options
from jobmon.client.cluster_tables import Queues, queue_table
from jobmon.client.clusters import Clusters
from jobmon.client.connection import connect
from jobmon.core.exceptions import ConfigError, UnknownCluster


@click.command("list", cls=ListCommand)
@click.option(
    "-c", "--cluster", "names", cls=ListOption, metavar="NAME...", help="Of these clusters; otherwise of all."
)
@output_options
def list_queues(names: tuple[str, ...], output: str) -> None:
    """List queues and the most that a task may ask of each.

    The first queue of a cluster is its default; nothing stands where there is no limit.
    """
    clusters = Clusters(connect())
    queues: dict[str, Queues] = {}
    for name in names or clusters.names:
        try:
            queues[name] = clusters.queues(name)
        except (ConfigError, UnknownCluster) as error:
            if names:
                raise
            click.echo(f"{name}: {error}", err=True)  # the others are of use without it
    table = queue_table(queues)
    click.echo(table.to_json() if output == "json" else table)
