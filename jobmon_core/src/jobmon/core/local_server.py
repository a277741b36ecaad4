"""The embedded server of one user, seen from outside: where it is, starting it, ending it.

Its folder holds `server.json` (where it listens), `token` (what opens it, 0600), the database and the log.
The server itself is `python -m jobmon.server`; this module only finds and starts it, so that the
client and the distributor can do so without importing the server.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from jobmon.core.exceptions import ConfigError, Forbidden, ServerUnreachable
from jobmon.core.processes import lives

if TYPE_CHECKING:  # the HTTP library is imported when there is a server to ask: starting one must not wait for it
    from jobmon.core.http import Address
    from jobmon.core.wire import Health

START_SECONDS = 30.0
SERVED_ALREADY = 75  # how a server ends that finds another one over its folder (EX_TEMPFAIL of sysexits.h)
SWEPT_WITH_ITS_TASK = "JOBMON_EXECUTOR"  # the mark of a task's processes, which end with it: the server does not


class ServerFile(msgspec.Struct, frozen=True):
    """What `server.json` says: written by the server once it answers."""

    url: str
    pid: int
    host: str
    instance: str


def read_server_file(data_dir: Path) -> ServerFile | None:
    """The server's own note, or None when none was left there, or can be read there."""
    try:
        return msgspec.json.decode((data_dir / "server.json").read_bytes(), type=ServerFile)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def read_token(path: Path) -> str:
    """The token in a private file.

    Raises Forbidden when others could read it, as ssh does with keys; ConfigError when we cannot.
    """
    try:
        if path.stat().st_mode & 0o077:
            raise Forbidden(f"{path} can be read by others; run `chmod 600 {path}` (and think of it as leaked)")
        return path.read_text().strip()
    except OSError as error:
        raise ConfigError(
            f"the token cannot be read from {path} ({error.strerror}). Put it there with mode 0600, or let the "
            "settings name another file, or none: then run `jobmon login`."
        ) from error


def alive(note: ServerFile) -> Health | None:
    """The health of the server that the note names, or None when that one does not answer."""
    import requests

    from jobmon.core.routes import HEALTH
    from jobmon.core.wire import Health

    with requests.Session() as session:
        session.trust_env = False  # a proxy from the environment knows nothing of a server on the loopback
        try:
            reply = session.get(note.url + HEALTH.url(), timeout=5, allow_redirects=False)
            health = msgspec.json.decode(reply.content, type=Health)
        except (requests.RequestException, msgspec.DecodeError):
            return None
    return health if health.instance == note.instance else None


def is_there(note: ServerFile, data_dir: Path) -> bool:
    """Whether the process that the note names is there as the server of this folder, be it without answering."""
    if note.host != os.uname().nodename or not lives(note.pid):
        return False
    try:
        words = Path(f"/proc/{note.pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"jobmon.server" in words and os.fsencode(data_dir) in words  # else its number is another one's now


def find(data_dir: Path) -> Address | None:
    """The address of the running embedded server, or None when there is none that answers."""
    note = read_server_file(data_dir)
    if note is None or alive(note) is None:
        return None
    from jobmon.core.http import Address

    return Address(note.url, read_token(data_dir / "token"))


def launch(data_dir: Path) -> subprocess.Popen[bytes]:
    """Start the embedded server without waiting for it. Raises ConfigError when it is not installed."""
    if importlib.util.find_spec("jobmon.server") is None:
        raise ConfigError(
            "no server is configured and jobmon_server is not installed here. Set JOBMON__HTTP__SERVICE_URL "
            "to your site's server, or install jobmon_server beside jobmon_client for a server of your own."
        )
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (data_dir / "server.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "jobmon.server", str(data_dir)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
            env={name: value for name, value in os.environ.items() if name != SWEPT_WITH_ITS_TASK},
        )


def ensure(data_dir: Path) -> Address:
    """The address of the embedded server, which is started when it is not running.

    Many processes may ask at once: one starts it, the others wait. Raises ServerUnreachable with the last
    lines of its log when it does not come up, ConfigError when its folder cannot be written.
    """
    found = find(data_dir)
    if found:
        return found
    with _start_lock(data_dir):
        return find(data_dir) or _started(data_dir)


def _started(data_dir: Path) -> Address:
    """Start it, and wait until it answers."""
    deadline = time.monotonic() + START_SECONDS  # the wait for another one that starts it does not count
    process = launch(data_dir)
    found = ended = None
    while found is None and time.monotonic() < deadline:
        ended = process.poll()
        found = find(data_dir)
        if found is None and ended == SERVED_ALREADY:  # by one that starts, or that ends
            process = launch(data_dir)
        elif found is None and ended is not None:
            break
        time.sleep(0.01)
    if process.poll() is None:
        process.returncode = 0  # it outlives us, which is no reason for a warning
    if found is None:
        late = f"did not start within {START_SECONDS:.0f} s"
        why = late if ended in (None, SERVED_ALREADY) else f"ended as it started (exit code {ended})"
        tail = (data_dir / "server.log").read_text(errors="backslashreplace").splitlines()[-5:]
        raise ServerUnreachable(
            f"the embedded server {why}; its log {data_dir / 'server.log'} ends with:\n" + "\n".join(tail)
        )
    return found


def stop(data_dir: Path, seconds: float = 30) -> bool:
    """End the embedded server gracefully; False when none was running. Raises ServerUnreachable if it stays."""
    note = read_server_file(data_dir)
    if note is None or (alive(note) is None and not is_there(note, data_dir)):
        return False
    if note.host != os.uname().nodename:
        raise Forbidden(f"the server runs on {note.host} (pid {note.pid}); run this command there")
    os.kill(note.pid, signal.SIGTERM)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not _exists(note.pid):
            return True
        time.sleep(0.02)
    raise ServerUnreachable(
        f"the server (pid {note.pid} on {note.host}) is still there after {seconds:.0f} s; "
        f"`kill -9 {note.pid}` ends it, and loses nothing"
    )


def _exists(pid: int) -> bool:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # when it is our own child, else there is nothing to collect
    return lives(pid)


@contextlib.contextmanager
def _start_lock(data_dir: Path) -> Iterator[None]:
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (data_dir / "start.lock").open("w")
    except OSError as error:
        raise ConfigError(
            f"your server's folder {data_dir} cannot be written ({error.strerror}). Mend that, or set "
            "JOBMON__SERVER__DATA_DIR to another folder on a local disk."
        ) from error
    with lock as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
