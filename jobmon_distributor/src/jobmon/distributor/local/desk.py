"""The executor's side of the socket: takes connections of distributors and answers their requests.

Nothing here waits: a distributor that stopped reading holds up nobody but itself.
"""

import os
import selectors
import socket
from collections.abc import Callable

import msgspec

from jobmon.distributor.local import channel
from jobmon.distributor.local.messages import Reply, Request

_decode = msgspec.json.Decoder(Request).decode
_encode = msgspec.json.Encoder().encode


class Desk:
    """All connections. `answer` makes the reply to a request."""

    def __init__(
        self,
        listener: socket.socket,
        selector: selectors.BaseSelector,
        answer: Callable[[Request], Reply],
        log: Callable[[str], None],
    ) -> None:
        """Registers the listener with the selector; what it registers is called when it is ready."""
        self._listener = listener
        self._selector = selector
        self._answer = answer
        self._log = log
        self._held: dict[socket.socket, tuple[channel.Frames, bytearray]] = {}
        selector.register(listener, selectors.EVENT_READ, self._accept)

    def __len__(self) -> int:
        """How many distributors are connected."""
        return len(self._held)

    def close(self) -> None:
        """Let go of everybody."""
        for connection in list(self._held):
            self._drop(connection)
        self._selector.unregister(self._listener)
        self._listener.close()

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        try:
            channel.check_peer(connection)
        except PermissionError as error:
            self._log(str(error))
            connection.close()
            return
        connection.setblocking(False)
        self._held[connection] = (channel.Frames(), bytearray())
        self._selector.register(connection, selectors.EVENT_READ, lambda: self._serve(connection))

    def _serve(self, connection: socket.socket) -> None:
        frames, out = self._held[connection]
        try:
            self._receive(connection, frames, out)
            self._send(connection, out)
        except (OSError, ValueError, msgspec.MsgspecError) as error:
            if not isinstance(error, ConnectionError):
                self._log(f"a distributor's request cannot be read: {error}")
            self._drop(connection)

    def _receive(self, connection: socket.socket, frames: channel.Frames, out: bytearray) -> None:
        try:
            received = connection.recv(1 << 20)
        except BlockingIOError:
            return
        if not received:
            raise ConnectionResetError(os.strerror(104))
        for body in frames.feed(received):
            out += channel.frame(_encode(self._answer(_decode(body))))

    def _send(self, connection: socket.socket, out: bytearray) -> None:
        try:
            while out:
                del out[: connection.send(out)]
        except BlockingIOError:
            pass
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if out else 0)
        self._selector.modify(connection, events, lambda: self._serve(connection))

    def _drop(self, connection: socket.socket) -> None:
        del self._held[connection]
        self._selector.unregister(connection)
        connection.close()
