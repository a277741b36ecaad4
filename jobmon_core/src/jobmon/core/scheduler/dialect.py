"""What one scheduler says and is told in words of its own: all that tells clusters of two schedulers apart."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from jobmon.core.scheduler.refusals import Meaning
from jobmon.core.scheduler.shapes import Record
from jobmon.core.scheduler.states import States


class Place(NamedTuple):
    """What hints name."""

    folder: str
    python: str


def no_hint(record: Record, place: Place) -> str:
    """None."""
    return ""


@dataclass(frozen=True)
class Dialect:
    """The words and tables of one scheduler.

    name          for people
    cancel        what users end jobs with
    lookups       whom users ask for jobs, in the queue and in accounting
    states        what its states mean
    meaning       what follows from the words of a refusal
    script        each task is this script, called with the worker's command line ...
    index_words   ... which has these words too, by which a worker finds its place in the array, and its own job
    log_pattern   the file of a task in the folder of its array; in the folder's name `log_escape` is doubled
    first_index   what the scheduler calls the first task of an array, in that file's name too
    hint          why a job ended before its command began, where the scheduler's record tells
    shares_records  whether tasks that never started have one record, found by the id of their array alone
    is_tight     whether a job with these options gets no more time than an attempt in it may take
    """

    name: str
    cancel: str
    lookups: tuple[str, str]
    states: States
    meaning: Callable[[str], Meaning]
    script: str
    index_words: tuple[str, ...]
    log_pattern: str
    log_escape: str = ""
    first_index: int = 0
    hint: Callable[[Record, Place], str] = no_hint
    shares_records: bool = False
    is_tight: Callable[[Mapping[str, str]], bool] = lambda options: False

    def log_path(self, folder: Path) -> str:
        """The pattern of the logs in a folder."""
        path = str(folder)
        if self.log_escape:
            path = path.replace(self.log_escape, 2 * self.log_escape)
        return f"{path}/{self.log_pattern}"
