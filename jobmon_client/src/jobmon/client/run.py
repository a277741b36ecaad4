"""Run a workflow: bind it, begin a run, have it driven, follow it to its end."""

from __future__ import annotations

import getpass
import logging
import os
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobmon.client.distributor import Distributor, check_installed
from jobmon.client.interrupt import ask_user
from jobmon.client.progress import Progress, make_progress
from jobmon.client.result import make_result
from jobmon.client.said import say
from jobmon.client.watch import OVER, Watch
from jobmon.core import __version__, routes, wire
from jobmon.core.constants import WorkflowRunStatus
from jobmon.core.exceptions import JobmonError, ResumeSet, RunTimeout, WorkflowNotResumable
from jobmon.core.settings import run_dir

if TYPE_CHECKING:
    from jobmon.client.workflow import Workflow

log = logging.getLogger(__name__)

TIMEOUT_REASON = "timeout"  # how the server begins the reason of a run that it ended for its time limit
_RESUME_PAUSE_SECONDS = 0.5


@dataclass(frozen=True)
class RunSettings:
    """The parameters of `Workflow.run`, which explains them."""

    fail_fast: bool = False
    seconds_until_timeout: float = 36000
    resume: bool = False
    reset_running_jobs: bool = True
    distributor_startup_timeout: float = 180
    resume_timeout: float = 300
    configure_logging: bool = False
    wait: bool = True


def run(workflow: Workflow, settings: RunSettings) -> str:
    """Run it as `Workflow.run` says."""
    if settings.configure_logging:
        _log_to_stderr()
    if not settings.seconds_until_timeout > 0:
        raise ValueError(f"seconds_until_timeout is {settings.seconds_until_timeout!r}; it must be above 0")
    check_installed()
    workflow.connection.prewarm()
    progress = make_progress(workflow.name)
    log_dir = run_dir(workflow.connection.settings) / "distributors"
    distributor = Distributor(log_dir, settings.distributor_startup_timeout)
    try:
        if workflow.needs_binding:
            own = workflow.is_bound and workflow.last_workflow_run_id is None
            workflow.bind_for(settings.resume or own, progress.bound)
        started = _start(workflow, settings)
        workflow.last_workflow_run_id = started.workflow_run_id
        watch = Watch(workflow, started.workflow_run_id, distributor, progress)
        distributor.drive(started.workflow_run_id)
    except BaseException:
        distributor.release()
        raise
    progress.started(_title(workflow, started))
    if not settings.wait:
        distributor.release()
        return watch.look().status
    return _follow(workflow, watch, started, distributor, progress)


def _start(workflow: Workflow, settings: RunSettings) -> wire.StartRunAnswer:
    """Begin the run; an earlier one is given `resume_timeout` to end."""
    sent = wire.StartRunRequest(
        request_id=uuid.uuid4().hex,
        user=getpass.getuser(),
        host=os.uname().nodename,
        pid=os.getpid(),
        version=__version__,
        fail_fast=settings.fail_fast,
        seconds_until_timeout=settings.seconds_until_timeout,
        resume=settings.resume,
        reset_running_jobs=settings.reset_running_jobs,
    )
    deadline = time.monotonic() + settings.resume_timeout
    while True:
        try:
            return workflow.connection.patient.call(routes.START_RUN, sent, workflow_id=workflow.workflow_id)
        except WorkflowNotResumable as error:
            if time.monotonic() >= deadline:
                raise WorkflowNotResumable(
                    f"{error} (waited resume_timeout={settings.resume_timeout:.0f} s)"
                ) from error
            time.sleep(_RESUME_PAUSE_SECONDS)


def _follow(
    workflow: Workflow,
    watch: Watch,
    started: wire.StartRunAnswer,
    distributor: Distributor,
    progress: Progress,
) -> str:
    try:
        end = _to_the_end(workflow, watch, progress)
    except BaseException as error:
        progress.close(f"Workflow {workflow.workflow_id} is not followed any more: {type(error).__name__}")
        if not isinstance(error, KeyboardInterrupt):
            _stop_after(watch, error)
        distributor.release()
        raise
    if end.status not in OVER:
        progress.close(_detached(workflow))
        distributor.release()
        return end.status
    distributor.finish(0)
    workflow.result = make_result(
        workflow.connection.patient, workflow.workflow_id, end, started.previously_complete
    )
    progress.close(_ending(workflow, end))
    _raise_if_cut_off(workflow, end)
    return end.status


def _to_the_end(workflow: Workflow, watch: Watch, progress: Progress) -> wire.WatchAnswer:
    """Follow the run; the first Ctrl-C asks, the second one stops it, a third one leaves at once."""
    stopping = False
    while True:
        try:
            return watch.follow()
        except KeyboardInterrupt:
            if stopping:
                raise
            progress.pause()
            wish = ask_user()
            if wish == "detach":
                return watch.look()
            if wish == "stop":
                stopping = True
                say("stopping: running tasks are killed; Ctrl-C leaves at once")
                watch.stop("stopped by the user with Ctrl-C")


def _stop_after(watch: Watch, error: BaseException) -> None:
    try:
        watch.stop(f"{type(error).__name__}: {error}"[:1000])
    except JobmonError:
        log.warning("the run could not be stopped", exc_info=True)


def _raise_if_cut_off(workflow: Workflow, end: wire.WatchAnswer) -> None:
    if end.status == WorkflowRunStatus.TERMINATED:
        raise ResumeSet(
            f"workflow {workflow.workflow_id} was resumed elsewhere, so run {end.workflow_run_id} gave way "
            f"({end.reason or 'no reason given'}). See `jobmon workflow status -w {workflow.workflow_id}`."
        )
    if end.status == WorkflowRunStatus.ERROR and end.reason.startswith(TIMEOUT_REASON):
        raise RunTimeout(
            f"workflow {workflow.workflow_id} did not end in time ({end.reason}): {end.counts.done} of "
            f"{end.counts.total} tasks are done, running ones were stopped. Give seconds_until_timeout more and "
            "run(resume=True)."
        )


def _title(workflow: Workflow, started: wire.StartRunAnswer) -> str:
    before = f", {started.previously_complete} done before" if started.previously_complete else ""
    name = f" {workflow.name}" if workflow.name else ""
    return f"Workflow {workflow.workflow_id}{name}: run {started.workflow_run_id}, {started.total} tasks{before}"


def _ending(workflow: Workflow, end: wire.WatchAnswer) -> str:
    words = {letter: word for word, letter in vars(WorkflowRunStatus).items() if isinstance(letter, str)}
    counts = end.counts
    text = (
        f"Workflow {workflow.workflow_id} ended {words.get(end.status, end.status)} "
        f"after {end.elapsed_seconds:.1f} s: {counts.done} of {counts.total} tasks done, {counts.fatal} failed"
    )
    if end.status == WorkflowRunStatus.DONE:
        return text
    look = f" Look at `jobmon workflow tasks -w {workflow.workflow_id} -s FATAL`." if counts.fatal else ""
    return f"{text} ({end.reason or 'no reason given'}).{look} run(resume=True) goes on with it"


def _detached(workflow: Workflow) -> str:
    return (
        f"Detached: workflow {workflow.workflow_id} goes on. "
        f"See `jobmon workflow status -w {workflow.workflow_id}`; "
        "run(resume=True, reset_running_jobs=False) follows it again"
    )


def _log_to_stderr() -> None:
    from jobmon.core.logs import OneLine

    logger = logging.getLogger("jobmon")
    if not any(isinstance(handler.formatter, OneLine) for handler in logger.handlers):
        handler = logging.StreamHandler()
        handler.setFormatter(OneLine())
        logger.addHandler(handler)
    logger.setLevel(logging.INFO)
