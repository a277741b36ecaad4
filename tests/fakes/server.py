"""The server's side of the distributor's loop, at the boundary `call(route, sent, **ids)`."""

import threading
import time
from collections import deque
from typing import Any

from jobmon.core.ids import BatchId, TaskInstanceId, WorkflowId
from jobmon.core.resources import Resources
from jobmon.core.routes import ADVANCE, LEASE, Route
from jobmon.core.wire import AdvanceAnswer, AdvanceRequest, Batch, Job, LeaseAnswer, LeaseRequest, Observed


def batch(
    number: int, size: int = 1, cluster: str = "fake", look_first: bool = False, workflow_id: int = 1
) -> Batch:
    """A batch whose attempts are 1000 * number, 1000 * number + 1, ..."""
    return Batch(
        batch_id=BatchId(number),
        name=f"jm-{workflow_id}-{number}",
        workflow_id=WorkflowId(workflow_id),
        array_name="fit",
        cluster=cluster,
        resources=Resources(),
        size=size,
        first_instance_id=TaskInstanceId(1000 * number),
        run_dir="/nowhere",
        look_first=look_first,
    )


class FakeServer:
    """Keeps a run's batches and wishes as the real one does, and a record of all it was asked.

    The test changes it through its methods; each wakes the long polls. One object serves all threads.
    """

    def __init__(self, status: str = "R", lease_seconds: float = 60) -> None:
        """A run without anything to do."""
        self.status = status
        self.lease_seconds = lease_seconds
        self.fence = 0
        self.leases: list[LeaseRequest] = []
        self.requests: list[AdvanceRequest] = []
        self.launched: dict[BatchId, str] = {}
        self.refused: dict[BatchId, tuple[str, str]] = {}
        self.observed: list[Observed] = []
        self.notice = ""
        self.polls_waiting = 0
        self.poll_seconds = 0.0  # so long a poll lasts at least, unless there is news
        self._submit: dict[BatchId, Batch] = {}
        self._cancel: dict[TaskInstanceId, Job] = {}
        self._suspects: dict[TaskInstanceId, Job] = {}
        self._spare: list[Job] = []
        self._failures: deque[Exception] = deque()
        self._changes = 0
        self._answered = 0  # changes up to this one were in an answer
        self._changed = threading.Condition()

    # What a test does.

    def offer(self, *batches: Batch) -> None:
        """Have these submitted."""
        with self._changed:
            self._submit.update((one.batch_id, one) for one in batches)
            self._touch()

    def want_gone(self, *jobs: Job) -> None:
        """Have these cancelled until they are reported gone."""
        with self._changed:
            self._cancel.update((job.instance_id, job) for job in jobs)
            self._touch()

    def suspect(self, *jobs: Job) -> None:
        """Have these observed until they are reported."""
        with self._changed:
            self._suspects.update((job.instance_id, job) for job in jobs)
            self._touch()

    def spare(self, *jobs: Job) -> None:
        """Nothing will be started in these places; told until it was heard."""
        with self._changed:
            self._spare += jobs
            self._touch()

    def forgive(self, *jobs: Job) -> None:
        """These were only late."""
        with self._changed:
            for job in jobs:
                del self._suspects[job.instance_id]
            self._touch()

    def end(self, status: str) -> None:
        """The run is over."""
        with self._changed:
            self.status = status
            self._touch()

    def fail(self, *errors: Exception) -> None:
        """Answer the next requests with these."""
        with self._changed:
            self._failures.extend(errors)
            self._touch()

    def until(self, condition: Any, seconds: float = 120) -> None:
        """Wait until `condition()` holds; AssertionError if it never does."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"not within {seconds} s; asked so far: {self.requests}"
            time.sleep(0.001)

    # The boundary.

    def call(self, route: Route[Any, Any], sent: Any, **ids: int) -> Any:
        """Answer a request as the server would."""
        with self._changed:
            if route is LEASE:
                return self._lease(sent)
            assert route is ADVANCE, f"the distributor has no business with {route.path}"
            return self._advance(sent)

    def _lease(self, request: LeaseRequest) -> LeaseAnswer:
        self.leases.append(request)
        if self._failures:
            raise self._failures.popleft()
        self.fence += 1
        return LeaseAnswer(workflow_id=WorkflowId(1), fence=self.fence, lease_seconds=self.lease_seconds)

    def _advance(self, request: AdvanceRequest) -> AdvanceAnswer:
        self.requests.append(request)
        if not self._failures:
            self._absorb(request)
        self.polls_waiting += request.wait_seconds > 0
        self._changed.wait_for(
            lambda: self._failures or self._changes != self._answered or self._work(request),
            request.wait_seconds and max(request.wait_seconds, self.poll_seconds),
        )
        self.polls_waiting -= request.wait_seconds > 0
        if self._failures:
            raise self._failures.popleft()
        answer = AdvanceAnswer(
            status=self.status,
            submit=self._work(request),
            cancel=list(self._cancel.values()),
            suspects=list(self._suspects.values()),
            spare=self._spare[request.spare_mark :],
            spare_mark=len(self._spare),
            active=len(self.launched),
        )
        self._answered = self._changes
        return answer

    def _absorb(self, request: AdvanceRequest) -> None:
        self.launched.update((report.batch_id, report.job_id) for report in request.launched)
        self.refused.update(
            (report.batch_id, (report.failure_class, report.message)) for report in request.refused
        )
        self.observed += request.observed
        self.notice = request.notice
        for observed in request.observed:
            if observed.state in ("gone", "over"):
                self._cancel.pop(observed.instance_id, None)
            self._suspects.pop(observed.instance_id, None)
        for batch_id in (*self.launched, *self.refused):
            self._submit.pop(batch_id, None)

    def _work(self, request: AdvanceRequest) -> list[Batch]:
        return [one for one in self._submit.values() if one.batch_id not in request.in_hand]

    def _touch(self) -> None:
        self._changes += 1
        self._changed.notify_all()
