"""Two servers of one site behind an nginx, on one database: each can be killed, stopped and started again."""

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import sqlalchemy as sa

from clusters.databases import free_port
from faults.site import COMMAND, Site
from jobmon.core.routes import READY
from jobmon.server.tables import metadata
from jobmon_conformance.home import tidied, wait_for
from jobmon_conformance.invariants import none_is_lost

NGINX = """
daemon off; pid {folder}/pid; error_log {folder}/error.log; {user} worker_rlimit_nofile 4096;
events {{ worker_connections 2048; }}
http {{
    access_log off; {places}
    upstream jobmon {{ {servers} keepalive 64; }}
    server {{
        listen {bind};
        client_max_body_size 64m;
        location / {{
            proxy_pass http://jobmon;
            proxy_http_version 1.1;
            proxy_set_header Host $host;
            proxy_set_header Connection "";
            proxy_read_timeout 90s;
            proxy_next_upstream error timeout;  # of what was sent, only what may be repeated
        }}
    }}
}}
"""
TRIES = 5  # for a port that nobody takes between the question and the start
ROLE = "SELECT epoch FROM role_lease WHERE name = 'reaper'"
UNTIL = "SELECT deadline_at FROM role_lease WHERE name = 'reaper'"
STAYS = {"role_lease", "server_state", "id_block"}
AGED = "UPDATE role_lease SET deadline_at = deadline_at - 1000 WHERE epoch = {}"
LENT = "UPDATE role_lease SET deadline_at = UNIX_TIMESTAMP() + {} WHERE epoch = {}"
LENT_SECONDS = 35  # one that ends much later is taken for a clock that was put back
LOCKED = "SELECT * FROM role_lease, server_state FOR UPDATE NOWAIT"
SAYS_THAT_IT_ACTS = re.compile(r"the role reaper is ours, epoch (\d+)")
SAYS_THAT_IT_DOES_NOT = "the role reaper is another's now"


class Member:
    """One of the servers, in a process group of its own, at a unix socket."""

    def __init__(self, number: int, socket_file: Path, log_file: Path, environment: dict[str, str]) -> None:
        self.number, self.socket_file = number, socket_file
        self._log_file, self._environment = log_file, environment
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [COMMAND, "serve", "--bind", f"unix:{self.socket_file}"],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def send(self, number: signal.Signals) -> None:
        """To all of its processes."""
        assert self.process is not None
        os.killpg(self.process.pid, number)

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.send(signal.SIGKILL)
        self.process.wait(120)

    def end(self) -> None:
        """As systemd would; it has gone well when it is over in time."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                assert self.process.wait(120) == 0, self.log()
            finally:
                with suppress(ProcessLookupError):
                    self.send(signal.SIGKILL)

    def is_ready(self) -> bool:
        assert self.process is not None and self.process.poll() is None, self.log()
        with suppress(OSError), socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(10)
            asking.connect(str(self.socket_file))
            asking.sendall(f"GET {READY.url()} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
            return b" 200 " in asking.recv(100)
        return False

    def log(self) -> str:
        return self._log_file.read_text() if self._log_file.exists() else ""

    def epochs(self) -> list[int]:
        """Under which epochs it has acted, in all its lives."""
        return [int(epoch) for epoch in SAYS_THAT_IT_ACTS.findall(self.log())]


class Pair(Site):
    """The home of a user of both."""

    def __init__(self, folder: Path, sockets: Path, database_url: str) -> None:
        super().__init__(folder, database_url)
        self._sockets = sockets
        self._nginx: subprocess.Popen[bytes] | None = None
        self.data_dir.mkdir()
        self._give_token(self.data_dir)
        self.members = [self._member(number) for number in (1, 2)]

    def _member(self, number: int) -> Member:
        folder = self.folder / f"server-{number}"
        folder.mkdir()
        self._give_token(folder)
        environment = {
            **self.environment,
            "JOBMON__SERVER__DATA_DIR": str(folder),
            "JOBMON__LOGGING__LEVEL": "INFO",
        }
        return Member(number, self._sockets / f"{number}", folder / "log", environment)

    def _give_token(self, folder: Path) -> None:
        file = folder / "token"
        file.touch(mode=0o600)
        file.write_text("t" * 40)

    def serve(self) -> None:
        """Start both at once, and nginx in front of them."""
        for member in self.members:
            member.start()
        self._open()
        for member in self.members:
            wait_for(member.is_ready, f"server {member.number}")

    def _open(self) -> None:
        for _ in range(TRIES):
            self._nginx = self._start_nginx()
            if wait_for(self._is_open, "nginx") is True:
                return
            self._bind = f"127.0.0.1:{free_port()}"
            self.environment["JOBMON__HTTP__SERVICE_URL"] = f"http://{self._bind}"
        raise AssertionError((self._sockets / "error.log").read_text())

    def _start_nginx(self) -> subprocess.Popen[bytes]:
        file = self._sockets / "nginx.conf"
        names = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        servers = (f"server unix:{one.socket_file} max_fails=1 fail_timeout=1s;" for one in self.members)
        file.write_text(
            NGINX.format(
                folder=self._sockets,
                user="user root;" if os.geteuid() == 0 else "",
                places=" ".join(f"{name}_temp_path {self._sockets}/{name};" for name in names),
                servers=" ".join(servers),
                bind=self._bind,
            )
        )
        return subprocess.Popen(["nginx", "-c", str(file)], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _is_open(self) -> bool | str:
        """True; or why not, when nginx has ended."""
        host, _, port = self._bind.partition(":")
        assert self._nginx is not None
        if self._nginx.poll() is not None:
            return "the port is taken"
        with suppress(OSError), socket.create_connection((host, int(port)), 10):
            return True
        return False

    # --- who acts -------------------------------------------------------------------------------------------

    def epoch(self) -> int:
        return int(self.value(ROLE) or 0)

    def acting(self) -> Member:
        """The one that has the role, or had it last."""
        return wait_for(lambda: self._of(self.epoch()), "a server that acts")

    def _of(self, epoch: int) -> Member | None:
        return next((one for one in self.members if epoch and epoch in one.epochs()), None)

    def other(self, member: Member) -> Member:
        return self.members[self.members.index(member) - 1]

    def age_lease(self) -> None:
        """Let the time of the lease be over."""
        with self._engine.begin() as connection:
            connection.exec_driver_sql(AGED.format(self.epoch()))

    def is_amid(self) -> bool:
        """Whether somebody acts just now, in a transaction."""
        with self._engine.connect() as connection, suppress(sa.exc.OperationalError):
            connection.exec_driver_sql(LOCKED)
            return False
        return True

    def lend(self, epoch: int) -> None:
        """Let the lease of whoever acts under this epoch outlast a pause of its holder."""
        with self._engine.begin() as connection:
            connection.exec_driver_sql(LENT.format(LENT_SECONDS, epoch))

    def wait_for_a_round(self) -> None:
        """Until whoever acts has just done so; the next round comes seconds later."""
        before = self.value(UNTIL)
        self.wait_for(lambda: self.value(UNTIL) != before, "a round")

    def clear(self) -> None:
        """Remove all workflows, and what their commands said."""
        with self._engine.begin() as connection:
            for table in reversed(metadata.sorted_tables):
                if table.name not in STAYS:
                    connection.execute(sa.delete(table))
        self.witness.file.unlink(missing_ok=True)

    def none_is_lost(self) -> None:
        """Whatever ended well is done in the database, where no command was killed."""
        with self._engine.connect() as connection, connection.begin():
            none_is_lost(connection, self.witness.file.read_text().splitlines())

    def close(self) -> None:
        with ExitStack() as ending:  # all of them, whatever fails
            ending.callback(self._end_nginx)
            for member in self.members:
                ending.callback(member.end)
            ending.callback(super().close)

    def _end_nginx(self) -> None:
        if self._nginx is not None:
            self._nginx.terminate()
            self._nginx.wait(120)


@contextmanager
def served_twice(folder: Path, database_url: str) -> Iterator[Pair]:
    """Both are up, and at the end nothing is left running."""
    with TemporaryDirectory(prefix="jobmon-pair-") as sockets:  # the path of a socket may not be long
        pair = Pair(folder, Path(sockets), database_url)
        with tidied(pair):
            pair.upgrade()
            pair.serve()
            yield pair
