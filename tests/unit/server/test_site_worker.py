"""The process of a site's server, among its connections."""

import os
import selectors
import socket
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.workers.gthread import TConn

from jobmon.server.site_worker import Worker


@pytest.fixture
def worker() -> Iterator[Worker]:
    settings = Config()
    settings.set("keepalive", 1000)
    worker = Worker(1, os.getppid(), [], None, 30, settings, Logger(settings))
    worker.poller = selectors.DefaultSelector()
    yield worker
    worker.poller.close()
    worker.tmp.close()


@pytest.fixture
def clients() -> Iterator[list[socket.socket]]:
    """The far ends of all that `connect` makes."""
    found: list[socket.socket] = []
    yield found
    for one in found:
        one.close()


def connect(worker: Worker, clients: list[socket.socket]) -> TConn:
    """A connection of a client, which has been let in."""
    client, server = socket.socketpair()
    clients.append(client)
    client.settimeout(60)
    worker.nr_conns += 1
    return TConn(worker.cfg, server, ("", 0), ("", 0))


def waiting(worker: Worker, clients: list[socket.socket], count: int) -> list[TConn]:
    """Connections that wait for their next request."""
    conns = [connect(worker, clients) for _ in range(count)]
    for conn in conns:
        answered(conn, worker, True)
    return conns


def answered(conn: TConn, worker: Worker, result: object) -> None:
    """Its request is over; `result` says whether the connection stays."""
    done: Future[Any] = Future()
    done.set_result(result)
    if result:
        conn.init()
    worker.finish_request(conn, done)


def test_connections_that_wait_too_long_are_closed_and_the_others_stay(
    worker: Worker, clients: list[socket.socket]
) -> None:
    conns = waiting(worker, clients, 5)
    for conn in conns[:2]:
        conn.timeout = 0.0
    worker.murder_keepalived()

    assert [client.recv(1) for client in clients[:2]] == [b"", b""]
    assert list(worker.keepalived_conns) == conns[2:]
    assert worker.nr_conns == 3
    worker.murder_keepalived(force=True)


def test_a_connection_on_which_somebody_speaks_waits_no_longer(
    worker: Worker, clients: list[socket.socket]
) -> None:
    conns = waiting(worker, clients, 3)
    spoken: list[TConn] = []
    worker.enqueue_req = spoken.append

    worker.on_client_socket_readable(conns[1], conns[1].sock)

    assert spoken == [conns[1]]
    assert list(worker.keepalived_conns) == [conns[0], conns[2]]
    assert worker.nr_conns == len(clients) == 3
    for conn in conns:
        conn.close()


def test_the_last_answer_of_a_connection_leaves_nothing_to_the_main_thread(
    worker: Worker, clients: list[socket.socket]
) -> None:
    conn = connect(worker, clients)
    clients[0].close()  # without a word

    assert worker.handle(conn) is False
    assert conn.sock.fileno() == -1
    answered(conn, worker, False)
    assert worker.nr_conns == 0


def test_at_the_end_no_connection_waits_longer_than_is_left(worker: Worker, clients: list[socket.socket]) -> None:
    conns = waiting(worker, clients, 2)
    worker._cap_keepalive(conns[0].timeout - 1)
    assert {conn.timeout for conn in worker.keepalived_conns} == {conns[0].timeout}

    worker.murder_keepalived(force=True)

    assert worker.nr_conns == len(worker.keepalived_conns) == 0
