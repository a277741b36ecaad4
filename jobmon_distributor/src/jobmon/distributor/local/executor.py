"""The process that runs the commands of one workflow on this machine; it survives the distributor.

Run as `python -m jobmon.distributor.local.executor CONFIG` by the plugin. Before anything else it makes sure that
it is the only one, and that nothing of an earlier one is left.
"""

import ctypes
import os
import sys
import time
from pathlib import Path

import msgspec

from jobmon.core.settings import load_settings
from jobmon.distributor.local import channel, identity, orphans
from jobmon.distributor.local.journal import Journal
from jobmon.distributor.local.loop import Loop

PR_SET_CHILD_SUBREAPER = 36


class Config(msgspec.Struct, frozen=True):
    """What the plugin says on the command line."""

    state_dir: str
    kind: str  # "multiprocess", "sequential" or "dummy"
    parallelism: int  # 0: as many as there are cores


def main() -> None:
    """From the lock to the last trace."""
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))  # a pipe of the user's terminal must not stay open for us
    config = msgspec.json.decode(sys.argv[1], type=Config)
    state_dir = Path(config.state_dir)
    if not identity.lock(state_dir):
        return  # another one is there, and serves as well
    _end_leftovers(state_dir)
    journal = Journal(state_dir, identity.boot_id(), log)
    nothing_left = Loop(state_dir, config.kind, config.parallelism, load_settings(), journal, log).run()
    (state_dir / channel.SOCKET).unlink(missing_ok=True)
    orphans.sweep(orphans.mark(state_dir), set())
    if nothing_left:
        journal.remove()
        identity.remove_note(state_dir)


def _end_leftovers(state_dir: Path) -> None:
    """Nothing that an earlier executor started runs after this; what this one starts will be found likewise."""
    before, now = identity.read_note(state_dir), identity.Note.of_this_process()
    sessions = identity.sessions_to_sweep(before, now, state_dir)
    if killed := orphans.sweep(orphans.mark(state_dir), sessions):
        log(f"killed {killed} processes that an earlier executor left")
    identity.write_note(state_dir, now)
    # Become the parent of commands' processes that lose theirs, so that their end is noticed.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def log(text: str) -> None:
    """One line in the executor's own log."""
    print(time.strftime("%Y-%m-%dT%H:%M:%S%z"), os.getpid(), text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
