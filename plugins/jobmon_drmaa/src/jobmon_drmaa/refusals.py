"""What Grid Engine's words on a failed request mean: a table, and one function that reads it."""

import re

from jobmon.core.scheduler.refusals import Meaning

# The first row that is found in the text counts. Texts as in the message files of 6.2 to 8.1.
_TABLE: tuple[tuple[Meaning, str], ...] = (
    (Meaning.UNCLEAR, r"failed receiving gdi (request|response)|[Rr]eceive timeout|can.t receive message"),
    (Meaning.UNCLEAR, r"Error reading answer list|answer from qmaster|GDI mismatch|error unpacking gdi"),
    (Meaning.UNCLEAR, r"got (read|receive) (error|timeout)|endpoint is not unique|endpint not unique"),
    (Meaning.UNREACHABLE, r"unable to (send message to|contact) qmaster|[Cc]onnection refused|got send error"),
    (Meaning.UNREACHABLE, r"can.t connect to (service|sge_qmaster)|can.t resolve (host|hostname)"),
    (Meaning.UNREACHABLE, r"get(ting)? configuration|(cell|SGE_ROOT) directory .* doesn.t exist"),
    (Meaning.UNREACHABLE, r"Please set the environment variable SGE_ROOT|act_qmaster|local host name error"),
    (Meaning.UNREACHABLE, r"Network is unreachable|No route to host|no communication|commlib error"),
    (Meaning.TOO_LARGE, r"submit a job with more than \d+ tasks"),
    (Meaning.LATER, r"only \d+ jobs are allowed per (user|cluster)"),  # an array is one: a smaller one is no help
    (Meaning.LATER, r"[Tt]ry (again )?later|already an active|JSV has to be restarted|temporarily|shutting down"),
    (Meaning.LATER, r"(couldn|can)'t be written|No space left|Cannot allocate memory|Too many open files"),
    (Meaning.FATAL, r"no suitable queues|there is no parallel environment|has no parallel environment"),
    (Meaning.FATAL, r"[Uu]nknown (resource|queue|option|attribute)|[Ii]nvalid option|is not a \w+ value"),
    (Meaning.FATAL, r"job rejected|[Rr]ejected|[Dd]enied|not allowed|permission"),
    (Meaning.FATAL, r"must have argument|does not exist|must be greater than|no valid|is not valid|[Ii]nvalid"),
    (Meaning.FATAL, r"can.t resolve user|authentication failed|credential|old(er)? GDI version|newer GDI version"),
)
_PREFIX = re.compile(r"^(code \d+: )?((critical )?error: )?")
_COMPILED = [(meaning, re.compile(pattern)) for meaning, pattern in _TABLE]


def meaning(text: str) -> Meaning:
    """What an error text means; UNKNOWN when no row matches."""
    return next((found for found, pattern in _COMPILED if pattern.search(text)), Meaning.UNKNOWN)


def in_short(text: str) -> str:
    """The text as one line, without DRMAA's code and Grid Engine's "error: "."""
    lines = (_PREFIX.sub("", line.strip()) for line in text.splitlines())
    return "; ".join(dict.fromkeys(line for line in lines if line)) or "(no words)"
