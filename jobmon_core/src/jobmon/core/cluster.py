"""The contract of a cluster plugin: few verbs, many jobs at once.

A plugin is an entry point in the group `jobmon.clusters` whose object is a `ClusterKind`. A cluster is a kind
with options; the kind's own name is a cluster with none. The client uses `queues` and `check` to validate;
the distributor `connect`s and submits, looks up, observes and cancels. A job is known by (cluster, batch name,
job id), never by an id alone.

How a silent attempt is judged: the plugin watches what it submitted or adopted. An attempt that the cluster has
no more is reported by `events` as ENDED, which is no verdict: it only lets the server ask, by `observe`, about
those whose worker has not told their end. `observe` then gives the proof.
"""

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import msgspec

from jobmon.core.defaults import Worker
from jobmon.core.exceptions import ConfigError, UnknownCluster
from jobmon.core.ids import BatchId, TaskInstanceId
from jobmon.core.resources import QueueLimits, Resources
from jobmon.core.wire import Batch, ClusterInfo, Job, Observed, Pace

ENTRY_POINT_GROUP = "jobmon.clusters"


class JobState(StrEnum):
    """What a batch system can say of an attempt."""

    PENDING = "pending"  # accepted, waits for its turn
    RUNNING = "running"
    ENDED = "ended"  # the cluster has it no more; whoever has not heard of its end may ask how
    OVER = "over"  # ended, and it is known how
    GONE = "gone"  # proof that it does not run and will not: the attempt can be given up
    UNKNOWN = "unknown"  # no proof of anything


class NoOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The options of a kind that has none."""


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """What a plugin needs to reach the server and to keep its files: given to `connect`.

    name          of the cluster
    options       an object of the kind's `options`
    service_url   where the server is now; passed on to whatever runs on the nodes, with token_file and, for a
    server_file   server that may move, the file with its present address ("" for one that stays)
    state_dir     private to the user, one for each workflow and cluster, and outlives the distributor
    shared_dir    private to the user, one for each cluster: what all of the user's workflows know of it
    spool_dir     where workers leave outcomes that they could not tell; the distributor replays them
    worker        how patient workers are
    worker_argv   the command line of a worker; the plugin adds `--batch-id=ID`, and `--index=N` or
                  `--index-env=NAME`, then `--job-env=NAME` for the variable that holds the job's own id, by
                  which its memory is found, and what it knows better, such as `--start-wait=SECONDS`
    """

    name: str = ""
    options: Any = NoOptions()
    service_url: str
    server_file: str = ""
    token_file: str
    state_dir: Path
    shared_dir: Path = Path()
    spool_dir: Path = Path()
    workflow_id: int
    python: str
    parallelism: int = 0
    worker: Worker = Worker()
    worker_argv: tuple[str, ...] = ()


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What a search by name found: the job id, or proof that there is no such job, or neither."""

    job_id: str = ""
    absent: bool = False


@runtime_checkable
class Cluster(Protocol):
    """A connected cluster, used by one distributor from one thread at a time.

    But `pace` and `notice` are read by other threads meanwhile: what they look at is put in place as a whole.
    """

    def pace(self) -> Pace:
        """How batches for this cluster are to be cut, as far as is known now. Asks nobody."""

    def adopt(self, batches: Sequence[Batch]) -> None:
        """Watch these, which somebody before us has submitted: they have attempts that are not over."""

    def submit(self, batch: Batch) -> str:
        """Hand over a batch as one job array and return its job id.

        Raises SubmitRefused when the cluster said no (BatchTooLarge when a smaller one may go, after `pace` has
        changed), SubmitUnknown when it may have said yes. Submitting a batch whose name the cluster already
        has must not start it twice.
        """

    def look_up(self, batches: Sequence[Batch]) -> Mapping[BatchId, Look]:
        """Find batches by their names; a batch left out of the answer is not decided yet."""

    def observe(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        """What the cluster says of these attempts; those it says nothing of are left out."""

    def cancel(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        """Ask the cluster to end these attempts; answers those that are already seen gone."""

    def events(self) -> Sequence[Observed]:
        """What became of watched attempts since the last call. Called often: it decides when to look."""

    def notice(self) -> str:
        """Why the cluster makes us wait, in its own words; "" if it does not. Asks nobody."""

    def close(self, finished: bool) -> None:
        """Let go. `finished`: the workflow run is over and nothing of it is left on the cluster."""


class ClusterKind(msgspec.Struct, frozen=True, kw_only=True):
    """What an entry point offers. All functions take the cluster's options, an object of `options`.

    queues      the queues with their limits, asked from the cluster itself; the first is the default.
                Raises ClusterError when the cluster cannot be reached from here
    connect     makes the connected cluster, in the distributor
    check       one sentence for each thing wrong with resources that were fitted to a queue
    describe    what an operator wants to know of the cluster as the user at this machine sees it: name -> text;
                the path is the `shared_dir` of a Connection
    options     a frozen msgspec.Struct with defaults, all of whose fields can be read from text
    on_nodes    whether it is the worker on a node that claims attempts and runs their commands
    login_only  commands do not get the submitter's variables that begin with these
    """

    name: str
    queues: Callable[[Any], list[QueueLimits]]
    connect: Callable[[Connection], Cluster]
    check: Callable[[Resources, Any], list[str]] = lambda resources, options: []
    describe: Callable[[Any, Path], dict[str, str]] = lambda options, shared_dir: {}
    options: type[msgspec.Struct] = NoOptions
    on_nodes: bool = True
    login_only: tuple[str, ...] = ("XDG_", "DBUS_")

    def read_options(self, given: Mapping[str, str], place: str) -> Any:
        """Options from their texts. Raises ConfigError naming the `place`, the option and those that exist."""
        known = {field.name for field in msgspec.structs.fields(self.options)}
        whose = f"of a cluster of kind {self.name!r}"
        for name in given.keys() - known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(known)) or 'none'}"
            raise ConfigError(f"{place} has the unknown option {name!r} {whose}; {hint}")
        try:
            return msgspec.convert(dict(given), self.options, strict=False)
        except msgspec.ValidationError as error:
            raise ConfigError(f"{place}: an option {whose} is wrong: {error}") from error


def installed() -> list[str]:
    """Names of all kinds that installed plugins offer, sorted."""
    return sorted({entry.name for entry in metadata.entry_points(group=ENTRY_POINT_GROUP)})


def load(name: str) -> ClusterKind:
    """The kind of that name.

    Raises UnknownCluster naming those that exist.
    """
    for entry in metadata.entry_points(group=ENTRY_POINT_GROUP, name=name):
        try:
            kind = entry.load()
        except (ImportError, AttributeError) as error:
            raise UnknownCluster(
                f"the plugin of cluster {name!r} ({entry.value}) cannot be loaded: {error}"
            ) from error
        if not isinstance(kind, ClusterKind):
            raise UnknownCluster(f"the entry point of cluster {name!r} ({entry.value}) is not a ClusterKind")
        return kind
    raise UnknownCluster(
        f"there is no cluster {name!r}; installed are {', '.join(installed()) or 'none'}. "
        "Name one of these, or install the plugin that brings it."
    )


def configured(
    name: str, known: Mapping[str, ClusterInfo], own: Mapping[str, Mapping[str, str]]
) -> tuple[ClusterKind, Any]:
    """The kind and the options of a cluster: as the server knows it, changed by the user's own settings.

    Raises UnknownCluster when it is neither known to the server nor a kind, ConfigError for a wrong option.
    """
    info = known.get(name)
    kind = load(info.kind if info else name)
    given = {**(info.options if info else {}), **own.get(name.lower(), {})}
    return kind, kind.read_options(given, f"cluster {name!r}")


def instances(batch: Batch) -> range:
    """The attempts of a batch, in the order of their array index."""
    return range(batch.first_instance_id, TaskInstanceId(batch.first_instance_id + batch.size))
