"""The doctor's round: who acts in the background, every check, and in its own transaction every repair."""

from collections.abc import Callable

from jobmon.server import db, purge
from jobmon.server.store.doctor import CHECKS, Check, Finding
from jobmon.server.store.roles import Holding, holdings

SHOWN = 20  # of each kind; the rest is counted


def examine(database: db.Database, *, repair: bool, say: Callable[[str], object]) -> int:
    """Say what is wrong, and with `repair` what was done about it; returns how many things are left."""
    for one in database.read(lambda connection: holdings(connection, db.now(connection))):
        say(f"role {one.name}: {_describe(one)}")
    left = sum(_look(database, check, repair, say) for check in CHECKS)
    if repair:
        purge.finish(database)
    say(
        "all is well"
        if not left
        else f"{left} things are wrong" + ("" if repair else "; --repair mends what it may")
    )
    return left


def _describe(one: Holding) -> str:
    if one.seconds_left > 0:
        return f"server {one.holder} has it, epoch {one.epoch}, its lease lasts for {one.seconds_left:.0f} s more"
    return f"no server has it; {one.holder} had it last, epoch {one.epoch}, until {-one.seconds_left:.0f} s ago"


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
