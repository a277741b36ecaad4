"""Grid Engine's own words for what all schedulers have."""

from jobmon.core.scheduler.dialect import Dialect, Place
from jobmon.core.scheduler.shapes import Record
from jobmon_drmaa.refusals import meaning
from jobmon_drmaa.states import NOT_STARTED, STATES

# Exit codes 99 (run again, for ever) and 100 (into the error state) are orders to Grid Engine: none is passed on.
# The script stays: a worker that is killed is then told from a job that is. It waits for its worker whatever
# signal Grid Engine sends to both as a warning.
SCRIPT = """\
#!/bin/sh
trap : HUP INT TERM USR1 USR2 XCPU
"$@" --node="$HOSTNAME"
code=$?
case $code in
99 | 100)
    echo "jobmon: exit code $code is told to Grid Engine as 1" >&2
    exit 1
    ;;
esac
exit "$code"
"""
FOLDER_HINT = "{detail}: is the file system of {folder} mounted on that node?"


def hint(record: Record, place: Place) -> str:
    """Why the execution daemon itself could not start a job."""
    if record.state != NOT_STARTED:
        return ""
    return FOLDER_HINT.format(detail=record.detail or "Grid Engine could not start it", folder=place.folder)


GRID_ENGINE = Dialect(
    name="Grid Engine",
    cancel="qdel",
    lookups=("qstat", "qacct"),
    states=STATES,
    meaning=meaning,
    script=SCRIPT,
    index_words=("--index-env=SGE_TASK_ID", "--index-offset=-1", "--job-env=JOB_ID"),
    log_pattern="$TASK_ID.log",
    first_index=1,
    hint=hint,
    is_tight=lambda options: "s_rt=" in options.get("l", ""),
)
