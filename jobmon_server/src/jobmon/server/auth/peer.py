"""Peer credentials: the kernel says which user is at the other end of a unix socket."""

import pwd
import socket
import struct
from collections.abc import Mapping
from typing import Any

from jobmon.core.exceptions import Unauthorized

_UCRED = struct.Struct("3i")  # pid, uid, gid: struct ucred of unix(7)


def peer_uid(environ: Mapping[str, Any]) -> int:
    """The user at the other end of this request's connection. Raises Unauthorized unless it is a unix socket."""
    connection = environ.get("gunicorn.socket")
    if not isinstance(connection, socket.socket) or connection.family != socket.AF_UNIX:
        raise Unauthorized(
            "only a unix socket says who is at its other end; `jobmon login --socket PATH` uses one"
        )
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    return int(_UCRED.unpack(raw)[1])


def user_name(uid: int) -> str:
    """The name of that user on this machine. Raises Unauthorized when it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        raise Unauthorized(f"the user with the id {uid} has no name on the server's machine") from None
