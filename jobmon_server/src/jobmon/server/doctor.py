"""The doctor's round: every check, and in its own transaction every repair."""

from collections.abc import Callable

from jobmon.server import db, purge
from jobmon.server.store.doctor import CHECKS, Check, Finding

SHOWN = 20  # of each kind; the rest is counted


def examine(database: db.Database, *, repair: bool, say: Callable[[str], object]) -> int:
    """Say what is wrong, and with `repair` what was done about it; returns how many things are left."""
    left = sum(_look(database, check, repair, say) for check in CHECKS)
    if repair:
        purge.finish(database)
    say(
        "all is well"
        if not left
        else f"{left} things are wrong" + ("" if repair else "; --repair mends what it may")
    )
    return left


def _look(database: db.Database, check: Check, repair: bool, say: Callable[[str], object]) -> int:
    found = database.read(lambda connection: check.find(connection, db.now(connection)))
    left = 0
    for number, finding in enumerate(found):
        done = _mend(database, check, finding) if repair else ""
        left += not done
        if number < SHOWN:
            say(f"{check.name}: {finding.text}" + (f" -> {done}" if done else ""))
    if len(found) > SHOWN:
        say(f"{check.name}: and {len(found) - SHOWN} more")
    return left


def _mend(database: db.Database, check: Check, finding: Finding) -> str:
    mend = check.mend
    if mend is None:
        return ""
    return database.write(lambda connection: mend(connection, finding.id, db.now(connection)))
