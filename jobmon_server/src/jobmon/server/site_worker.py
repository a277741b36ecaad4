"""gunicorn's process with threads, made fit for ten thousand connections: its main thread waits for no client.

gunicorn's own lets the main thread wait, for up to two seconds, until a client has closed the connection that the
server closed first. Meanwhile nobody is let in; a handful of clients on dead nodes would stop a site. For each
request it also looks through all idle connections, which with thousands was a tenth of the process's time.
"""

from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import Future
from itertools import islice
from typing import Any

from gunicorn.workers import gthread


class _Idle:
    """Connections that wait for their next request, the longest-waiting first: a deque that finds its members."""

    def __init__(self) -> None:
        self._conns: OrderedDict[gthread.TConn, None] = OrderedDict()
        self.append = self._conns.setdefault
        self.remove = self._conns.__delitem__

    def popleft(self) -> gthread.TConn:
        return self._conns.popitem(last=False)[0]

    def __getitem__(self, place: int) -> gthread.TConn:
        return next(islice(self._conns, place, None))

    def __iter__(self) -> Iterator[gthread.TConn]:
        return iter(self._conns)

    def __len__(self) -> int:
        return len(self._conns)


class Worker(gthread.ThreadWorker):
    """What `worker_class` names."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """gunicorn's, with its connections where they are found at once."""
        super().__init__(*args, **kwargs)
        self.keepalived_conns: Any = _Idle()

    def handle(self, conn: gthread.TConn) -> Any:
        """Answer a request, in one of the threads; if it was the connection's last, the thread closes it."""
        goes_on = super().handle(conn)
        if goes_on is False:
            conn.close(graceful=True)
        return goes_on

    def finish_request(self, conn: gthread.TConn, fs: "Future[Any]") -> None:
        """In the main thread, after `handle`."""
        if fs.cancelled() or fs.exception() is not None or fs.result() is not False:
            super().finish_request(conn, fs)
        else:
            self.nr_conns -= 1
