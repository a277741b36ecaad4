"""The unix socket between plugin and executor: where it is, who may use it, and its frames.

The socket lies in the private state folder. A socket's path may have 107 bytes only, so it is named through
/proc/self/fd, whatever the folder's own path is. A frame is a length of four bytes and a JSON object.
"""

import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

SOCKET = "executor.sock"
LARGEST_FRAME_BYTES = 512 * 1024 * 1024
_LENGTH = struct.Struct("!I")
_CREDENTIALS = struct.Struct("3i")


def listen(state_dir: Path) -> socket.socket:
    """The executor's end. The caller holds the folder's lock, so an old socket is nobody's."""
    (state_dir / SOCKET).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    folder = os.open(state_dir, os.O_RDONLY | os.O_DIRECTORY)
    try:
        listener.bind(f"/proc/self/fd/{folder}/{SOCKET}")
    finally:
        os.close(folder)
    listener.listen(16)
    listener.setblocking(False)
    return listener


def connect(state_dir: Path) -> socket.socket:
    """The plugin's end. Raises OSError when nobody listens, PermissionError when a stranger does."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    folder = os.open(state_dir, os.O_RDONLY | os.O_DIRECTORY)
    try:
        connection.connect(f"/proc/self/fd/{folder}/{SOCKET}")
        check_peer(connection)
    except OSError:
        connection.close()
        raise
    finally:
        os.close(folder)
    return connection


def check_peer(connection: socket.socket) -> None:
    """Raises PermissionError unless the process at the other end is of the same user."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, user, _ = _CREDENTIALS.unpack(raw)
    if user != os.getuid():
        raise PermissionError(f"process {pid} of user {user} is at the other end of the executor's socket")


def frame(body: bytes) -> bytes:
    """The body as it goes over the socket."""
    return _LENGTH.pack(len(body)) + body


def receive(connection: socket.socket) -> bytes:
    """The next body on a blocking connection. Raises ConnectionError when the other end is gone."""
    (size,) = _LENGTH.unpack(_exactly(connection, _LENGTH.size))
    return _exactly(connection, size)


def _exactly(connection: socket.socket, count: int) -> bytes:
    received = bytearray()
    while len(received) < count:
        more = connection.recv(min(count - len(received), 1 << 20))
        if not more:
            raise ConnectionResetError("the executor closed the connection")
        received += more
    return bytes(received)


class Frames:
    """Bodies out of bytes that come in any pieces."""

    def __init__(self) -> None:
        """Nothing received yet."""
        self._held = bytearray()

    def feed(self, received: bytes) -> Iterator[bytes]:
        """The bodies that are complete now. Raises ValueError for a length that cannot be."""
        self._held += received
        while len(self._held) >= _LENGTH.size:
            (size,) = _LENGTH.unpack_from(self._held)
            if size > LARGEST_FRAME_BYTES:
                raise ValueError(f"a frame of {size} bytes")
            end = _LENGTH.size + size
            if len(self._held) < end:
                return
            body = bytes(self._held[_LENGTH.size : end])
            del self._held[:end]
            yield body
