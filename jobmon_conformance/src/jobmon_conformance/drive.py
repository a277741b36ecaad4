"""One run of real attempts on a real server, whose distributor is the test: it has the batches in its hands."""

import os
import uuid
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import Any

from msgspec.structs import replace

from jobmon.client.workflow import Workflow
from jobmon.core import __version__, routes, wire
from jobmon.core.cluster import Cluster, JobState, instances
from jobmon.core.settings import load_settings
from jobmon.distributor.main import locator, prepared
from jobmon_conformance.bench import Bench
from jobmon_conformance.home import Home
from jobmon_conformance.until import until
from jobmon_conformance.work import workflow_of


class Driven:
    """A run of a bound workflow that this process drives: begun, its lease taken."""

    def __init__(self, workflow: Workflow, **options: Any) -> None:
        """`options` are those of a StartRunRequest."""
        self.server = workflow.server
        here = {"host": os.uname().nodename, "pid": os.getpid(), "version": __version__}
        start = wire.StartRunRequest(request_id=uuid.uuid4().hex, user="me", **here, **options)
        answer = self.server.call(routes.START_RUN, start, workflow_id=workflow.workflow_id)
        self._run_id = answer.workflow_run_id
        lease = wire.LeaseRequest(holder=uuid.uuid4().hex, **here)
        self._fence = self.server.call(routes.LEASE, lease, run_id=self._run_id).fence

    def step(self, **told: Any) -> wire.AdvanceAnswer:
        """Take one step of the run, telling the server something."""
        request = wire.AdvanceRequest(fence=self._fence, **told)
        return self.server.call(routes.ADVANCE, request, run_id=self._run_id)

    def stop(self) -> None:
        """The user wants the run to end; from now on `step` says what is to be cancelled."""
        self.server.call(routes.END, wire.EndRequest(reason="a test ends it"), run_id=self._run_id)


class Drive(Driven):
    """A workflow with one task for each command; `batch` holds all of its attempts."""

    def __init__(self, bench: Bench, home: Home, commands: Iterable[str], **options: Any) -> None:
        """Bound, begun, its lease taken; nothing is submitted."""
        self.bench, self.home = bench, home
        self.workflow = workflow_of(bench, commands, **options)
        self.workflow.bind()
        super().__init__(self.workflow)
        self.batch = until(lambda: self.step().submit, "a batch")[0]
        self._opened = ExitStack()

    # --- the attempts ---

    def statuses(self) -> str:
        """The letters of all attempts, in the order of their indices."""
        query = "SELECT status FROM task_instance WHERE batch_id = ? ORDER BY id"
        return "".join(self.home.column(query, self.batch.batch_id))

    def wait_for_statuses(self, wanted: str) -> None:
        """Until all attempts have one of these letters."""
        try:
            until(lambda: set(self.statuses()) <= set(wanted), f"nothing but {wanted} of the attempts")
        except AssertionError as error:
            raise AssertionError(f"{error}; they are {self.statuses()}") from None

    # --- the cluster ---

    def connect(self, hasty: bool = False) -> Cluster:
        """A fresh connection, as a new distributor would have it."""
        settings = load_settings()
        kind, connection = prepared(settings, locator(settings), self.bench.cluster, self.workflow.workflow_id)
        made = self.bench.connect_hasty(kind, connection) if hasty else kind.connect(connection)
        self._opened.callback(made.close, finished=True)
        return made

    def submit(self, made: Cluster) -> str:
        """Hand the batch over, and tell the server; the job id."""
        job_id = made.submit(self.batch)
        self.launched(job_id)
        return job_id

    def launched(self, job_id: str) -> None:
        """Tell the server that the cluster has the batch."""
        self.batch = replace(self.batch, job_id=job_id)
        self.step(launched=[wire.Launched(batch_id=self.batch.batch_id, job_id=job_id)])

    def jobs(self) -> list[wire.Job]:
        """All attempts as a distributor names them to the cluster."""
        return [self.job(index) for index in range(self.batch.size)]

    def job(self, index: int) -> wire.Job:
        """One attempt."""
        batch = self.batch
        return wire.Job(
            instance_id=instances(batch)[index],
            batch_id=batch.batch_id,
            index=index,
            name=batch.name,
            cluster=batch.cluster,
            job_id=batch.job_id,
            started="R" in self.statuses()[index],
        )

    def seen(self, made: Cluster, *jobs: wire.Job) -> dict[int, str]:
        """What the cluster says of these attempts: their index -> JobState."""
        first = self.batch.first_instance_id
        return {one.instance_id - first: one.state for one in made.observe(jobs or self.jobs())}

    def cancel_until_gone(self, made: Cluster, jobs: Sequence[wire.Job]) -> None:
        """As the distributor does it; the server is told of those that are seen gone."""
        left = {job.instance_id: job for job in jobs}

        def none_left() -> bool:
            gone = [one for one in made.cancel(list(left.values())) if one.state in (JobState.GONE, JobState.OVER)]
            self.step(observed=gone)
            for one in gone:
                del left[one.instance_id]
            return not left

        until(none_left, "the end of what was cancelled", pause_seconds=0.2)

    def close(self) -> None:
        """End what is still there, and let go of the cluster."""
        if set(self.statuses()) & set(NOT_OVER):
            self.stop()
            made = self.connect()
            self.cancel_until_gone(made, [job for job in self.jobs() if job.job_id])
        self._opened.close()


NOT_OVER = "IOR"
