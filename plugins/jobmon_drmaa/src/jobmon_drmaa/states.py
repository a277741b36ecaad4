"""What Grid Engine says of a job, and what that means to us: letters in the queue, codes in accounting.

Letters as in qstat(1) and sge_status(5). They come in different orders (`hRwq`, `hRqw`), so that a state is put
into one order before it is looked up. What a record of accounting says is a state of ours, made from its code
`failed` and its exit status: 100 is all that Grid Engine says of a job that a signal has ended, whoever sent it.
"""

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

from jobmon.core.cluster import JobState
from jobmon.core.scheduler.states import Fate, States

_ORDER = "dEhRqwtrsSTzx"

EXITED = "exited"
TIME = "out of time"
MEMORY = "out of memory"
KILLED = "killed by SIGKILL"
SIGNALLED = "killed by a signal"
DELETED = "deleted before it ran"
NOT_STARTED = "not started"
BROKEN = "broken off"
AGAIN = "to be run again"


class Failure(NamedTuple):
    """What a code `failed` means."""

    state: str
    words: str


# sge_status(5) of 8.1.9. TIME stands for h_rt, h_cpu and h_vmem, SIGNALLED for KILLED: the record tells more.
FAILURES: dict[int, Failure] = {
    0: Failure(EXITED, ""),
    1: Failure(NOT_STARTED, "failed early in its execution daemon"),
    3: Failure(NOT_STARTED, "its execution daemon could not make its spool directory"),
    4: Failure(NOT_STARTED, "its shepherd could not note its pid: a full or failing spool directory?"),
    5: Failure(NOT_STARTED, "its shepherd could not read its configuration"),
    6: Failure(NOT_STARTED, "its processor set could not be made"),
    7: Failure(NOT_STARTED, "failed before the prolog of its queue"),
    8: Failure(NOT_STARTED, "the prolog of its queue failed"),
    9: Failure(NOT_STARTED, "failed before the start of its parallel environment"),
    10: Failure(NOT_STARTED, "its parallel environment did not start"),
    11: Failure(NOT_STARTED, "its shepherd failed before it"),
    12: Failure(EXITED, "ran, but failed before its parallel environment was ended"),
    13: Failure(EXITED, "ran, but its parallel environment could not be ended"),
    14: Failure(EXITED, "ran, but failed before the epilog of its queue"),
    15: Failure(EXITED, "ran, but the epilog of its queue failed"),
    16: Failure(EXITED, "ran, but its processor set could not be released"),
    17: Failure(SIGNALLED, "was killed by a signal"),
    18: Failure(BROKEN, "its shepherd died"),
    19: Failure(BROKEN, "its shepherd died, or its node crashed"),
    20: Failure(BROKEN, "its shepherd failed"),
    21: Failure(BROKEN, "its execution daemon did not know it any more"),
    22: Failure(BROKEN, "its checkpointing failed"),
    23: Failure(BROKEN, "its migration failed"),
    24: Failure(AGAIN, "is migrated"),
    25: Failure(AGAIN, "is put back into the queue"),
    26: Failure(NOT_STARTED, "its log could not be opened"),
    27: Failure(NOT_STARTED, "its shell or its script was not found"),
    28: Failure(NOT_STARTED, "its working directory could not be entered"),
    29: Failure(NOT_STARTED, "AFS could not be set up"),
    30: Failure(EXITED, "ran, and ended with exit code 100"),
    31: Failure(NOT_STARTED, "the file sgepasswd could not be read"),
    32: Failure(NOT_STARTED, "its user is not in the file sgepasswd"),
    33: Failure(NOT_STARTED, "its user's password is wrong"),
    34: Failure(NOT_STARTED, "Grid Engine's helper service did not answer"),
    35: Failure(NOT_STARTED, "Grid Engine's helper service failed"),
    36: Failure(NOT_STARTED, "a daemon for remote starts is missing"),
    37: Failure(TIME, "was killed at one of its limits: h_rt, h_cpu, or the memory"),
    38: Failure(NOT_STARTED, "there is no group id left for it (gid_range)"),
    100: Failure(SIGNALLED, "was killed by a signal"),
}


def in_order(letters: str) -> str:
    """The letters of a state, each once, in the order of the table; those that are not in it at the end."""
    known = [letter for letter in _ORDER if letter in letters]
    return "".join([*known, *sorted(set(letters) - set(_ORDER))])


def _words(*letters: str) -> Iterator[str]:
    """Every way to take one word of each set; "-" is none."""
    return (in_order("".join(words).replace("-", "")) for words in product(*(one.split() for one in letters)))


_SUSPENDED = ("- s", "- S", "- T")
_PENDING = ("- d", "- h", "- R", "q qw w")
ALIVE: dict[str, JobState] = {
    **dict.fromkeys(_words(*_PENDING), JobState.PENDING),
    **dict.fromkeys(_words("- d", "- h", "- R", "t r tr", *_SUSPENDED), JobState.RUNNING),
    **dict.fromkeys(_words("- d", "- h", "- R", "s S T sS sT ST sST"), JobState.RUNNING),
}
IN_ERROR = frozenset(_words("- d", "E", "- h", "- R", "q qw w"))
OVER: dict[str, Fate] = {
    **dict.fromkeys(_words("- d", "- R", "z x zx"), Fate.EXITED),
    **dict.fromkeys(IN_ERROR, Fate.LOST),
    EXITED: Fate.EXITED,
    NOT_STARTED: Fate.EXITED,
    SIGNALLED: Fate.EXITED,
    TIME: Fate.TIME_LIMIT,
    MEMORY: Fate.OUT_OF_MEMORY,
    KILLED: Fate.CANCELLED,
    DELETED: Fate.CANCELLED,
    BROKEN: Fate.LOST,
}

# Why a job waits that can never start as it was asked for: an end of a sentence of `qstat -j`.
IMPOSSIBLE: dict[str, str] = {}

STATES = States(
    alive=ALIVE,
    over=OVER,
    impossible=IMPOSSIBLE,
    usual=frozenset(("",)),
    lingering=frozenset(state for state in IN_ERROR if not state.startswith("d")),
)
