"""Every point at which a part is killed by the tests: between which two deeds, and what may happen again for it.

A point is a function of the product, so that nothing in the product knows of it; a function that is renamed fails
`test_crash_points.py`. `faults/crash/hook` does the killing.
"""

import importlib
from collections.abc import Callable
from typing import NamedTuple

CLIENT, SERVER, DISTRIBUTOR = "jobmon.client", "jobmon.server", "jobmon.distributor"
LOCAL, CLUSTER = "jobmon.distributor.local", "jobmon.distributor.local.cluster"
SUBMITTING, WORKER = "jobmon.core.scheduler.submitting", "jobmon_worker"
ONCE, AGAIN = 1, 2  # how often a command may have been started


class Point(NamedTuple):
    """One point, by what was done and what was not when it is met.

    at       module and function
    when     "before" or "after" the function
    route    while the server answers this route only
    nth      of these calls in the short form; the long form goes to `far`
    starts   how often a task may be started: twice only if its command ran when its worker or executor died
    scene    what leads there, see `test_crash_points.py`
    """

    name: str
    at: tuple[str, str]
    when: str
    route: str = ""
    nth: int = 1
    far: tuple[int, ...] = ()
    starts: int = ONCE
    scene: str = "runs"

    @property
    def part(self) -> str:
        return self.name.partition(":")[0]

    def function(self) -> Callable[..., object]:
        """The function as it is installed."""
        module, name = self.at
        found = importlib.import_module(module.replace(WORKER, f"{DISTRIBUTOR}.worker"))
        for part in name.split("."):
            found = getattr(found, part)
        return found  # type: ignore[return-value]

    def order(self, file: str, nth: int) -> dict[str, object]:
        """For `hook/dying.py`."""
        module, name = self.at
        return {
            "module": module, "name": name, "when": self.when, "route": self.route, "nth": nth, "file": file
        }  # fmt: skip


def _client(name: str, module: str, function: str, when: str, **more: object) -> Point:
    return Point(f"client: {name}", (f"{CLIENT}.{module}", function), when, **more)  # type: ignore[arg-type]


def _undone(name: str, module: str, function: str, **more: object) -> Point:
    """The server has worked out the change, and has not committed it."""
    return Point(f"server: {name}, not committed", (f"{SERVER}.{module}", function), "after", **more)  # type: ignore[arg-type]


def _unsaid(name: str, route: str, **more: object) -> Point:
    """The server has committed, and has not answered."""
    return Point(f"server: {name}, not answered", (f"{SERVER}.serve", "_reply"), "before", route, **more)  # type: ignore[arg-type]


def _distributor(name: str, module: str, function: str, when: str, **more: object) -> Point:
    return Point(f"distributor: {name}", (module, function), when, **more)  # type: ignore[arg-type]


def _executor(name: str, module: str, function: str, when: str, **more: object) -> Point:
    return Point(f"executor: {name}", (f"{LOCAL}.{module}", function), when, **more)  # type: ignore[arg-type]


def _worker(name: str, module: str, function: str, when: str, scene: str = "slurm", **more: object) -> Point:
    return Point(f"worker: {name}", (f"{WORKER}.{module}", function), when, scene=scene, **more)  # type: ignore[arg-type]


POINTS = (
    _client("about to announce", "bind", "_announcement", "after"),
    _client("between two chunks", "bind", "Graph._chunk", "before", nth=2, far=(1, 3)),
    _client("bound, and does not know it", "bind", "bind", "after"),
    _client("about to begin a run", "run", "_start", "before"),
    _client("a run begun, nobody told to drive it", "run", "_start", "after"),
    _client("a distributor told", "distributor", "Distributor.drive", "after"),
    _client("follows", "watch", "Watch.look", "after", nth=2, far=(1, 3), scene="beats"),
    _client("the run over, the result not fetched", "result", "make_result", "before"),
    _client("a resume begun, nobody told to drive it", "run", "_start", "after", nth=2, scene="hot"),
    _undone("a workflow announced", "store.bind", "announce"),
    _unsaid("a workflow announced", "POST /workflow"),
    _undone("a chunk taken", "store.bind", "add_chunk", nth=2, far=(1, 3)),
    _unsaid("a chunk taken", "POST /workflow/{workflow_id}/chunk", nth=2, far=(1, 3)),
    _undone("a run begun", "store.runs", "start"),
    _unsaid("a run begun", "POST /workflow/{workflow_id}/run"),
    _undone("a lease given", "store.runs", "take_lease"),
    _unsaid("a lease given", "POST /run/{run_id}/lease"),
    _undone("a step of the run", "engine.advance", "advance", nth=2, far=(1, 3, 4, 5)),
    _unsaid("a step of the run", "POST /run/{run_id}/advance", nth=2, far=(1, 3, 4)),
    _undone("attempts granted", "store.work", "_claim", far=(2, 3)),
    _undone("outcomes taken", "store.work", "apply", far=(2, 3)),
    _unsaid("grants or outcomes", "POST /work", nth=2, far=(1, 3, 4)),
    _undone("a sign of life heard", "store.work", "_alive", scene="beats"),
    _undone("a run ended by hand", "store.runs", "end", scene="stop", starts=AGAIN),
    _unsaid("a run ended by hand", "POST /run/{run_id}/end", scene="stop", starts=AGAIN),
    _undone("a round of the reaper", "reaper", "reap", nth=2, scene="beats"),
    _undone("its absence made up for", "downtime", "forgive"),
    _unsaid("how the run stands", "POST /run/{run_id}/watch", nth=2, far=(1, 3), scene="beats"),
    _distributor("about to take the lease", f"{DISTRIBUTOR}.loop", "Loop._take_lease", "before"),
    _distributor("the lease taken", f"{DISTRIBUTOR}.loop", "Loop._take_lease", "after"),
    _distributor("told what to do", f"{DISTRIBUTOR}.loop", "Loop._dispatch", "before", far=(2, 3)),
    _distributor("about to hand over", CLUSTER, "LocalCluster.submit", "before", far=(2,)),
    _distributor("handed over, not told", CLUSTER, "LocalCluster.submit", "after", far=(2,)),
    _distributor("told what was handed over", f"{DISTRIBUTOR}.outbox", "Outbox.told", "after", nth=2, far=(1, 3)),
    _distributor("about to adopt", CLUSTER, "LocalCluster.adopt", "before", scene="hot"),
    _distributor("adopted", CLUSTER, "LocalCluster.adopt", "after", scene="hot"),
    _distributor("about to cancel", CLUSTER, "LocalCluster.cancel", "before", scene="cold", starts=AGAIN),
    _distributor("cancelled, not told", CLUSTER, "LocalCluster.cancel", "after", scene="cold", starts=AGAIN),
    _distributor("about to call sbatch", SUBMITTING, "Submitter._submission", "after", scene="slurm"),
    _distributor("sbatch done, not told", SUBMITTING, "Submitter.submit", "after", scene="slurm"),
    _distributor("about to replay a spool", f"{DISTRIBUTOR}.spool", "_hand_over", "before", scene="spool"),
    _distributor("replayed, the file still there", f"{DISTRIBUTOR}.spool", "log.info", "before", scene="spool"),
    _executor("its folder locked, no note left", "identity", "write_note", "before"),
    _executor("a batch come, not in the journal", "journal", "Journal.accepted", "before"),
    _executor("a batch in the journal, not acknowledged", "journal", "Journal.accepted", "after"),
    _executor("granted, not started", "journal", "Journal.started", "before", far=(2, 3)),
    _executor("in the journal, not started", "journal", "Journal.started", "after", far=(2, 3)),
    _executor("started", "children", "Starter.start", "after", far=(2, 3), starts=AGAIN),
    _executor("a command over, not in the journal", "journal", "Journal.ended", "before", far=(2,), starts=AGAIN),
    _executor("outcomes told, not in the journal", "journal", "Journal.told", "before", far=(2,), starts=AGAIN),
    _executor("outcomes told", "journal", "Journal.told", "after", far=(2,), starts=AGAIN),
    _worker("about to claim", "talk", "claim", "before"),
    _worker("granted, not started", "talk", "claim", "after", far=(2,)),
    _worker("started", "command", "Command.__init__", "after", far=(2,), starts=AGAIN),
    _worker("a sign of life given", "talk", "beat", "after", starts=AGAIN, scene="slurm beats"),
    _worker("a command over, not told", "talk", "report", "before", far=(2,), starts=AGAIN),
    _worker("told, not gone", "talk", "report", "after", far=(2,)),
    _worker("a spool written, not renamed", "spool", "os.rename", "before", scene="spool", starts=AGAIN),
    _worker("a spool renamed", "spool", "write_spool", "after", scene="spool"),
)  # fmt: skip
