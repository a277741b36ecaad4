"""What Slurm's words on a failed command mean: a table, and one function that reads it."""

import re

from jobmon.core.scheduler.refusals import Meaning

# The first row that is found in the text counts. Texts as in slurm_errno.c, 20.11 to 26.05.
_TABLE: tuple[tuple[Meaning, str], ...] = (
    (
        Meaning.UNCLEAR,
        r"Socket timed out on send/recv|Zero Bytes were transmitted|Transport endpoint|Message receive",
    ),
    (Meaning.UNCLEAR, r"Unexpected message received|Connection reset by peer|Broken pipe"),
    (Meaning.UNCLEAR, r"\((send|receive|shutdown) failure\)|Message send|Communication shutdown failure"),
    (Meaning.UNCLEAR, r"Protocol authentication error|Invalid authentication credential"),
    (Meaning.UNREACHABLE, r"Unable to contact slurm controller|Connection refused|Network is unreachable"),
    (Meaning.UNREACHABLE, r"connect failure|Host is unreachable|No route to host|backup mode|in standby mode"),
    (Meaning.UNREACHABLE, r"Could not establish a configuration source|DNS SRV lookup failed|connection failure"),
    (Meaning.TOO_LARGE, r"Invalid job array specification"),
    (Meaning.FATAL, r"(Assoc|QOS)Max\w*PerJob|QOSMin"),
    (Meaning.LIMIT, r"SubmitJob|Job violates accounting/QOS policy|MaxSubmit|job submit limit"),
    (Meaning.LIMIT, r"temporarily unable to accept job|Resource temporarily unavailable|maximum job count"),
    (Meaning.LATER, r"[Rr]ate.?limit|denied.*maintenance|maintenance reservation|Partition in DOWN state"),
    (Meaning.LATER, r"Required (partition|node) not available|Requested reservation (not usable now|is in use)"),
    (Meaning.LATER, r"Requested nodes are busy|Licenses currently unavailable|try again|I/O error writing script"),
    (Meaning.LATER, r"Requested operation is presently disabled|submissions disabled"),
    (Meaning.FATAL, r"[Ii]nvalid (partition|account|qos|QOS|feature|node name|wckey|generic resource|license)"),
    (
        Meaning.FATAL,
        r"Invalid (generic resource|reservation|time limit|job array index|cpu|nice|user id|dependency)",
    ),
    (Meaning.FATAL, r"Requested (node configuration is not available|reservation is invalid|partition config)"),
    (Meaning.FATAL, r"Memory specification can not be satisfied|CPU count per node can not be satisfied"),
    (Meaning.FATAL, r"Requested time limit is invalid|count specification invalid|More processors requested"),
    (Meaning.FATAL, r"No partition specified|Time limit specification required|Memory required by task is not"),
    (Meaning.FATAL, r"Access denied to requested|Incompatible versions of client and server"),
    (Meaning.FATAL, r"Access/permission denied|User's group not permitted|not permitted to use this partition"),
    (Meaning.FATAL, r"Batch job submission failed: (Invalid|Unspecified|Requested|Pathname|Job script)"),
    (Meaning.FATAL, r"unrecognized option|invalid option|Invalid --|--\S+ (option|value|specification)"),
)
_COMPILED = [(meaning, re.compile(pattern)) for meaning, pattern in _TABLE]


def meaning(text: str) -> Meaning:
    """What an error text means; UNKNOWN when no row matches."""
    return next((found for found, pattern in _COMPILED if pattern.search(text)), Meaning.UNKNOWN)


def in_short(text: str) -> str:
    """The text as one line, without the names of the programs that said it."""
    lines = (re.sub(r"^\w+: (error: )?", "", line.strip()) for line in text.splitlines())
    return "; ".join(dict.fromkeys(line for line in lines if line)) or "(no words)"
