"""A user's home of one test: a data directory, a run directory, and all processes that were started with them.

Every process of a test - scripts, server, distributors, executors, commands - inherits the environment of the
test, in which the data directory is one that no other process on the machine has. So what a test started is
found by its environment, and nothing else is.
"""

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

from jobmon.core import local_server
from jobmon_conformance.invariants import check
from jobmon_conformance.witness import Witness

DEADLINE_SECONDS = 120.0
QUIET_SECONDS = 120.0
FIRST_PAUSE_SECONDS, LAST_PAUSE_SECONDS = 0.005, 0.04  # looking costs CPU, which others are waited for with
KINDS = {
    "server": re.compile(r"-m jobmon\.server |/jobmon-server serve "),
    "distributor": re.compile(r"-m jobmon\.distributor start"),
    "executor": re.compile(r"-m jobmon\.distributor\.local\.executor "),
}
Found = TypeVar("Found")


def wait_for(condition: Callable[[], Found], what: str, seconds: float = DEADLINE_SECONDS) -> Found:
    """The condition's first true value; fails when it does not come."""
    deadline, pause = time.monotonic() + seconds, FIRST_PAUSE_SECONDS
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(pause)
        pause = min(1.2 * pause, LAST_PAUSE_SECONDS)
    return found


def _own_path() -> list[str]:
    """What this process can import besides what is installed: its children can too."""
    installed = (sys.prefix, sys.base_prefix)
    return [place for place in sys.path if place and not place.startswith(installed)]


class Script:
    """A script of the user's as a process of its own."""

    def __init__(self, argv: list[str], environment: dict[str, str], folder: Path, number: int) -> None:
        self.out_file, self.err_file = folder / f"script-{number}.out", folder / f"script-{number}.err"
        with self.out_file.open("wb") as out, self.err_file.open("wb") as err:
            self.process = subprocess.Popen(
                argv, env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=err
            )

    @property
    def out(self) -> str:
        return self.out_file.read_text()

    @property
    def err(self) -> str:
        return self.err_file.read_text()

    @property
    def is_over(self) -> bool:
        return self.process.poll() is not None

    def follows(self) -> bool:
        """Whether it has said which run it follows, and waits for news of that."""
        if ": run " not in self.err or self.is_over:
            return False
        return Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"

    def end(self, seconds: float = DEADLINE_SECONDS) -> int:
        """Its exit code, when it has ended by itself."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the script did not end within {seconds:.0f} s; it said:\n{self.err}") from None

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class Home:
    """Where one test lives."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = sys.executable  # which runs scripts, and whatever they start
        self.data_dir, self.run_dir = folder / "data", folder / "runs"
        self.witness = Witness(folder / "witness")
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("JOBMON_")},
            "JOBMON__SERVER__DATA_DIR": str(self.data_dir),
            "JOBMON__RUN__DIR": str(self.run_dir),
            "WITNESS": str(self.witness.file),
            "PYTHONPATH": os.pathsep.join(_own_path()),
        }
        self._scripts: list[Script] = []

    def start(self, *argv: str, **environment: str) -> Script:
        """Start Python with these arguments."""
        script = Script([self.python, *argv], {**self.environment, **environment}, self.folder, len(self._scripts))
        self._scripts.append(script)
        return script

    def jobmon(self, *words: str) -> str:
        """What a `jobmon` command prints; it must succeed."""
        command = [str(Path(sys.executable).with_name("jobmon")), *words]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=DEADLINE_SECONDS
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def wait_for(self, condition: Callable[[], Found], what: str, seconds: float = DEADLINE_SECONDS) -> Found:
        """`wait_for`, which shows what the scripts said when it fails."""
        try:
            return wait_for(condition, what, seconds)
        except AssertionError as error:
            said = "".join(f"\n{script.err_file.name}: {script.out}{script.err}" for script in self._scripts)
            raise AssertionError(f"{error}{said}") from None

    # --- the database ---------------------------------------------------------------------------------------

    def query(self, text: str, *values: Any) -> list[Any]:
        """The rows of a question to the database, which is only read; none before there is one."""
        try:
            with closing(sqlite3.connect(f"file:{self.data_dir}/jobmon.db?mode=ro", uri=True)) as connection:
                return connection.execute(text, values).fetchall()
        except sqlite3.OperationalError:
            return []

    def value(self, text: str, *values: Any) -> Any:
        """The first column of the first row, or None."""
        rows = self.query(text, *values)
        return rows[0][0] if rows else None

    def column(self, text: str, *values: Any) -> list[Any]:
        """The first column."""
        return [row[0] for row in self.query(text, *values)]

    def run_status(self) -> str:
        """The letter of the newest run."""
        return str(self.value("SELECT status FROM workflow_run ORDER BY id DESC LIMIT 1"))

    def task_counts(self) -> dict[str, int]:
        """How many tasks have which letter."""
        return dict(self.query("SELECT status, COUNT(*) FROM task GROUP BY status"))

    def check(self, limits: dict[str, int] | None = None, witness: bool = True) -> None:
        """All invariants hold at this moment."""
        engine = sa.create_engine(f"sqlite:///file:{self.data_dir}/jobmon.db?mode=ro&uri=true")
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")  # one view of it all
            check(connection, self.witness.file if witness else None, limits)
        engine.dispose()

    # --- the processes --------------------------------------------------------------------------------------

    def processes(self) -> dict[int, str]:
        """Pid and command line of everything that lives with this home's environment, except this process."""
        entry = f"JOBMON__SERVER__DATA_DIR={self.data_dir}".encode()
        return {pid: line for pid, line in _processes(entry) if pid != os.getpid()}

    def pids(self, kind: str) -> list[int]:
        """The processes of one kind, oldest first."""
        return sorted(pid for pid, line in self.processes().items() if KINDS[kind].search(line))

    def kill(self, kind: str) -> list[int]:
        """kill -9 all processes of one kind, of which there must come up one; returns their pids."""
        pids = wait_for(lambda: self.pids(kind), f"a {kind}")
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not set(pids) & self.processes().keys(), f"the end of the {kind}")
        return pids

    @contextmanager
    def suspended(self, kind: str) -> Iterator[None]:
        """All processes of one kind stand still meanwhile."""
        pids = wait_for(lambda: [pid for pid in self.pids(kind) if _stop(pid)], f"a {kind}")
        try:
            yield
        finally:
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def kill_client(self) -> None:
        """kill -9 the newest script."""
        self._scripts[-1].kill()

    def leave(self) -> None:
        """End distributors and executors that a test left waiting for something on purpose."""
        for kind in ("distributor", "executor"):
            for pid in self.pids(kind):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)

    def close(self) -> None:
        """Stop the server when everything else has ended by itself; fails when something is left running."""
        for script in self._scripts:
            if not script.is_over:
                script.kill()
        left = self.wait_until_quiet()
        wait_for(self._is_served_by_one, "one server that serves, or none")
        local_server.stop(self.data_dir)
        left |= self.processes()
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert not left, f"left running: {left}"

    def _is_served_by_one(self) -> bool:
        """It may be starting, and one that came too late may be leaving."""
        servers = self.pids("server")
        return not servers or len(servers) == 1 and local_server.find(self.data_dir) is not None

    def wait_until_quiet(self) -> dict[int, str]:
        """What still runs, besides the server, after a while."""
        deadline = time.monotonic() + QUIET_SECONDS
        while True:
            left = {pid: line for pid, line in self.processes().items() if not KINDS["server"].search(line)}
            if not left or time.monotonic() > deadline:
                return left
            time.sleep(0.02)


def _processes(entry: bytes) -> Iterator[tuple[int, str]]:
    for place in Path("/proc").iterdir():
        if place.name.isdecimal():
            with suppress(OSError):
                if entry in (place / "environ").read_bytes().split(b"\0"):
                    yield int(place.name), (place / "cmdline").read_bytes().replace(b"\0", b" ").decode()


@contextmanager
def opened(folder: Path) -> Iterator[Home]:
    """A home that must be quiet at the end; when the test fails, it is only cleared."""
    home = Home(folder)
    with tidied(home):
        yield home


@contextmanager
def tidied(home: Home) -> Iterator[None]:
    """At the end the home must be quiet; when the test fails, it is only cleared."""
    try:
        yield
    except BaseException:
        with suppress(AssertionError):
            home.leave()
            home.close()
        raise
    home.close()


def _stop(pid: int) -> bool:
    """Let it stand still; False if it has ended."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
        return True
    return False
