"""What Slurm's own error texts, of all releases, mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmon.core.scheduler.refusals import Meaning
from jobmon_slurm.refusals import in_short, meaning

SBATCH = "sbatch: error: Batch job submission failed: "
UNREACHABLE = (
    "squeue: error: slurm_load_jobs error: Unable to contact slurm controller (connect failure)",
    SBATCH + "Unable to contact slurm controller (connect failure)",
    SBATCH + "Slurm backup controller in standby mode",
    SBATCH + "Controller is in standby mode, try a different controller",
    SBATCH + "Communication connection failure",
    "sacct: error: slurm_persist_conn_open_without_init: failed to open persistent connection to "
    "host:localhost:6819: Connection refused\nsacct: error: Sending PersistInit msg: Connection refused",
    "sbatch: fatal: Could not establish a configuration source",
    "sbatch: error: resolve_ctls_from_dns_srv: res_nsearch error: Unknown host\nsbatch: error: fetch_config: DNS "
    "SRV lookup failed",
    "slurm_load_jobs error: No route to host",
)
UNCLEAR = (
    SBATCH + "Socket timed out on send/recv operation",
    SBATCH + "Zero Bytes were transmitted or received",
    SBATCH + "Message receive failure",
    SBATCH + "Message send failure",
    SBATCH + "Unable to contact slurm controller (receive failure)",
    SBATCH + "Unable to contact slurm controller (send failure)",
    SBATCH + "Unable to contact slurm controller (shutdown failure)",
    SBATCH + "Unexpected message received",
    SBATCH + "Transport endpoint is not connected",
    SBATCH + "Protocol authentication error",
    SBATCH + "Invalid authentication credential",
    "sbatch: error: slurm_receive_msg: Connection reset by peer",
)
LIMIT = (
    "sbatch: error: AssocMaxSubmitJobLimit\n" + SBATCH + "Job violates accounting/QOS policy (job submit limit, "
    "user's size and/or time limits)",
    "sbatch: error: QOSMaxSubmitJobPerUserLimit\n"
    + SBATCH
    + "Job violates accounting/QOS policy (job submit limit, "
    "user's size and/or time limits)",
    "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying",
    SBATCH + "Resource temporarily unavailable",
)
LATER = (
    SBATCH + "Rate limit exceeded, please retry momentarily",
    "slurm_load_jobs error: Rate limit exceeded, please retry momentarily",
    SBATCH + "Required partition not available (inactive or drain)",
    SBATCH + "Required node not available (down, drained or reserved)",
    SBATCH + "Partition in DOWN state",
    SBATCH + "Requested operation is presently disabled",
    SBATCH + "System submissions disabled",
    SBATCH + "Unable to create job record, try again",
    SBATCH + "I/O error writing script/environment to file",
    SBATCH + "Job can not start due to maintenance reservation.",
    SBATCH + "Requested reservation not usable now",
    SBATCH + "Requested nodes are busy",
    SBATCH + "Licenses currently unavailable",
)
FATAL = (
    "sbatch: error: invalid partition specified: nowhere\n" + SBATCH + "Invalid partition name specified",
    SBATCH + "Invalid account or account/partition combination specified",
    SBATCH + "Invalid qos specification",
    SBATCH + "Invalid feature specification",
    SBATCH + "Invalid generic resource (gres) specification",
    SBATCH + "Invalid license specification",
    SBATCH + "Invalid node name specified",
    SBATCH + "Invalid wckey specification",
    SBATCH + "Requested node configuration is not available",
    SBATCH + "Requested partition configuration not available now",
    SBATCH + "Requested reservation is invalid",
    SBATCH + "Access denied to requested reservation",
    SBATCH + "Requested time limit is invalid (missing or exceeds some limit)",
    SBATCH + "Time limit specification required, but not provided",
    SBATCH + "No partition specified or system default partition",
    SBATCH + "User's group not permitted to use this partition",
    SBATCH + "Access/permission denied",
    SBATCH + "More processors requested than permitted",
    SBATCH + "Node count specification invalid",
    SBATCH + "CPU count specification invalid",
    SBATCH + "Task count specification invalid",
    SBATCH + "Memory required by task is not available",
    SBATCH + "Unspecified error",
    SBATCH + "Incompatible versions of client and server code",
    SBATCH + "Pathname of a file, directory or other parameter too long",
    "sbatch: error: Memory specification can not be satisfied\n" + SBATCH + "Requested node configuration is not "
    "available",
    "sbatch: error: CPU count per node can not be satisfied",
    "sbatch: error: QOSMaxWallDurationPerJobLimit\n"
    + SBATCH
    + "Job violates accounting/QOS policy (job submit limit, "
    "user's size and/or time limits)",
    "sbatch: error: AssocMaxCpuPerJobLimit\n"
    + SBATCH
    + "Job violates accounting/QOS policy (job submit limit, user's "
    "size and/or time limits)",
    "sbatch: unrecognized option '--exclusiv'",
    "sbatch: error: Invalid --nodes specification",
)
UNKNOWN = ("", "sbatch: error: computer says no", SBATCH + "Slurm internal error, contact system administrator")


@pytest.mark.promise("F52 F53 F54 F56")
@pytest.mark.parametrize(
    ("expected", "text"),
    [
        *((Meaning.UNREACHABLE, text) for text in UNREACHABLE),
        *((Meaning.UNCLEAR, text) for text in UNCLEAR),
        *((Meaning.LIMIT, text) for text in LIMIT),
        *((Meaning.LATER, text) for text in LATER),
        *((Meaning.FATAL, text) for text in FATAL),
        *((Meaning.UNKNOWN, text) for text in UNKNOWN),
        (Meaning.TOO_LARGE, SBATCH + "Invalid job array specification"),
    ],
)
def test_each_text_has_its_meaning_also_when_it_was_made_one_line(expected, text):
    assert meaning(text) == expected
    assert meaning(in_short(text)) == expected


@given(st.text())
def test_no_text_is_an_error_and_its_short_form_is_one_line(text):
    meaning(text)

    assert len(in_short(text).splitlines()) == 1


def test_the_short_form_says_everything_once_without_the_program():
    text = "sbatch: error: AssocMaxSubmitJobLimit\n\nsbatch: error: Batch job submission failed: no\nno\nno"

    assert in_short(text) == "AssocMaxSubmitJobLimit; Batch job submission failed: no; no"
