"""Lies and faults of commands: what one does to a call, how often, to which calls.

slurm.fault("sbatch", faults.timed_out(taken=True))             the next one
slurm.fault("squeue", faults.controller_down(), times=None)     every one, until `.lift()`
slurm.fault("scancel", faults.lost(), after=2, times=3)         the third to the fifth from now
slurm.fault("*", faults.hangs(), when=lambda call: "x" in call.argv)
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from fakes.slurm import sbatch
from fakes.slurm.call import Answer, Call, Refusal

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


@dataclass(frozen=True)
class Fault:
    """What happens to a call.

    replaces     the answer is this one, not the true one; else the true one is changed by `mangle`
    taken        the command is carried out all the same; late: so many seconds after the call
    hangs        stderr comes, then nothing more
    """

    stdout: str = ""
    stderr: str | Callable[[Call], str] = ""
    rc: int | Callable[[Call], int] = 1
    replaces: bool = True
    taken: bool = False
    late: float | None = None
    delay: float = 0
    hangs: bool = False
    mangle: Callable[[str], str] | None = None

    def apply(self, call: Call, perform: Callable[[], Answer]) -> Answer:
        """The answer; `perform` carries the command out."""
        true = perform() if self.taken or not self.replaces else Answer()
        stderr = self.stderr(call) if callable(self.stderr) else self.stderr
        if self.replaces:
            rc = self.rc(call) if callable(self.rc) else self.rc
            return Answer(self.stdout, stderr, rc, self.delay, self.hangs)
        stdout = self.mangle(true.stdout) if self.mangle else true.stdout
        return Answer(stdout, stderr + true.stderr, true.rc, self.delay, self.hangs or true.hangs)


@dataclass
class Armed:
    """A fault that waits for its calls; `met` are those it struck."""

    fault: Fault
    command: str
    after: int = 0
    times: int | None = 1
    when: Callable[[Call], bool] = field(default=lambda call: True)
    met: list[Call] = field(default_factory=list)
    _seen: int = 0

    def strikes(self, call: Call) -> bool:
        """Whether this call is meant; counts it."""
        if self.command not in ("*", call.command) or self.times == 0 or not self.when(call):
            return False
        self._seen += 1
        if self._seen <= self.after:
            return False
        self.times = None if self.times is None else self.times - 1
        self.met.append(call)
        return True

    def lift(self) -> None:
        """No more of it."""
        self.times = 0


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


def hangs(taken: bool = False, stderr: str = "") -> Fault:
    """No answer until the caller is killed."""
    return Fault(stderr=stderr, taken=taken, hangs=True)


def temporarily_unable() -> Fault:
    """The controller is full, or busy: sbatch tries for ever."""
    return hangs(stderr=sbatch.BUSY + "\n")


def refused(stderr: str, rc: int = 1) -> Fault:
    """An error text."""
    return Fault(stderr=stderr.rstrip("\n") + "\n", rc=rc)


def rejected(reason: str) -> Fault:
    """`sbatch: error: Batch job submission failed: <reason>`."""
    return refused(sbatch.FAILED + reason)


def over_limit(name: str = "QOSMaxSubmitJobPerUserLimit") -> Fault:
    """A policy's limit, by the name that Slurm gives it."""
    return refused(f"sbatch: error: {name}\n{sbatch.FAILED}{sbatch.POLICY}")


def lost() -> Fault:
    """All seems well, nothing happened."""
    return Fault(rc=0)


def slow(delay: float) -> Fault:
    """The true answer, later. In virtual time it is given at once, unless the caller waits for less."""
    return Fault(replaces=False, delay=delay)


def rate_limited(refuses: bool = False, delay: float = 0) -> Fault:
    """rl_enable: the client sleeps a second and tries again (verbose ones say so), or gives up."""
    if refuses:
        return Fault(stderr=lambda call: words(call, RATE_LIMIT), delay=delay)
    text = "RPC rate limited 1 time(s). Sleeping then trying again."
    return Fault(stderr=lambda call: f"{call.command}: {text}\n", replaces=False, delay=delay)


def warned(before: str = "", after: str = "", stderr: str = "") -> Fault:
    """Words of a site's wrapper or plugin around the answer."""
    return Fault(stderr=stderr, replaces=False, mangle=lambda stdout: before + stdout + after)


def reordered(seed: int = 0) -> Fault:
    """The lines in another order."""

    def shuffle(stdout: str) -> str:
        lines = stdout.splitlines(keepends=True)
        random.Random(seed).shuffle(lines)
        return "".join(lines)

    return Fault(replaces=False, mangle=shuffle)


def duplicated() -> Fault:
    """Every line twice."""
    return Fault(
        replaces=False,
        mangle=lambda stdout: "".join(2 * line for line in stdout.splitlines(keepends=True)),
    )


def cut_short(characters: int) -> Fault:
    """The answer ends in the middle."""
    return Fault(replaces=False, mangle=lambda stdout: stdout[:characters])


def mangled(change: Callable[[str], str]) -> Fault:
    """The true answer, changed."""
    return Fault(replaces=False, mangle=change)


def perform_or_refuse(perform: Callable[[], Answer]) -> Answer:
    """A refusal is an answer as well."""
    try:
        return perform()
    except Refusal as refusal:
        return refusal.answer
