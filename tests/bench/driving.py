"""A run in the hands of a bench: it asks what a distributor asks, and its cluster takes every batch at once."""

import os
import time
from pathlib import Path

from bench.shapes import build
from jobmon.core import wire
from jobmon_conformance.drive import Driven


class Driver(Driven):
    """Of a workflow that was bound for it. `steps` has the seconds of each step that was not told to wait."""

    def __init__(self, shape: str, size: int, **limits: int) -> None:
        """Built and bound by the client, in a user's environment; `bind_seconds` is the time of the latter."""
        build("chain", 3).bind()  # everything is imported and connected
        workflow = build(shape, size, **limits)
        began = time.perf_counter()
        workflow.bind()
        self.bind_seconds = time.perf_counter() - began
        super().__init__(workflow, seconds_until_timeout=1e6)
        self.token = Path(os.environ["JOBMON__HTTP__TOKEN_FILE"]).read_text().strip()
        self.steps: list[float] = []
        self.more = True  # something was left for the next step
        self._launched: list[wire.Launched] = []

    def batches(self, wait_seconds: float = 0) -> list[wire.Batch]:
        """Those of one step, which are launched as far as the next one will say."""
        began = time.perf_counter()
        answer = self.step(launched=self._launched, wait_seconds=wait_seconds)
        if not wait_seconds:
            self.steps.append(time.perf_counter() - began)
        assert answer.status in "BIOR", answer
        self.more = answer.more
        self._launched = [wire.Launched(batch_id=one.batch_id, job_id=str(one.batch_id)) for one in answer.submit]
        return answer.submit
