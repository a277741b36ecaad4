"""Who has a state folder: one executor at a time, and what it must know of the one before.

The lock is held by the living executor and by nobody it starts. The note beside it says which process that is;
an executor that ends as it should removes it, so a note without a lock means that one was killed.
"""

import fcntl
import os
from pathlib import Path

import msgspec

from jobmon.core.exceptions import ClusterError

LOCK, NOTE = "executor.lock", "executor.json"


class Note(msgspec.Struct):
    """An executor's process. Its pid means something on the same boot and in the same pid namespace only."""

    pid: int
    host: str
    boot_id: str
    pid_namespace: str

    @classmethod
    def of_this_process(cls) -> "Note":
        """As it is now."""
        return cls(os.getpid(), os.uname().nodename, boot_id(), str(Path("/proc/self/ns/pid").readlink()))


def lock(state_dir: Path) -> bool:
    """Take the folder for as long as this process lives; False when another executor has it."""
    handle = os.open(state_dir / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return False
    return True


def read_note(state_dir: Path) -> Note | None:
    """The note that was left, if any."""
    try:
        return msgspec.json.decode((state_dir / NOTE).read_bytes(), type=Note)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None


def write_note(state_dir: Path, note: Note) -> None:
    """Leave a note, before anything is started."""
    new = state_dir / f"{NOTE}.new"
    new.write_bytes(msgspec.json.encode(note))
    new.replace(state_dir / NOTE)


def remove_note(state_dir: Path) -> None:
    """Nothing of this executor is left."""
    (state_dir / NOTE).unlink(missing_ok=True)


def sessions_to_sweep(before: Note | None, now: Note, state_dir: Path) -> set[int]:
    """Sessions in which commands of the executor before may be left.

    Raises ClusterError when they may be left where they cannot be seen from here.
    """
    if before is None:
        return set()
    if before.boot_id == now.boot_id and before.pid_namespace == now.pid_namespace:
        return {before.pid}
    if before.host == now.host and before.boot_id != now.boot_id:
        return set()  # the machine was started anew
    raise ClusterError(
        f"commands of this workflow were last run on {before.host} (process {before.pid}), and whether any of "
        f"them still runs cannot be seen from {now.host}. Resume it there; or, if nothing of it runs there any "
        f"more, remove {state_dir / NOTE} and try again."
    )


def boot_id() -> str:
    """What changes with every start of the machine, and differs between machines."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
