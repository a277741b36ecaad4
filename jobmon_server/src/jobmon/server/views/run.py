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
from jobmon.server.engine.advance import CHECK_SECONDS, Step, advance
from jobmon.server.serve import handles
from jobmon.server.service import Service
from jobmon.server.store import progress, runs

MANY = 100  # attempts: their ends come so thick that a step for each would be the larger part of the work
GATHER_SECONDS = 0.03


@handles(routes.START_RUN)
def start(service: Service, sent: StartRunRequest, workflow_id: WorkflowId) -> StartRunAnswer:
    """Begin a run."""
    sent = msgspec.structs.replace(sent, user=service.caller.named(sent.user))
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
    with service.signals.poll(sent.wait_seconds) as deadline:
        return _steps(service, sent, run_id, deadline)


def _steps(service: Service, sent: AdvanceRequest, run_id: WorkflowRunId, deadline: float) -> AdvanceAnswer:
    again = time.monotonic() + CHECK_SECONDS
    workflow_id, seen = _counted(service, run_id)
    step = _step(service, sent, run_id)
    heard = msgspec.structs.replace(sent, launched=[], refused=[], observed=[], spare_mark=0)
    while not step.urgent:
        until = min(deadline, again) if step.answer.cancel or step.answer.suspects else deadline
        left = until - time.monotonic()
        if left <= 0 or service.signals.over:
            break
        service.signals.wait(workflow_id, seen, min(left, step.wake_in_seconds))
        if step.answer.active >= MANY:
            time.sleep(GATHER_SECONDS)
        seen = service.signals.count(workflow_id)
        step = _step(service, heard, run_id)
    if step.answer.status not in "BIOR":
        service.signals.tell([workflow_id])
    return step.answer


def _step(service: Service, sent: AdvanceRequest, run_id: WorkflowRunId) -> Step:
    began = time.perf_counter()
    step = service.write(lambda c, at: advance(c, run_id, sent, at, service.rules.heartbeat_seconds))
    service.metrics.advanced(sent, time.perf_counter() - began)
    return step


def _counted(service: Service, run_id: WorkflowRunId) -> tuple[int, int]:
    workflow_id = service.read(lambda c: runs.workflow_of(c, run_id))
    return workflow_id, service.signals.count(workflow_id)


@handles(routes.WATCH)
def watch(service: Service, sent: WatchRequest, run_id: WorkflowRunId) -> WatchAnswer:
    """Wait until the run looks different from what the caller saw last."""
    with service.signals.poll(sent.wait_seconds) as deadline:
        _rest(service, run_id, min(deadline, time.monotonic() + sent.rest_seconds))
        return _changed(service, sent, run_id, deadline)


def _changed(service: Service, sent: WatchRequest, run_id: WorkflowRunId, deadline: float) -> WatchAnswer:
    while True:
        workflow_id, seen = _counted(service, run_id)
        answer = service.read(lambda c: progress.watch(c, run_id, sent))
        left = deadline - time.monotonic()
        if answer.version != sent.version or left <= 0 or service.signals.over:
            return answer
        service.signals.wait(workflow_id, seen, left)


def _rest(service: Service, run_id: WorkflowRunId, until: float) -> None:
    """Let changes gather for so long, or until the run is over."""
    while (left := until - time.monotonic()) > 0 and not service.signals.over:
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
