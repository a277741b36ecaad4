"""Background roles: of all server processes one has each at a time, by a lease in the database.

A holder begins each transaction of its role with `hold`. That changes the role's row, so nobody can take the role
over until the transaction ends; and whoever stood still beyond its lease finds another holder there, and does
nothing. The epoch grows with each change of holder and is compared in each change: of two that see a free role one
gets it. A clock that jumps costs a change of holder and nothing else.
"""

from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jobmon.server.tables import role_lease

LEASE_SECONDS = 20.0  # four rounds: one that fails, or a short wait for the database, moves no role
STRANGE_SECONDS = 2 * LEASE_SECONDS  # no lease ends so far ahead: the clock was put back


class Holding(NamedTuple):
    """Who has a role, or had it last; `seconds_left` of the lease, 0 and less when it is over."""

    name: str
    holder: str
    epoch: int
    seconds_left: float


def hold(connection: Connection, name: str, holder: str, at: float) -> int | None:
    """Take the role or keep it, for LEASE_SECONDS; returns the epoch, or None while another one has it.

    `holder` names one server process of all that there ever were.
    """
    seen = connection.execute(_SEEN, {"of": name}).one_or_none()
    until = at + LEASE_SECONDS
    if seen is None:
        row = {"name": name, "epoch": 1, "holder": holder, "deadline_at": until}
        connection.execute(sa.insert(role_lease).values(row))  # where two do, one is told IntegrityError
        return 1
    given = {"of": name, "seen": seen.epoch, "by": holder, "until": until}
    if seen.holder == holder:  # also when the lease ran out and nobody came
        return int(seen.epoch) if connection.execute(_KEEP, given).rowcount == 1 else None
    if at < seen.deadline_at <= at + STRANGE_SECONDS:
        return None
    if connection.execute(_FREE, {"of": name}).first() is None:  # its holder acts at this moment, for long already
        return None
    taken = connection.execute(_TAKE, {**given, "at": at, "far": at + STRANGE_SECONDS, "next": seen.epoch + 1})
    return int(seen.epoch) + 1 if taken.rowcount == 1 else None


def leave(connection: Connection, holder: str, at: float) -> int:
    """Let others take this holder's roles at once; returns how many these are."""
    own = (role_lease.c.holder == holder) & (role_lease.c.deadline_at > at)
    return connection.execute(sa.update(role_lease).where(own).values(deadline_at=at)).rowcount


def holdings(connection: Connection, at: float) -> list[Holding]:
    """Who has which role."""
    rows = connection.execute(sa.select(role_lease).order_by(role_lease.c.name))
    return [Holding(row.name, row.holder, row.epoch, row.deadline_at - at) for row in rows]


_SEEN = sa.select(role_lease).where(role_lease.c.name == sa.bindparam("of"))
_FREE = _SEEN.with_for_update(skip_locked=True)
_OF_EPOCH = (role_lease.c.name == sa.bindparam("of")) & (role_lease.c.epoch == sa.bindparam("seen"))
_IS_OVER = sa.or_(role_lease.c.deadline_at <= sa.bindparam("at"), role_lease.c.deadline_at > sa.bindparam("far"))
_TAKE = (
    sa.update(role_lease)
    .where(_OF_EPOCH, _IS_OVER)
    .values(epoch=sa.bindparam("next"), holder=sa.bindparam("by"), deadline_at=sa.bindparam("until"))
)
_KEEP = (
    sa.update(role_lease)
    .where(_OF_EPOCH, role_lease.c.holder == sa.bindparam("by"))
    .values(deadline_at=sa.bindparam("until"))
)
