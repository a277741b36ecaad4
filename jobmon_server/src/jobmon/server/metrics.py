"""What this server counts, and what it tells Prometheus.

Counters are of what passed through, so they cost nothing to scrape. Where several processes serve one site they
count together in files of one folder (`share`), because a scrape reaches any one of them.
"""

import os
import shutil
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, values
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from jobmon.core.wire import AdvanceRequest, WorkAnswer, WorkRequest
from jobmon.server.db import Database
from jobmon.server.db_errors import is_away, is_broken, is_conflict, is_full, is_slow
from jobmon.server.store.gauges import Gauges, gauges
from jobmon.server.store.roles import Holding

__all__ = ["CONTENT_TYPE", "SHARED", "Metrics", "forget", "share"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SHARED = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client's own name for it
STEP_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_REPORTED = {"D", "E", "Z", "U", "X", "F", "T"}  # letters of an end; whatever else came was refused


class Metrics:
    """The counters of one server process; `database` is asked for the rest when somebody looks."""

    def __init__(self, database: Database) -> None:
        """All at zero."""
        self._registry = CollectorRegistry()
        count = self._counter
        self._requests = count("jobmon_requests", "Requests by route and status", "method", "route", "status")
        self._reports = count("jobmon_reports", "Ends of attempts as told, by who told it", "teller", "status")
        self._late = count("jobmon_reports_late", "Reports of workers that came behind the attempt's end")
        self._spool = count("jobmon_spool_imports", "Outcomes that came by way of the shared disk")
        self._submissions = count("jobmon_submissions", "Batches that clusters answered for", "answer")
        self._failures = count(
            "jobmon_database_failures", "Failed statements: conflict and away are retried", "kind"
        )
        self._steps = Histogram(
            "jobmon_advance_seconds", "One step of one run", buckets=STEP_SECONDS, registry=self._registry
        )
        self._stored = CollectorRegistry()
        self._stored.register(_Stored(database))
        sa.event.listen(database.engine, "handle_error", self._failed)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, f"{text}.", labels, registry=self._registry)

    def answered(self, method: str, route: str, status: int) -> None:
        """A request was answered."""
        self._requests.labels(method, route, status).inc()

    def worked(self, sent: WorkRequest, answer: WorkAnswer) -> None:
        """A runner's report was taken."""
        for outcome in sent.outcomes:
            self._reports.labels("worker", outcome.status).inc()
        self._late.inc(answer.late)
        if sent.spooled:
            self._spool.inc(len(sent.outcomes))

    def advanced(self, sent: AdvanceRequest, seconds: float) -> None:
        """A step was taken, with what the distributor told."""
        self._steps.observe(seconds)
        self._submissions.labels("taken").inc(len(sent.launched))
        self._submissions.labels("refused").inc(len(sent.refused))
        for one in sent.observed:
            if one.state in ("over", "gone"):
                status = one.status or "X"
                self._reports.labels("cluster", status if status in _REPORTED else "other").inc()

    def _failed(self, context: sa.engine.ExceptionContext) -> None:
        self._failures.labels(_kind(context)).inc()

    def text(self) -> str:
        """All of it as Prometheus reads it."""
        counted = self._registry
        if folder := os.environ.get(SHARED):
            counted = CollectorRegistry()
            MultiProcessCollector(counted, path=folder)  # type: ignore[no-untyped-call]  # it has no types
        return (generate_latest(counted) + generate_latest(self._stored)).decode()


class _Stored(Collector):
    """What the database knows at this moment."""

    def __init__(self, database: Database) -> None:
        """Nothing is asked before somebody looks."""
        self._database = database

    def collect(self) -> list[GaugeMetricFamily]:
        found: Gauges = self._database.read(gauges)
        tasks = _gauge("jobmon_tasks", "Tasks of workflows that have a live run", "status", found.tasks)
        runs = _gauge(
            "jobmon_runs", "Live runs by whether their distributor was heard of", "distributor", found.runs
        )
        held = GaugeMetricFamily("jobmon_runs_held_up", "Live runs whose cluster makes them wait.", found.held_up)
        unknown = GaugeMetricFamily(
            "jobmon_unknown_submits", "Batches that another distributor may have submitted.", found.unknown_submits
        )
        return [tasks, runs, held, unknown, *_roles(found.roles)]


def _roles(found: list[Holding]) -> list[GaugeMetricFamily]:
    holder = GaugeMetricFamily(
        "jobmon_role_holder",
        "Background roles: 1 while the lease of their holder lasts.",
        labels=["role", "holder"],
    )
    epoch = GaugeMetricFamily(
        "jobmon_role_epoch", "Background roles: how often they changed hands.", labels=["role"]
    )
    for one in found:
        holder.add_metric([one.name, one.holder], int(one.seconds_left > 0))
        epoch.add_metric([one.name], one.epoch)
    return [holder, epoch]


def _gauge(name: str, text: str, label: str, values: dict[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, f"{text}.", labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family


def _kind(context: Any) -> str:
    error = context.original_exception
    named = context.sqlalchemy_exception
    if isinstance(named, sa.exc.DBAPIError) and (context.is_disconnect or is_away(named)):
        return "away"
    for kind, check in (("conflict", is_conflict), ("full", is_full), ("broken", is_broken), ("slow", is_slow)):
        if check(error):
            return kind
    return "other"


def share(folder: Path) -> None:
    """Let all processes that this one starts count together, from zero. Call it before anything is counted."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    os.environ[SHARED] = str(folder)
    values.ValueClass = values.MultiProcessValue()  # type: ignore[no-untyped-call]  # it has no types


def forget(pid: int) -> None:
    """A process that shared has ended."""
    if folder := os.environ.get(SHARED):
        mark_process_dead(pid, folder)  # type: ignore[no-untyped-call]  # it has no types
