"""The command `jobmon_distributor`: settings, log, signals, then the loop.

    jobmon_distributor start --workflow_run_id N [--cluster_name X] [--log-file F]
    jobmon_distributor start --stdin ...

With `--stdin` it is started ahead of time: it imports everything, then reads one line such as
{"workflow_run_id": 7} from its standard input. When the input ends before that it goes away without a word.
`ALIVE` on standard error says that it holds the run's lease.
"""

import argparse
import contextlib
import logging
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

import msgspec

from jobmon.core import cluster, local_server, login, logs
from jobmon.core.exceptions import ClusterError, JobmonError, ServerUnreachable, UnknownCluster
from jobmon.core.http import Address, Server, Unanswered
from jobmon.core.ids import TaskInstanceId, WorkflowId, WorkflowRunId
from jobmon.core.paths import shared_dir
from jobmon.core.routes import CLUSTERS
from jobmon.core.settings import Settings, data_dir, load_settings
from jobmon.core.wire import Nothing
from jobmon.distributor import worker_file
from jobmon.distributor.loop import PASSING, Connect, Loop, Replay
from jobmon.distributor.passes import Passes
from jobmon.distributor.spool import replay, server_told

log = logging.getLogger(__name__)

SPOOL = "spool"


class Order(msgspec.Struct, frozen=True):
    """The line on standard input."""

    workflow_run_id: WorkflowRunId


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the run goes on when the terminal is gone
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    options = _parser().parse_args(argv)
    try:
        settings = load_settings()
        logs.set_up(settings.logging.level, options.log_file)
        if options.cluster_name:
            _import_ahead(options.cluster_name)
        run_id = _run_id_from_stdin() if options.stdin else WorkflowRunId(options.workflow_run_id)
        return 0 if run_id is None else drive(settings, run_id)
    except (JobmonError, msgspec.MsgspecError, OSError) as error:
        print(f"jobmon_distributor: {error}", file=sys.stderr)
        return 1


def drive(settings: Settings, run_id: WorkflowRunId) -> int:
    """Drive one run until its end or until told to leave; returns the exit code."""
    locate = locator(settings)
    token_file = None
    if settings.http.service_url:
        passes = Passes(settings.http, run_id, data_dir(settings) / "tokens")
        locate, token_file = passes, passes.token_file
    asker, reporter = (Server(locate, settings.http.request_timeout_seconds, retry_seconds=None) for _ in range(2))
    connect = connector(settings, locate, token_file)
    loop = Loop(run_id, asker, reporter, connect, alive=_say_alive, replay=replayer(settings, locate))

    def leave(number: int, _: FrameType | None) -> None:
        loop.stop(f"told to leave by {signal.Signals(number).name}; jobs are left running")

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)
    ending = loop.run()
    if ending.exit_code:
        print(f"jobmon_distributor: {ending.text}", file=sys.stderr)
    return ending.exit_code


def locator(settings: Settings) -> Callable[[], Address]:
    """How to find the server: the configured one, else the user's own, which is started if need be."""
    http, folder = settings.http, data_dir(settings)
    if http.service_url:
        url = http.service_url.rstrip("/")
        login.token(http)  # one that others can read is refused at once
        return lambda: Address(url, login.token(http))

    def own() -> Address:
        try:
            return local_server.ensure(folder)
        except ServerUnreachable as error:
            log.error("%s", error)
            raise Unanswered(str(error)) from error

    return own


def connector(
    settings: Settings, locate: Callable[[], Address], token_file: Callable[[], str] | None = None
) -> Connect:
    """How to connect a cluster for a workflow; `token_file` gives the file with the workers' token at a site."""

    def connect(name: str, workflow_id: WorkflowId) -> cluster.Cluster:
        kind, connection = prepared(settings, locate, name, workflow_id, token_file)
        return kind.connect(connection)

    return connect


def prepared(
    settings: Settings,
    locate: Callable[[], Address],
    name: str,
    workflow_id: WorkflowId,
    token_file: Callable[[], str] | None = None,
) -> tuple[cluster.ClusterKind, cluster.Connection]:
    """The kind of that cluster with all that its `connect` needs. Raises ClusterError, OSError."""
    folder = data_dir(settings)
    try:
        url = locate().url
        opened_by = token_file() if token_file else settings.http.token_file or str(folder / "token")
        kind, options = _configured(name, settings, locate)
    except (Unanswered, *PASSING) as error:
        raise ClusterError(str(error)) from error
    state_dir = private(_state_dir(settings, name, workflow_id))
    connection = cluster.Connection(
        name=name,
        options=options,
        service_url=url,
        server_file="" if settings.http.service_url else str(folder / "server.json"),
        token_file=opened_by,
        state_dir=state_dir,
        shared_dir=private(shared_dir(folder, name)),
        spool_dir=private(state_dir / SPOOL),
        workflow_id=workflow_id,
        python=sys.executable,
        parallelism=settings.local.parallelism,
        worker=settings.worker,
    )
    if kind.on_nodes:
        line = worker_file.command_line(
            settings, connection, worker_file.keep_environment(state_dir, kind.login_only)
        )
        connection = msgspec.structs.replace(connection, worker_argv=line)
    return kind, connection


def _configured(
    name: str, settings: Settings, locate: Callable[[], Address]
) -> tuple[cluster.ClusterKind, object]:
    """The cluster of that name; the server is asked about those that may be configured there."""
    with contextlib.suppress(UnknownCluster):
        kind = cluster.load(name)
        if kind.options is cluster.NoOptions:
            return kind, cluster.NoOptions()
    server = Server(locate, settings.http.request_timeout_seconds, retry_seconds=0)
    known = {info.name: info for info in server.call(CLUSTERS, Nothing()).clusters}
    return cluster.configured(name, known, settings.clusters)


def replayer(settings: Settings, locate: Callable[[], Address]) -> Replay:
    """How to hand over what workers have left; called by the thread of each cluster."""

    def hand_over(name: str, workflow_id: WorkflowId) -> set[TaskInstanceId]:
        folder = _state_dir(settings, name, workflow_id) / SPOOL
        if not folder.is_dir():
            return set()
        server = Server(locate, settings.http.request_timeout_seconds, retry_seconds=0)
        return replay(folder, server_told(server.call))

    return hand_over


def _state_dir(settings: Settings, name: str, workflow_id: WorkflowId) -> Path:
    return data_dir(settings) / "clusters" / f"{workflow_id}-{name}"


def private(folder: Path) -> Path:
    """The folder, which nobody else can look into."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="jobmon_distributor", description="Drive one workflow run.")
    parser.add_argument("command", choices=["start"])
    run = parser.add_mutually_exclusive_group(required=True)
    run.add_argument("--workflow_run_id", "--workflow-run-id", type=int, metavar="N")
    run.add_argument("--stdin", action="store_true", help='read {"workflow_run_id": N} from standard input')
    parser.add_argument(
        "--cluster_name",
        "--cluster-name",
        metavar="X",
        help="load this cluster's plugin ahead; every cluster that the run names is served",
    )
    parser.add_argument("--log-file", "--log_file", type=Path, metavar="F", help="default: standard error")
    return parser


def _run_id_from_stdin() -> WorkflowRunId | None:
    """The run to drive, or None when nobody wants anything."""
    line = sys.stdin.readline()
    return msgspec.json.decode(line, type=Order).workflow_run_id if line.strip() else None


def _import_ahead(name: str) -> None:
    try:
        cluster.load(name)
    except Exception:  # a plugin may raise anything; the run's own batches will tell
        log.warning("cluster %s cannot be loaded", name, exc_info=True)


def _say_alive() -> None:
    with contextlib.suppress(OSError):  # whoever started us may be gone
        print("ALIVE", file=sys.stderr, flush=True)
