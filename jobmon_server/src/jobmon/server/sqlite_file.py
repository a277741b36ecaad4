"""Whether a SQLite database can be trusted to the place where it stands, is still whole, and is ours alone."""

import contextlib
import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.engine import Connection

from jobmon.core.exceptions import ConfigError
from jobmon.server.folder import make

# WAL needs memory shared by all processes of one machine, which network file systems do not give.
# https://www.sqlite.org/wal.html
NETWORK_FILE_SYSTEMS = frozenset(
    (
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "lustre", "gpfs", "beegfs", "ceph", "glusterfs", "afs"),
        *("pvfs2", "orangefs", "panfs", "9p", "fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.s3fs"),
    )
)
CHECKED_BYTES_MAX = 256 * 2**20  # a larger file would take seconds to read; SQLite checks pages as it meets them
MOUNTS = Path("/proc/self/mounts")


def check_place(folder: Path, mounts: Path = MOUNTS) -> None:
    """Refuse a network file system. Raises ConfigError with the ways out."""
    kind, point = file_system(folder, mounts)
    if kind in NETWORK_FILE_SYSTEMS:
        raise ConfigError(
            f"{folder} is on a network file system ({kind} at {point}), where SQLite may lose data. Set "
            "JOBMON__SERVER__DATA_DIR to a folder on a local disk, or JOBMON__HTTP__SERVICE_URL to a site's "
            "server over MariaDB or PostgreSQL."
        )


def file_system(folder: Path, mounts: Path = MOUNTS) -> tuple[str, str]:
    """Kind and mount point of the file system that holds `folder`; empty when it cannot be told."""
    found = ("", "")
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return found
    for line in lines:
        _, point, kind, *_ = line.split()
        point = point.replace("\\040", " ")
        if folder.resolve().is_relative_to(point) and len(point) >= len(found[1]):
            found = (kind, point)
    return found


def check_health(connection: Connection, file: Path) -> None:
    """Notice a damaged file before it is written to. Raises ConfigError naming the file and the damage."""
    if not file.exists() or file.stat().st_size > CHECKED_BYTES_MAX:
        return
    verdict = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
    if verdict != "ok":
        raise damaged(file, verdict)


def damaged(file: Path, how: object) -> ConfigError:
    """What to say of a database that is not whole."""
    return ConfigError(
        f"the database {file} is damaged ({how}); nothing was changed. Put a copy back with `jobmon-server db "
        "restore FILE`, or move it away together with its -wal and -shm files to begin anew."
    )


class ServedAlready(ConfigError):
    """Another process has the SQLite database."""


@contextlib.contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold the lock of a SQLite database's folder. Raises ServedAlready naming the process that has it."""
    make(folder)
    with (folder / "db.lock").open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.seek(0)
            raise ServedAlready(f"{folder} is served already by {handle.read().strip() or 'another'}") from None
        handle.truncate(0)
        handle.write(f"pid {os.getpid()} on {socket.gethostname()}")
        handle.flush()
        yield
