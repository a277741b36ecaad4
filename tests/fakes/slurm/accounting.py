"""What the accounting database has of a job: what the controller knew some time ago."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from fakes.slurm import indices, states
from fakes.slurm.controller import Controller
from fakes.slurm.records import Job, Part


@dataclass(slots=True)
class Entry:
    """A record as it was at a time."""

    part: Part
    reference: str
    state: str
    started: float
    ended: float

    @property
    def job(self) -> Job:
        return self.part.job


def entries(slurm: Controller, job: Job, every_run: bool) -> Iterator[Entry]:
    """All of a job; every run: with those before a requeue."""
    now = slurm.clock.now()
    at = now - slurm.settings.accounting_lag
    oldest = now - slurm.settings.accounting_keeps
    if every_run:
        yield from (_entry(part, at, part.reference) for part in job.past if part.ended <= at)
    late = [part for part in job.parts.values() if part.split > at and not part.restarts]
    rest = job.rest
    if job.is_array and rest and rest.submitted <= at and (rest.index is None or rest.split > at):
        waiting = sorted(
            {*(index for index in job.remaining), *(part.index for part in late if part.index is not None)}
        )
        throttle = f"%{job.throttle}" if job.throttle else ""
        yield _entry(rest, at, f"{job.job_id}_[{indices.write(waiting)}{throttle}]")
    for part in job.parts.values():
        if part not in late and part.submitted <= at and not 0 < part.ended < oldest:
            yield _entry(part, at, part.reference)


def _entry(part: Part, at: float, reference: str) -> Entry:
    started = part.started if part.started <= at else 0
    if part.ended and part.ended <= at:
        return Entry(part, reference, part.state, started, part.ended)
    if started:
        return Entry(part, reference, states.RUNNING if part.over else part.state, started, 0)
    return Entry(part, reference, states.PENDING, 0, 0)


def find(
    slurm: Controller, wanted: dict[int, set[int] | None], names: Collection[str], every_run: bool
) -> Iterator[Entry]:
    """By job id, with the tasks meant or None. Of two jobs with one id the younger unless every run counts."""
    for job_id, tasks in wanted.items():
        jobs = slurm.register.ledger.get(job_id) or _of_raw_id(slurm, job_id)
        for job in jobs if every_run else jobs[-1:]:
            if names and job.name not in names:
                continue
            for entry in entries(slurm, job, every_run):
                if tasks is None or _is_among(entry, tasks, slurm.settings.accounting_finds_pending):
                    yield entry


def _is_among(entry: Entry, tasks: set[int], finds_pending: bool) -> bool:
    if "[" in entry.reference:
        return finds_pending and any(index in entry.job.remaining for index in tasks)
    return entry.part.index in tasks


def _of_raw_id(slurm: Controller, raw_id: int) -> list[Job]:
    found = (part for jobs in slurm.register.ledger.values() for job in jobs for part in job.parts.values())
    return [part.job for part in found if part.raw_id == raw_id][:1]
