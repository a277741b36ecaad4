"""Lies and faults of commands: what one does to a call, how often, to which calls.

slurm.fault("sbatch", faults.timed_out(taken=True))             the next one
slurm.fault("squeue", faults.controller_down(), times=None)     every one, until `.lift()`
slurm.fault("scancel", faults.lost(), after=2, times=3)         the third to the fifth from now
slurm.fault("*", faults.hangs(), when=lambda call: "x" in call.argv)
"""

from fakes.scheduler.call import Call
from fakes.scheduler.faults import (
    Armed,
    Fault,
    cut_short,
    duplicated,
    hangs,
    lost,
    mangled,
    perform_or_refuse,
    refused,
    reordered,
    slow,
    warned,
)
from fakes.slurm import sbatch

__all__ = [
    "Armed",
    "Fault",
    "cut_short",
    "duplicated",
    "hangs",
    "lost",
    "mangled",
    "perform_or_refuse",
    "refused",
    "reordered",
    "slow",
    "warned",
]

TIMED_OUT = "Socket timed out on send/recv operation"
NO_CONTROLLER = "Unable to contact slurm controller (connect failure)"
RATE_LIMIT = "Rate limit exceeded, please retry momentarily"
NO_ACCOUNTING = (
    "sacct: error: slurm_persist_conn_open_without_init: "
    "failed to open persistent connection to host:localhost:6819: Connection refused\n"
    "sacct: error: Sending PersistInit msg: Connection refused\n"
    "sacct: error: Problem talking to the database: Connection refused"
)
COMMANDS = {"sbatch", "squeue", "scancel", "scontrol", "sinfo", "sdiag"}  # those that ask the controller


def words(call: Call, reason: str) -> str:
    """An error of the controller as this command prints it."""
    if call.command == "scontrol" and "config" in call.argv:
        return f"slurm_load_ctl_conf error: {reason}\n"
    if call.command == "scontrol" and "node" in call.argv:
        return f"slurm_load_node error: {reason}\n"
    heads = {
        "sbatch": sbatch.FAILED, "sinfo": "slurm_load_partitions: ", "sdiag": "slurm_get_statistics: ",
        "scancel": "scancel: error: slurm_load_jobs error: ",
    }  # fmt: skip
    return f"{heads.get(call.command, 'slurm_load_jobs error: ')}{reason}\n"


def timed_out(taken: bool = False, late: float | None = None, delay: float = 0) -> Fault:
    """No answer in time from a controller that took the request, will take it (it was frozen), or never."""
    return Fault(stderr=lambda call: words(call, TIMED_OUT), taken=taken, late=late, delay=delay)


def controller_down(delay: float = 0) -> Fault:
    """A real one answers so after nine seconds."""
    return Fault(
        stderr=lambda call: words(call, NO_CONTROLLER),
        rc=lambda call: 8 if call.command == "scancel" else 1,
        delay=delay,
    )


def accounting_down() -> Fault:
    """slurmdbd is away."""
    return Fault(stderr=NO_ACCOUNTING + "\n")


def temporarily_unable() -> Fault:
    """The controller is full, or busy: sbatch tries for ever."""
    return hangs(stderr=sbatch.BUSY + "\n")


def rejected(reason: str) -> Fault:
    """`sbatch: error: Batch job submission failed: <reason>`."""
    return refused(sbatch.FAILED + reason)


def over_limit(name: str = "QOSMaxSubmitJobPerUserLimit") -> Fault:
    """A policy's limit, by the name that Slurm gives it."""
    return refused(f"sbatch: error: {name}\n{sbatch.FAILED}{sbatch.POLICY}")


def rate_limited(refuses: bool = False, delay: float = 0) -> Fault:
    """rl_enable: the client sleeps a second and tries again (verbose ones say so), or gives up."""
    if refuses:
        return Fault(stderr=lambda call: words(call, RATE_LIMIT), delay=delay)
    text = "RPC rate limited 1 time(s). Sleeping then trying again."
    return Fault(stderr=lambda call: f"{call.command}: {text}\n", replaces=False, delay=delay)
