"""Secrets: the token that opens the server, and the ones that stand for a single attempt."""

import contextlib
import hashlib
import hmac
import os
import secrets
from pathlib import Path


def attempt_token(secret: bytes, instance_id: int, runner: str) -> str:
    """What a runner must show to report about an attempt it was granted; nothing has to be stored for it."""
    return hashlib.blake2b(f"{instance_id}:{runner}".encode(), key=secret, digest_size=16).hexdigest()


def same(one: str, other: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(one.encode(), other.encode())


def read_or_make(path: Path) -> str:
    """The secret in a private file, made with mode 0600 when it is missing.

    It gets its name when it is whole: an empty token, left by a kill or a full disk, would open the server to all.
    """
    with contextlib.suppress(FileNotFoundError):
        if found := path.read_text().strip():
            return found
    made = secrets.token_urlsafe(32)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as handle:  # noqa: PTH123
        handle.write(made)
    fresh.rename(path)
    return made
