"""Proof for token: what a person shows who has none yet.

A nonce is a keyed hash over its own end, so nothing is stored when one is asked for; that it was used is. A
credential that signs one is good once, on this server only, however many processes and machines serve.
"""

import hashlib
import secrets

from sqlalchemy.engine import Connection

from jobmon.core import munge
from jobmon.core.exceptions import InvalidRequest, Unauthorized
from jobmon.core.wire import MungeRequest, TokenAnswer
from jobmon.server.auth.peer import user_name
from jobmon.server.store import api_tokens, users
from jobmon.server.tokens import same

NONCE_SECONDS = 60.0
FIRST_PERSON = 1000  # users with smaller ids are services, such as a proxy that speaks for others; 0 is a person


def new_nonce(secret: bytes, at: float) -> str:
    """One that is good for NONCE_SECONDS."""
    body = f"{at + NONCE_SECONDS:.0f}.{secrets.token_hex(8)}"
    return f"{body}.{_mac(secret, body)}"


def check_nonce(secret: bytes, nonce: str, at: float) -> float:
    """When it ends. Raises Unauthorized when it is not one of ours, or too old."""
    body, _, mac = nonce.rpartition(".")
    if not same(mac, _mac(secret, body)):
        raise Unauthorized("the nonce is not one of this server")
    expires_at = float(body.partition(".")[0])
    if at >= expires_at:
        raise Unauthorized(f"the nonce is older than {NONCE_SECONDS:.0f} s; ask for another one")
    return expires_at


def _mac(secret: bytes, body: str) -> str:
    return hashlib.blake2b(body.encode(), key=secret, digest_size=12, person=b"jobmon nonce").hexdigest()


def check_credential(sent: MungeRequest, hosts: frozenset[str], socket: str) -> int:
    """The user that made it. Raises Unauthorized when that was for something else, ConfigError without MUNGE."""
    if hosts and sent.host not in hosts:
        raise Unauthorized(f"the credential is for {sent.host!r}, which is not this server")
    proof = munge.decode(sent.credential, socket)
    if not secrets.compare_digest(proof.payload, munge.payload(sent.nonce, sent.host)):
        raise Unauthorized("the credential was not made for this login")
    return proof.uid


def admit(connection: Connection, uid: int, at: float, note: str) -> TokenAnswer:
    """A token for who proved to be this user; one who comes for the first time becomes a user.

    Raises Unauthorized for a disabled user, InvalidRequest for a system account.
    """
    name = user_name(uid)
    account = users.find(connection, name)
    if account is None:
        if 0 < uid < FIRST_PERSON:
            raise InvalidRequest(
                f"{name} (id {uid}) is a system account; `jobmon-server user add {name}` admits it"
            )
        account = users.add(connection, name, "user", [], at)
    if account.disabled:
        raise Unauthorized(f"the user {name} is disabled on this server; its administrators can tell why")
    token, expires_at = api_tokens.create(connection, name, at, note=note)
    return TokenAnswer(user=name, token=token, expires_at=expires_at)
