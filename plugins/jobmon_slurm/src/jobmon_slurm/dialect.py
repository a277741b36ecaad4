"""Slurm's own words for what all schedulers have."""

from jobmon.core.scheduler.dialect import Dialect, Place
from jobmon.core.scheduler.shapes import Record
from jobmon_slurm.refusals import meaning
from jobmon_slurm.states import STATES

NO_LOG = 53  # slurmd's signal number for: the folder or the log could not be opened
LOG_HINT = "Slurm could not open its log or folder there: is the file system of {folder} mounted on that node?"


def hint(record: Record, place: Place) -> str:
    """Why slurmd itself could not start a job."""
    return LOG_HINT.format(folder=place.folder) if record.signal == NO_LOG else ""


SLURM = Dialect(
    name="Slurm",
    cancel="scancel",
    lookups=("squeue", "sacct"),
    states=STATES,
    meaning=meaning,
    script='#!/bin/sh\nexec "$@" --node="$SLURMD_NODENAME"\n',
    index_words=("--index-env=SLURM_ARRAY_TASK_ID", "--job-env=SLURM_JOB_ID"),
    log_pattern="%a.log",
    log_escape="%",
    hint=hint,
    shares_records=True,
    is_tight=lambda options: "signal" in options,
)
