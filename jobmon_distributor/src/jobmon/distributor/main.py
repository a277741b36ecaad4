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

from jobmon.core import cluster, local_server, logs
from jobmon.core.exceptions import ClusterError, JobmonError, ServerUnreachable
from jobmon.core.http import Address, Server, Unanswered
from jobmon.core.ids import WorkflowId, WorkflowRunId
from jobmon.core.settings import Settings, data_dir, load_settings
from jobmon.distributor.loop import Connect, Loop

log = logging.getLogger(__name__)


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
    asker, reporter = (Server(locate, settings.http.request_timeout_seconds, retry_seconds=None) for _ in range(2))
    loop = Loop(run_id, asker, reporter, connector(settings, locate), alive=_say_alive)

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
        token = local_server.read_token(Path(http.token_file).expanduser()) if http.token_file else ""
        return lambda: Address(http.service_url.rstrip("/"), token)

    def own() -> Address:
        try:
            return local_server.ensure(folder)
        except ServerUnreachable as error:
            log.error("%s", error)
            raise Unanswered(str(error)) from error

    return own


def connector(settings: Settings, locate: Callable[[], Address]) -> Connect:
    """How to connect a cluster for a workflow."""
    folder = data_dir(settings)

    def connect(name: str, workflow_id: WorkflowId) -> cluster.Cluster:
        kind = cluster.load(name)
        state_dir = folder / "clusters" / f"{workflow_id}-{name}"
        state_dir.mkdir(parents=True, exist_ok=True)
        state_dir.chmod(0o700)
        try:
            url = locate().url
        except Unanswered as error:
            raise ClusterError(str(error)) from error
        return kind.connect(
            cluster.Connection(
                service_url=url,
                token_file=settings.http.token_file or str(folder / "token"),
                state_dir=state_dir,
                workflow_id=workflow_id,
                python=sys.executable,
                parallelism=settings.local.parallelism,
            )
        )

    return connect


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
