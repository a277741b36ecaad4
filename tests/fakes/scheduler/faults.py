"""Lies and faults that commands of any batch system may have: what they do to a call, how often, to which."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from fakes.scheduler.call import Answer, Call, Refusal


@dataclass(frozen=True)
class Fault:
    """What happens to a call.

    replaces     the answer is this one, not the true one; else the true one is changed by `mangle`
    taken        the command is carried out all the same; late: so many seconds after the call
    hangs        stderr comes, then nothing more
    """

    stdout: str | Callable[[Call], str] = ""
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
            stdout = self.stdout(call) if callable(self.stdout) else self.stdout
            return Answer(stdout, stderr, rc, self.delay, self.hangs)
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


def hangs(taken: bool = False, stderr: str = "") -> Fault:
    """No answer until the caller is killed."""
    return Fault(stderr=stderr, taken=taken, hangs=True)


def refused(stderr: str, rc: int = 1) -> Fault:
    """An error text."""
    return Fault(stderr=stderr.rstrip("\n") + "\n", rc=rc)


def lost() -> Fault:
    """All seems well, nothing happened."""
    return Fault(rc=0)


def slow(delay: float) -> Fault:
    """The true answer, later. In virtual time it is given at once, unless the caller waits for less."""
    return Fault(replaces=False, delay=delay)


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
