"""A run in the hands of a bench: it asks what a distributor asks, and its cluster takes every batch at once."""

import os
import time
import uuid
from pathlib import Path

from bench.shapes import build
from jobmon.core import __version__, routes, wire


class Driver:
    """Bound, begun, its lease taken. `steps` has the seconds of each step that was not told to wait."""

    def __init__(self, shape: str, size: int, **limits: int) -> None:
        """Built and bound by the client, in a user's environment; `bind_seconds` is the time of the latter."""
        build("chain", 3).bind()  # everything is imported and connected
        workflow = build(shape, size, **limits)
        began = time.perf_counter()
        workflow.bind()
        self.bind_seconds = time.perf_counter() - began
        self.server = workflow.server
        self.token = Path(os.environ["JOBMON__HTTP__TOKEN_FILE"]).read_text().strip()
        self.steps: list[float] = []
        self.more = True  # something was left for the next step
        self._launched: list[wire.Launched] = []
        self._run_id, self._fence = self._begin(workflow.workflow_id)

    def _begin(self, workflow_id: int) -> tuple[int, int]:
        host, pid = os.uname().nodename, os.getpid()
        start = wire.StartRunRequest(
            request_id=uuid.uuid4().hex, user="bench", host=host, pid=pid, version=__version__,
            seconds_until_timeout=1e6,
        )  # fmt: skip
        run_id = self.server.call(routes.START_RUN, start, workflow_id=workflow_id).workflow_run_id
        lease = wire.LeaseRequest(holder=uuid.uuid4().hex, host=host, pid=pid, version=__version__)
        return run_id, self.server.call(routes.LEASE, lease, run_id=run_id).fence

    def step(self, wait_seconds: float = 0) -> list[wire.Batch]:
        """One step of the run; the batches, which are launched as far as the next step will say."""
        request = wire.AdvanceRequest(fence=self._fence, launched=self._launched, wait_seconds=wait_seconds)
        began = time.perf_counter()
        answer = self.server.call(routes.ADVANCE, request, run_id=self._run_id)
        if not wait_seconds:
            self.steps.append(time.perf_counter() - began)
        assert answer.status in "BIOR", answer
        self.more = answer.more
        self._launched = [wire.Launched(batch_id=one.batch_id, job_id=str(one.batch_id)) for one in answer.submit]
        return answer.submit
