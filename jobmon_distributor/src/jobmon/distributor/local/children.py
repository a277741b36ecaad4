"""Starts commands and collects those that ended, with as little as possible for each.

`posix_spawn` opens the output files, makes the process group and resets the signals without Python code in the
child. It knows no working directory, so the executor goes there for the moment of the start: only its main
thread uses relative paths, and only here.
"""

import contextlib
import errno
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from jobmon.core.paths import output_file
from jobmon.distributor.local.attempt import Attempt, Order
from jobmon.distributor.local.memory import ENTER, Cgroups

if TYPE_CHECKING:
    import resource

LONGEST_ARGUMENT_BYTES = 131_071  # of one argument without its NUL: MAX_ARG_STRLEN of Linux
_FIXED = (signal.SIGKILL, signal.SIGSTOP, signal.SIGRTMIN, signal.SIGRTMAX)
DEFAULT_SIGNALS = tuple(number for number in signal.Signals if number not in _FIXED)
_NUL = "the command contains a NUL character, which no program can be given"
_TOO_LARGE = "the command and its environment are too large for this machine; unset some variables"
_OUTPUT = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_STDIN = (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0)


class Unstartable(Exception):
    """The command cannot be started; the text says why and what to do."""


class Starter:
    """Starts attempts in the environment that the newest distributor brought."""

    def __init__(self, state_dir: Path, mark: str, cgroups: Cgroups, cgroup_prefix: str) -> None:
        """`mark` is the NAME=value that every command carries."""
        self._fallback_dir = str(state_dir / "output")
        self._script_dir = state_dir / "scripts"
        self._mark = os.fsencode(mark)
        self._cgroups = cgroups
        self._cgroup_prefix = cgroup_prefix
        self._home = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._made: set[str] = set()
        self._shells: dict[str, str] = {}
        self.environment: dict[bytes, bytes] = {}
        self.inherit(b"\0".join(key + b"=" + value for key, value in os.environb.items()), "")

    def inherit(self, environment: bytes, working_dir: str) -> None:
        """Commands from now on have this environment (NAME=value joined by NUL) and working directory."""
        entries = (entry.partition(b"=") for entry in [*environment.split(b"\0"), self._mark] if b"=" in entry)
        self.environment = {name: value for name, _, value in entries if name}
        self._shells.clear()
        if working_dir:
            try:
                os.chdir(working_dir)
            except OSError:
                return  # it was removed; commands then start where they did before
            os.close(self._home)
            self._home = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def start(self, attempt: Attempt) -> None:
        """Start it. Raises Unstartable."""
        order = attempt.order
        argv = self._argv(attempt)
        try:
            self._spawn(attempt, argv, order.stdout_dir, order.stderr_dir)
        except ValueError:
            raise Unstartable(_NUL) from None
        except OSError as error:
            self._start_otherwise(attempt, argv, error)

    def _start_otherwise(self, attempt: Attempt, argv: list[str], error: OSError) -> None:
        """Find out what the error was about; output that cannot be written where it should goes elsewhere."""
        order, folders = attempt.order, (attempt.order.stdout_dir, attempt.order.stderr_dir)
        problem = _writing_problem(order.stdout_dir) or _writing_problem(order.stderr_dir)
        if error.errno == errno.E2BIG:
            raise Unstartable(_TOO_LARGE)
        if problem:
            folders = (self._fallback_dir, self._fallback_dir)
            attempt.warning = (
                f"its output could not be written where it was asked for ({problem}); "
                f"it is in {self._fallback_dir}"
            )
        self._made.difference_update(folders)
        try:
            self._spawn(attempt, argv, *folders)
        except OSError as second:
            raise Unstartable(_reason(order, second)) from None

    def _argv(self, attempt: Attempt) -> list[str]:
        """The command as the shell gets it; one that is too long for an argument as a file."""
        shell = self._shell(attempt.order.shell)
        command = attempt.command
        if len(command) * 4 > LONGEST_ARGUMENT_BYTES and len(os.fsencode(command)) > LONGEST_ARGUMENT_BYTES:
            argv = [shell, self._script(attempt)]
        else:
            argv = [shell, "-c", command]
        if attempt.order.memory_bytes is None:
            return argv
        return self._limited(attempt, attempt.order.memory_bytes, argv)

    def _limited(self, attempt: Attempt, memory_bytes: int, argv: list[str]) -> list[str]:
        attempt.cgroup = self._cgroups.make(f"{self._cgroup_prefix}{attempt.instance_id}", memory_bytes)
        if attempt.cgroup is None:
            return argv
        return ["/bin/sh", "-c", ENTER, "sh", str(attempt.cgroup.folder), *argv]

    def _script(self, attempt: Attempt) -> str:
        """The command in a file, for one start."""
        if "\0" in attempt.command:
            raise Unstartable(_NUL)
        script = self._script_dir / f"{attempt.instance_id}.sh"
        try:
            self._script_dir.mkdir(mode=0o700, exist_ok=True)
            script.write_bytes(os.fsencode(attempt.command) + b"\n")
        except OSError as error:
            raise Unstartable(
                f"a command of {len(attempt.command)} characters must be run from a file, "
                f"and {script} cannot be written: {error.strerror}"
            ) from None
        attempt.script = str(script)
        return attempt.script

    def _spawn(self, attempt: Attempt, argv: list[str], stdout_dir: str, stderr_dir: str) -> None:
        order = attempt.order
        stdout = output_file(self._folder(stdout_dir), attempt.name, "o", attempt.instance_id)
        stderr = output_file(self._folder(stderr_dir), attempt.name, "e", attempt.instance_id)
        environment = self.environment.copy()
        environment[b"JOBMON_TASK_INSTANCE_ID"] = b"%d" % attempt.instance_id
        environment[b"JOBMON_TASK_ID"] = b"%d" % attempt.task_id
        environment[b"JOBMON_WORKFLOW_RUN_ID"] = b"%d" % order.workflow_run_id
        environment[b"JOBMON_WORKFLOW_ID"] = b"%d" % order.workflow_id
        if order.working_dir:
            os.chdir(order.working_dir)
        attempt.started = time.monotonic()  # before the command: it may be over when this process goes on
        try:
            attempt.pid = os.posix_spawn(
                argv[0],
                argv,
                environment,
                file_actions=(
                    _STDIN,
                    (os.POSIX_SPAWN_OPEN, 1, stdout, _OUTPUT, 0o666),
                    (os.POSIX_SPAWN_OPEN, 2, stderr, _OUTPUT, 0o666),
                ),
                setpgroup=0,
                setsigmask=(),
                setsigdef=DEFAULT_SIGNALS,
            )
        finally:
            if order.working_dir:
                os.fchdir(self._home)
        attempt.stderr = stderr

    def _folder(self, folder: str) -> str:
        if folder not in self._made:
            os.makedirs(folder, exist_ok=True)  # noqa: PTH103  # a Path would be made for each attempt
            self._made.add(folder)
        return folder

    def _shell(self, name: str) -> str:
        """Its path on the PATH that commands have."""
        if name not in self._shells:
            self._shells[name] = _which(name, os.fsdecode(self.environment.get(b"PATH", b"/usr/bin:/bin")))
        return self._shells[name]


def ended() -> Iterator[tuple[int, int, "resource.struct_rusage"]]:
    """Children that ended since the last call: (pid, wait status, usage)."""
    while True:
        try:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        yield pid, status, usage


def group_lives(pid: int) -> bool:
    """Whether any process of the group is left."""
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def signal_group(pid: int, number: int) -> None:
    """Signal the whole process group, if there is any of it left."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _reason(order: Order, error: OSError) -> str:
    """Why nothing could be started, though output can be written."""
    if order.working_dir and not os.access(order.working_dir, os.X_OK):
        return f"the working_dir {order.working_dir} cannot be entered: {error.strerror}"
    if error.errno == errno.ENAMETOOLONG:
        return "the task's name is too long for the name of its output file; give it a shorter one"
    if error.errno in (errno.EAGAIN, errno.ENOMEM):
        return f"this machine is at its limit of processes or memory: {error.strerror}"
    return f"the shell {order.shell!r} cannot be started: {error.strerror}. Is it installed, and on PATH?"


def _which(name: str, path: str) -> str:
    if "/" in name:
        return name
    places = (f"{folder or '.'}/{name}" for folder in path.split(":"))
    return next((place for place in places if os.access(place, os.X_OK)), name)


def _writing_problem(folder: str) -> str:
    """Why no file can be made in a folder; "" when one can. Makes the folder when it is missing."""
    probe = f"{folder}/.jobmon-{os.getpid()}"
    try:
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103
        os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        os.unlink(probe)  # noqa: PTH108
    except OSError as error:
        return f"{folder}: {error.strerror}"
    return ""
