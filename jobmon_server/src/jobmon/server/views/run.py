"""Drive a run: start, lease, advance, watch, end."""

import time

import msgspec

from jobmon.core import routes
from jobmon.core.ids import WorkflowId, WorkflowRunId
from jobmon.core.wire import (
    AdvanceAnswer,
    AdvanceRequest,
    Done,
    EndRequest,
    LeaseAnswer,
    LeaseRequest,
    StartRunAnswer,
    StartRunRequest,
    WatchAnswer,
    WatchRequest,
)
from jobmon.server.engine.advance import CHECK_SECONDS, advance
from jobmon.server.serve import handles
from jobmon.server.service import Service
from jobmon.server.store import progress, runs

POLL_SECONDS_MAX = 60.0
MANY = 100  # attempts: their ends come so thick that a step for each would be the larger part of the work
GATHER_SECONDS = 0.03


@handles(routes.START_RUN)
def start(service: Service, sent: StartRunRequest, workflow_id: WorkflowId) -> StartRunAnswer:
    """Begin a run."""
    answer = service.write(lambda c, at: runs.start(c, workflow_id, sent, at))
    service.signals.tell([workflow_id])
    return answer


@handles(routes.LEASE)
def lease(service: Service, sent: LeaseRequest, run_id: WorkflowRunId) -> LeaseAnswer:
    """Give a distributor the right to drive the run."""
    answer = service.write(lambda c, at: runs.take_lease(c, run_id, sent, at))
    service.signals.tell([answer.workflow_id])
    return answer


@handles(routes.ADVANCE)
def ask(service: Service, sent: AdvanceRequest, run_id: WorkflowRunId) -> AdvanceAnswer:
    """Step until there is something to do, or the poll's time is over.

    Attempts that are wanted gone or suspected end the poll early, so that they are looked at again.
    """
    deadline = time.monotonic() + min(sent.wait_seconds, POLL_SECONDS_MAX)
    again = time.monotonic() + CHECK_SECONDS
    workflow_id, seen = _counted(service, run_id)
    beat = service.rules.heartbeat_seconds
    step = service.write(lambda c, at: advance(c, run_id, sent, at, beat))
    heard = msgspec.structs.replace(sent, launched=[], refused=[], observed=[])
    while not step.urgent:
        until = min(deadline, again) if step.answer.cancel or step.answer.suspects else deadline
        left = until - time.monotonic()
        if left <= 0:
            break
        service.signals.wait(workflow_id, seen, min(left, step.wake_in_seconds))
        if step.answer.active >= MANY:
            time.sleep(GATHER_SECONDS)
        seen = service.signals.count(workflow_id)
        step = service.write(lambda c, at: advance(c, run_id, heard, at, beat))
    if step.answer.status not in "BIOR":
        service.signals.tell([workflow_id])
    return step.answer


def _counted(service: Service, run_id: WorkflowRunId) -> tuple[int, int]:
    workflow_id = service.read(lambda c: runs.workflow_of(c, run_id))
    return workflow_id, service.signals.count(workflow_id)


@handles(routes.WATCH)
def watch(service: Service, sent: WatchRequest, run_id: WorkflowRunId) -> WatchAnswer:
    """Wait until the run looks different from what the caller saw last."""
    deadline = time.monotonic() + min(sent.wait_seconds, POLL_SECONDS_MAX)
    _rest(service, run_id, min(sent.rest_seconds, sent.wait_seconds, POLL_SECONDS_MAX))
    while True:
        workflow_id, seen = _counted(service, run_id)
        answer = service.read(lambda c: progress.watch(c, run_id, sent))
        left = deadline - time.monotonic()
        if answer.version != sent.version or left <= 0:
            return answer
        service.signals.wait(workflow_id, seen, left)


def _rest(service: Service, run_id: WorkflowRunId, seconds: float) -> None:
    """Let changes gather for so long, or until the run is over."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        workflow_id, seen = _counted(service, run_id)
        if service.read(lambda c: runs.status_of(c, run_id)) not in runs.LIVE:
            return
        service.signals.wait(workflow_id, seen, left)


@handles(routes.END)
def end(service: Service, sent: EndRequest, run_id: WorkflowRunId) -> Done:
    """Stop a run."""
    service.write(lambda c, at: runs.end(c, run_id, "S", sent.reason))
    workflow_id, _ = _counted(service, run_id)
    service.signals.tell([workflow_id])
    return Done()
