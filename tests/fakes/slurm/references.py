"""Jobs as a command line names them: 14, 14_3, 14_[1-5,7], 14.batch."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from fakes.slurm import indices
from fakes.slurm.controller import Controller
from fakes.slurm.records import Job, Part


@dataclass(frozen=True)
class Reference:
    """A job, with the tasks of it that are meant (None: all)."""

    job_id: int
    tasks: Sequence[int] | None = None

    def records(self, slurm: Controller) -> Iterator[Part]:
        """The controller's records of it."""
        job = slurm.register.jobs.get(self.job_id)
        if job is None:
            yield from (part for part in slurm.register.records() if part.raw_id == self.job_id)
        elif self.tasks is None:
            yield from job.records()
        else:
            parts = (job.part(index) for index in self.tasks)
            yield from dict.fromkeys(part for part in parts if part)

    def targets(self, slurm: Controller) -> Iterator[tuple[Job, int | None]]:
        """(job, task or None for all of it)."""
        job = slurm.register.jobs.get(self.job_id)
        if job is None:
            yield from ((part.job, part.index) for part in self.records(slurm))
        elif self.tasks is None:
            yield job, None
        else:
            yield from ((job, index) for index in self.tasks)


def read(words: Iterable[str]) -> list[Reference]:
    """ValueError for a word that names no job."""
    return [_one(word) for word in words]


def _one(word: str) -> Reference:
    found = re.fullmatch(r"(\d+)(?:_(?:(\d+)|\[([\d,:-]+)\]|\*))?(?:\.\w+)?", word)
    if not found:
        raise ValueError(word)
    job_id = int(found[1])
    if found[2]:
        return Reference(job_id, [int(found[2])])
    return Reference(job_id, indices.parse(found[3])[0] if found[3] else None)


def split(text: str) -> list[str]:
    """At the commas that are not in brackets."""
    return [word for word in re.split(r",(?![^\[]*\])", text) if word]
