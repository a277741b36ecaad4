"""People who may use a site's server, and their roles and groups."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jobmon.core.exceptions import Conflict, InvalidRequest, NotFound
from jobmon.server.auth.principal import Role
from jobmon.server.db import AnyRow, insert_one
from jobmon.server.tables import api_token, user_account

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,63}")


class Account(NamedTuple):
    """A user. What was derived from the user's tokens under another `epoch` is void."""

    id: int
    name: str
    role: Role
    groups: frozenset[str]
    disabled: bool
    epoch: int
    created_at: float


def find(connection: Connection, name: str) -> Account | None:
    """The user of that name."""
    row = connection.execute(sa.select(user_account).where(user_account.c.name == name)).one_or_none()
    return None if row is None else _account(row)


def known(connection: Connection, name: str) -> Account:
    """The user of that name. Raises NotFound."""
    found = find(connection, name)
    if found is None:
        raise NotFound(f"there is no user {name!r}; `jobmon-server user add {name}` makes one")
    return found


def everybody(connection: Connection) -> list[Account]:
    """All users by name."""
    return [_account(row) for row in connection.execute(sa.select(user_account).order_by(user_account.c.name))]


def add(connection: Connection, name: str, role: Role, groups: Sequence[str], at: float) -> Account:
    """Make a user. Raises InvalidRequest for an unusable name, Conflict when there is one of that name."""
    for what, text in (("user", name), *(("group", group) for group in groups)):
        if not _NAME.fullmatch(text):
            raise InvalidRequest(
                f"the {what} {text[:80]!r}: a name has 1 to 64 letters, digits, '_', '-', '.' or '@', and begins "
                "with a letter, a digit or '_'"
            )
    if find(connection, name) is not None:
        raise Conflict(f"there is a user {name!r} already; `jobmon-server user role` changes what it may do")
    row = {"name": name, "role": role, "member_of": _text(groups), "disabled": False, "epoch": 0, "created_at": at}
    insert_one(connection, user_account, row)
    return known(connection, name)


def set_role(connection: Connection, name: str, role: Role) -> None:
    """Change what a user may do. Raises NotFound."""
    _change(connection, name, role=role)


def set_groups(connection: Connection, name: str, groups: Sequence[str]) -> None:
    """Change with whom a user shares what groups share. Raises NotFound."""
    _change(connection, name, member_of=_text(groups))


def set_disabled(connection: Connection, name: str, disabled: bool) -> None:
    """Shut a user out, or let the user in again: commands run on, nothing of them is heard. Raises NotFound."""
    _change(connection, name, disabled=disabled)


def revoke_all(connection: Connection, name: str, at: float) -> int:
    """Make every token of a user void, derived ones too; returns how many stored ones there were."""
    account = known(connection, name)
    _change(connection, name, epoch=user_account.c.epoch + 1)
    live = (api_token.c.user_id == account.id) & api_token.c.revoked_at.is_(None)
    return connection.execute(sa.update(api_token).where(live).values(revoked_at=at)).rowcount


def _change(connection: Connection, name: str, **values: object) -> None:
    known(connection, name)
    connection.execute(sa.update(user_account).where(user_account.c.name == name).values(**values))


def _account(row: AnyRow) -> Account:
    groups = frozenset(msgspec.json.decode(row.member_of, type=list[str]))
    return Account(row.id, row.name, row.role, groups, bool(row.disabled), row.epoch, row.created_at)


def _text(groups: Sequence[str]) -> str:
    return msgspec.json.encode(sorted(set(groups))).decode()
