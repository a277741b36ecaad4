"""`jobmon cluster list|add|sync`: which clusters there are."""

import sys

import click

from jobmon.client.cli.options import output_options
from jobmon.client.cluster_tables import changes, cluster_table, options_text
from jobmon.client.clusters import Clusters
from jobmon.client.connection import connect
from jobmon.core import cluster
from jobmon.core.exceptions import ClusterError, ConfigError, InvalidRequest, UnknownCluster
from jobmon.core.routes import CLUSTER_ADD, CLUSTER_QUEUES
from jobmon.core.wire import ClusterRequest, QueuesRequest


@click.command("list")
@output_options
def list_clusters(output: str) -> None:
    """List installed kinds and what the server knows."""
    clusters = Clusters(connect())
    table = cluster_table(clusters)
    click.echo(table.to_json() if output == "json" else table)
    for name in sorted(clusters.own.keys() - {known.lower() for known in clusters.names}):
        click.echo(f"The settings have options of {name!r}, which is none of these.", err=True)


def _pairs(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """`key=value` as a mapping."""
    pairs: dict[str, str] = {}
    for value in values:
        key, equals, text = value.partition("=")
        if not key or not equals:
            raise click.BadParameter(f"{value!r} is not of the form KEY=VALUE.")
        if key in pairs:
            raise click.BadParameter(f"{key!r} is given twice.")
        pairs[key] = text
    return pairs


@click.command("add")
@click.argument("name")
@click.option("--kind", required=True, help="The plugin it belongs to, as `jobmon cluster list` names it.")
@click.option(
    "--option", "options", multiple=True, callback=_pairs, metavar="KEY=VALUE", help="Any number of them."
)
def add(name: str, kind: str, options: dict[str, str]) -> None:
    """Name a kind with options for all who use the server.

    The options of a cluster that is known already are replaced.
    """
    if name != kind and name in cluster.installed():
        raise InvalidRequest(f"{name!r} is the name of an installed kind of its own. Choose another name.")
    cluster.load(kind).read_options(options, f"cluster {name!r}")
    answer = connect().server.call(CLUSTER_ADD, ClusterRequest(name=name, kind=kind, options=options))
    if answer.new:
        click.echo(f"Cluster {name!r} is known now.")
    elif answer.replaced is None:
        click.echo(f"Cluster {name!r} was known already, with these options.")
    else:
        click.echo(f"Cluster {name!r} has these options now; it had {options_text(answer.replaced) or 'none'}.")


@click.command("sync")
@click.argument("names", nargs=-1, metavar="[NAME]...")
def sync(names: tuple[str, ...]) -> None:
    """Ask clusters for their queues and store these.

    Without names all clusters that can be reached from here.
    """
    clusters = Clusters(connect())
    reached = [_sync(clusters, name) for name in names or clusters.names]
    sys.exit(1 if names and not all(reached) else 0)


def _sync(clusters: Clusters, name: str) -> bool:
    """Whether it could be reached."""
    try:
        queues = clusters.ask(name)
    except (ClusterError, ConfigError, UnknownCluster) as error:
        click.echo(f"{name}: not reached: {error}", err=True)
        return False
    before = clusters.stored(name)
    connect().server.call(CLUSTER_QUEUES, QueuesRequest(name=name, queues=list(queues.values())))
    for change in changes(before, queues) or [f"nothing new; queues: {', '.join(queues) or 'none'}"]:
        click.echo(f"{name}: {change}")
    return True
