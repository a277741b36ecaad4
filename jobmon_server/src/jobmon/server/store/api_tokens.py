"""Tokens that are stored: of people, and of what watches the server. Only their hashes are."""

import hashlib
import secrets
from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jobmon.core.exceptions import NotFound, Unauthorized
from jobmon.server.auth.principal import Scope
from jobmon.server.db import AnyRow, insert_one
from jobmon.server.store.users import Account, known
from jobmon.server.tables import api_token, used_nonce, user_account

PREFIX = "jmu_"  # so that a token is known for one wherever it turns up
LIFE_SECONDS = 30 * 86400.0
USED_SECONDS = 3600.0  # how exactly the last use is noted


class Stored(NamedTuple):
    """A token as it is stored, with its user."""

    id: int
    user: str
    scope: Scope
    note: str
    created_at: float
    expires_at: float
    revoked_at: float | None
    used_at: float | None


def digest_of(token: str) -> str:
    """What is stored of a token. It is random enough that no salt is needed."""
    return hashlib.sha256(token.encode()).hexdigest()


def create(
    connection: Connection,
    name: str,
    at: float,
    scope: Scope = "user",
    life_seconds: float = LIFE_SECONDS,
    note: str = "",
) -> tuple[str, float]:
    """A new token of a user, and when it expires: it is told here once. Raises NotFound for the user."""
    account: Account = known(connection, name)
    token = PREFIX + secrets.token_urlsafe(32)
    row = {
        "digest": digest_of(token),
        "user_id": account.id,
        "scope": scope,
        "note": note[:255],
        "created_at": at,
        "expires_at": at + life_seconds,
    }
    insert_one(connection, api_token, row)
    return token, at + life_seconds


def find(connection: Connection, digest: str) -> Stored | None:
    """The token of that hash."""
    row = connection.execute(_TOKENS.where(api_token.c.digest == digest)).one_or_none()
    return None if row is None else _stored(row)


def listed(connection: Connection, name: str = "") -> list[Stored]:
    """Tokens by their ids, of one user or of all."""
    rows = _TOKENS.order_by(api_token.c.id)
    return [_stored(row) for row in connection.execute(rows.where(user_account.c.name == name) if name else rows)]


def revoke(connection: Connection, ids: Sequence[int], at: float) -> None:
    """Make tokens void; one that is void already stays so. Raises NotFound."""
    there = set(connection.execute(sa.select(api_token.c.id).where(api_token.c.id.in_(ids))).scalars())
    if unknown := sorted(set(ids) - there):
        named = ", ".join(map(str, unknown))
        raise NotFound(f"there is no token {named}; `jobmon-server token list` lists them")
    _revoke(connection, api_token.c.id.in_(ids), at)


def revoke_digest(connection: Connection, digest: str, at: float) -> None:
    """Make the token of that hash void."""
    _revoke(connection, api_token.c.digest == digest, at)


def note_use(connection: Connection, token_id: int, at: float) -> None:
    """Remember when a token was used."""
    connection.execute(sa.update(api_token).where(api_token.c.id == token_id).values(used_at=at))


def use_nonce(connection: Connection, nonce: str, at: float, expires_at: float) -> None:
    """Note that a nonce was used. Raises Unauthorized when it was before."""
    connection.execute(sa.delete(used_nonce).where(used_nonce.c.expires_at < at))
    if connection.execute(sa.select(used_nonce.c.nonce).where(used_nonce.c.nonce == nonce)).first() is not None:
        raise Unauthorized(
            "this login was made before; each nonce is good once, `jobmon login` asks for a new one"
        )
    connection.execute(sa.insert(used_nonce).values(nonce=nonce, expires_at=expires_at))  # of two, one fails


_TOKENS = sa.select(api_token, user_account.c.name).join(user_account, user_account.c.id == api_token.c.user_id)


def _revoke(connection: Connection, which: sa.ColumnElement[bool], at: float) -> None:
    connection.execute(sa.update(api_token).where(which, api_token.c.revoked_at.is_(None)).values(revoked_at=at))


def _stored(row: AnyRow) -> Stored:
    times = (row.created_at, row.expires_at, row.revoked_at, row.used_at)
    return Stored(row.id, row.name, row.scope, row.note, *times)
