"""Tokens that need no row: a user, a scope and an end, with a keyed hash over them.

They are for processes that come by the thousand. Nothing of them is stored, so checking one asks no database
but for its user, who is remembered (see `doorkeeper`). They are void when the user is disabled, or when the
user's `epoch` has moved on, which is how all of them are revoked at once.
"""

import base64
import binascii
import hashlib
from typing import NamedTuple, cast

from jobmon.server.auth.principal import Scope
from jobmon.server.tokens import same

PREFIX = "jmd_"
SCOPES = ("drive", "work")


class Signed(NamedTuple):
    """What such a token says."""

    name: str
    scope: Scope
    epoch: int
    expires_at: float


def write(secret: bytes, signed: Signed) -> str:
    """The token that says so."""
    text = f"{signed.scope}:{signed.epoch}:{signed.expires_at:.0f}:{signed.name}"
    body = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    return f"{PREFIX}{body}.{_mac(secret, body)}"


def read(secret: bytes, token: str) -> Signed | None:
    """What a token of ours says, None if it is none. Whether it is still good is not decided here."""
    body, dot, mac = token.removeprefix(PREFIX).partition(".")
    if not dot or not same(mac, _mac(secret, body)):
        return None
    try:
        text = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    scope, epoch, expires_at, name = text.split(":", 3)
    return Signed(name, cast(Scope, scope), int(epoch), float(expires_at)) if scope in SCOPES else None


def _mac(secret: bytes, body: str) -> str:
    return hashlib.blake2b(body.encode(), key=secret, digest_size=24, person=b"jobmon pass").hexdigest()
