"""A home whose server is a site's: `jobmon-server serve`, which only the test starts again when it is gone."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy as sa

from clusters.databases import free_port, mariadb
from clusters.sharing import here_or_skipped
from jobmon.core.routes import READY
from jobmon_conformance.home import Home, tidied, wait_for
from jobmon_conformance.invariants import check

COMMAND = str(Path(sys.executable).with_name("jobmon-server"))


class Site(Home):
    """The home of a user of that server; the database may be any that a site has.

    All of it is one user's: the server lets in whoever has the token of the data directory.
    """

    def __init__(self, folder: Path, database_url: str, processes: int = 1) -> None:
        """`database_url` "" is SQLite in the data directory."""
        super().__init__(folder)
        self._bind, self._processes = f"127.0.0.1:{free_port()}", processes
        self.url = f"http://{self._bind}"
        self._database_url = database_url or f"sqlite:///{self.data_dir}/jobmon.db"
        self._server: subprocess.Popen[bytes] | None = None
        self._engine = sa.create_engine(self._database_url, poolclass=sa.NullPool)
        self.environment |= {
            "JOBMON__SERVER__DATABASE_URL": self._database_url,
            "JOBMON__HTTP__SERVICE_URL": self.url,
            "JOBMON__HTTP__TOKEN_FILE": str(self.data_dir / "token"),
        }

    def serve(self) -> None:
        """Start the server, again if it was killed, and wait until it answers."""
        if self._server is not None:
            self._server.wait()
            wait_for(lambda: not self.pids("server"), "the end of the server")
        words = ["serve", "--bind", self._bind, "--processes", str(self._processes)]
        with (self.folder / "server.log").open("ab") as log:
            self._server = subprocess.Popen(
                [COMMAND, *words], env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        wait_for(self._is_ready, "the server")

    @property
    def server_pid(self) -> int:
        """Of its first process."""
        assert self._server is not None, "serve() comes first"
        return self._server.pid

    def _is_ready(self) -> bool:
        assert self._server is not None and self._server.poll() is None, (self.folder / "server.log").read_text()
        with suppress(requests.RequestException):
            return requests.get(f"{self.url}{READY.url()}", timeout=10).ok
        return False

    def query(self, text: str, *values: Any) -> list[Any]:
        with suppress(sa.exc.OperationalError, sa.exc.ProgrammingError), self._engine.connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(text, values)]
        return []

    def check(self, limits: dict[str, int] | None = None, witness: bool = True) -> None:
        with self._engine.connect() as connection, connection.begin():
            check(connection, self.witness.file if witness else None, limits)

    def upgrade(self) -> None:
        """Make the tables."""
        done = subprocess.run([COMMAND, "db", "upgrade"], env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def close(self) -> None:
        for script in self._scripts:
            if not script.is_over:
                script.kill()
        left = self.wait_until_quiet()
        if self._server is not None:
            self._server.terminate()
            self._server.wait(120)
        left |= self.processes()
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, 9)
        self._engine.dispose()
        assert not left, f"left running: {left}"


@contextmanager
def served(folder: Path, database_url: str = "", processes: int = 1, **environment: str) -> Iterator[Site]:
    """A site that must be quiet at the end; when the test fails, it is only cleared."""
    site = Site(folder, database_url, processes)
    site.environment |= environment
    with tidied(site):
        if database_url:
            site.upgrade()
        site.serve()
        yield site


@pytest.fixture
def mariadb_url() -> Iterator[str]:
    """A MariaDB of this test's own, as it is installed: what it commits is on the disk.

    Its folder is none of pytest's, which another pytest on this machine closes to the server's own user.
    """
    with tempfile.TemporaryDirectory(prefix="jobmon-mariadb-") as folder, ExitStack() as running:
        yield here_or_skipped(lambda: running.enter_context(mariadb(Path(folder))))
