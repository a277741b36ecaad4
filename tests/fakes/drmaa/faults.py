"""Lies and faults of the commands and of DRMAA's verbs.

sge.fault("runBulkJobs", faults.timed_out(taken=True))     the next submission
sge.fault("qstat", faults.hangs(), times=None)             every one, until `.lift()`
sge.qmaster_down()                                         everything but qacct, which reads a file
"""

from fakes.drmaa.verbs import VERBS
from fakes.scheduler.call import Call
from fakes.scheduler.faults import (
    Armed,
    Fault,
    cut_short,
    duplicated,
    hangs,
    lost,
    mangled,
    refused,
    slow,
    warned,
)

__all__ = [
    "Armed",
    "Fault",
    "cut_short",
    "denied",
    "duplicated",
    "hangs",
    "lost",
    "mangled",
    "qmaster_down",
    "refused",
    "slow",
    "timed_out",
    "warned",
]

COMMUNICATION, DENIED = 2, 17
AWAY = 'unable to send message to qmaster using port 6444 on host "localhost": got send error'
REFUSED = "error: commlib error: got select error (Connection refused)"
SILENT = "failed receiving gdi request response for mid=1 (got syncron message receive timeout error)."


def _words(call: Call) -> str:
    """What goes to stderr; qdel says the rest on stdout, `qstat -j` says it twice."""
    if call.command in VERBS:
        return AWAY
    match call.command, "-j" in call.argv:
        case "qdel", _:
            said = ""
        case "qstat", False:
            said = f"error: {AWAY}\n"
        case "qstat", True:
            said = f"{AWAY}\n" * 2
        case _:
            said = f"{AWAY}\n"
    return f"{REFUSED}\n{said}"


def qmaster_down() -> Fault:
    """Nobody listens at its port."""
    return Fault(
        stdout=lambda call: f"{AWAY}\n" if call.command == "qdel" else "",
        stderr=_words,
        rc=lambda call: COMMUNICATION if call.command in VERBS else 1,
    )


def timed_out(taken: bool = False, late: float | None = None, delay: float = 0) -> Fault:
    """No answer in time from a qmaster that took the request, will take it, or never."""
    return Fault(
        stderr=lambda call: SILENT if call.command in VERBS else f"error: {SILENT}\n",
        rc=lambda call: COMMUNICATION if call.command in VERBS else 1,
        taken=taken,
        late=late,
        delay=delay,
    )


def denied(reason: str) -> Fault:
    """A submission that is refused with these words."""
    return Fault(stderr=reason, rc=DENIED)
