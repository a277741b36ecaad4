"""A real MariaDB and a real PostgreSQL from Debian's packages, each in a folder of its own, ended by pid.

`python -m clusters.databases mariadb|postgresql FOLDER` (from tests/) starts one by hand and prints its URL.
"""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import sqlalchemy as sa

from clusters.packages import Unavailable

START_SECONDS = 150.0
END_SECONDS = 120.0
MISSING = "{} is not installed: apt-get install -y --no-install-recommends mariadb-server postgresql"


def free_port() -> int:
    """A port that nobody listens on, and that is given to nobody else."""
    return hold_port(0)


def hold_port(port: int) -> int:
    """Have a port kept, as long as this process lives, for who asks for it by its number (0: for any).

    The socket here is bound and never listens: a server, which sets SO_REUSEADDR, may listen there all the same.
    """
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", port))
    held = int(holder.getsockname()[1])
    holder.detach()  # nobody closes it
    return held


@contextlib.contextmanager
def mariadb(folder: Path) -> Iterator[str]:
    """A fresh MariaDB on loopback; gives its URL."""
    daemon, install = shutil.which("mariadbd", path=_PATH), shutil.which("mariadb-install-db", path=_PATH)
    if not daemon or not install:
        raise Unavailable(MISSING.format("MariaDB"))
    user = _user("mysql", folder)
    data, port, unix = folder / "data", free_port(), folder / "sock"
    common = ["--no-defaults", f"--datadir={data}", f"--user={user}", f"--tmpdir={folder}"]
    _run([install, *common, "--auth-root-authentication-method=normal", "--skip-test-db"], folder)
    serve = [
        f"--port={port}",
        "--bind-address=127.0.0.1",
        f"--socket={unix}",
        "--skip-log-bin",
        "--skip-name-resolve",
    ]
    with _serving([daemon, *common, *serve, f"--pid-file={folder / 'pid'}"], folder, signal.SIGTERM):
        root = f"mysql+pymysql://root@127.0.0.1:{port}"
        _wait_for(root)
        engine = sa.create_engine(root)
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE DATABASE jobmon CHARACTER SET utf8mb4")
        engine.dispose()
        yield f"{root}/jobmon"


@contextlib.contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """A fresh PostgreSQL on loopback; gives its URL."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs:
        raise Unavailable(MISSING.format("PostgreSQL"))
    user = _user("postgres", folder)
    data, port = folder / "data", free_port()
    _run([programs[-1] / "initdb", "-D", data, "-U", "jobmon", "-A", "trust", "-E", "UTF8"], folder, user)
    command = [programs[-1] / "postgres", "-D", data, "-p", port, "-k", folder, "-h", "127.0.0.1"]
    with _serving([str(part) for part in command], folder, signal.SIGINT, user):
        url = f"postgresql+psycopg://jobmon@127.0.0.1:{port}"
        _wait_for(f"{url}/postgres")
        yield f"{url}/postgres"


SERVERS: dict[str, Callable[[Path], contextlib.AbstractContextManager[str]]] = {
    "mariadb": mariadb,
    "postgresql": postgresql,
}
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"


def _user(wanted: str, folder: Path) -> str:
    """Who the server runs as: the package's own user when we are root, else we. The folder becomes theirs."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()).pw_name
    for part in (folder, *folder.parents):
        with contextlib.suppress(OSError):
            part.chmod(part.stat().st_mode | 0o111)  # the way to it must be open
    shutil.chown(folder, wanted)
    return wanted


def _run(command: list[object], folder: Path, user: str | None = None) -> None:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd=folder, **_as(user))
    assert done.returncode == 0, f"{command[0]} failed:\n{done.stdout}{done.stderr}"


def _as(user: str | None) -> dict[str, str]:
    return {"user": user} if user and os.geteuid() == 0 else {}


@contextlib.contextmanager
def _serving(command: list[str], folder: Path, end: signal.Signals, user: str | None = None) -> Iterator[None]:
    with (folder / "server.log").open("ab") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=folder, start_new_session=True, **_as(user)
        )
    try:
        yield
    finally:
        process.send_signal(end)
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:  # nobody needs what it has not written yet
            process.kill()
            process.wait()


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    engine = sa.create_engine(url)
    while True:
        try:
            with engine.connect():
                break
        except sa.exc.DBAPIError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
    engine.dispose()


if __name__ == "__main__":
    with SERVERS[sys.argv[1]](Path(sys.argv[2]).resolve()) as _url:
        print(_url, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()
