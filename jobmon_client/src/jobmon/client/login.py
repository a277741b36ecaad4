"""Getting a token from a site's server: by MUNGE, by a unix socket, or one that an administrator made."""

import http.client
import socket
from urllib.parse import urlsplit

import msgspec

from jobmon.core import exceptions, munge
from jobmon.core.exceptions import ConfigError, ServerUnreachable
from jobmon.core.http import Address, Server
from jobmon.core.routes import API_VERSION, MUNGE, NONCE, PEER, WHOAMI
from jobmon.core.settings import Settings
from jobmon.core.wire import Failure, MungeRequest, Nothing, TokenAnswer, WhoAmI

TRIES = 3  # an answer that is lost takes its nonce with it
SOCKET_SECONDS = 30.0


def site_url(settings: Settings) -> str:
    """The configured server. Raises ConfigError when there is none."""
    if not settings.http.service_url:
        raise ConfigError(
            "no server is configured, and your own needs no login. Set JOBMON__HTTP__SERVICE_URL to your site's."
        )
    return settings.http.service_url.rstrip("/")


def by_munge(settings: Settings) -> TokenAnswer:
    """A token for a credential that munged on this machine makes for us.

    Raises ConfigError where there is no MUNGE, Unauthorized or InvalidRequest when the server does not take it.
    """
    url = site_url(settings)
    server = Server(lambda: Address(url, ""), settings.http.request_timeout_seconds, retry_seconds=0)
    host = urlsplit(url).hostname or ""
    for left in reversed(range(TRIES)):
        nonce = server.call(NONCE, Nothing()).nonce
        credential = munge.encode(munge.payload(nonce, host), settings.http.munge_socket)
        try:
            return server.call(MUNGE, MungeRequest(credential=credential, nonce=nonce, host=host))
        except ServerUnreachable:
            if not left:
                raise
    raise AssertionError("unreachable")


def by_socket(path: str) -> TokenAnswer:
    """A token for who we are to the kernel, at the unix socket of a server on this machine.

    Raises ServerUnreachable, or what the server says.
    """
    connection = http.client.HTTPConnection("localhost", timeout=SOCKET_SECONDS)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(SOCKET_SECONDS)
    try:
        connection.sock.connect(path)
        connection.request("POST", PEER.url(), b"{}", {"X-API": API_VERSION, "Content-Type": "application/json"})
        reply = connection.getresponse()
        body = reply.read()
        if reply.status == 200:
            return msgspec.json.decode(body, type=TokenAnswer)
        failure = msgspec.json.decode(body, type=Failure)
    except (OSError, http.client.HTTPException, msgspec.DecodeError) as error:
        raise ServerUnreachable(f"no Jobmon server answers at the socket {path}: {error}") from error
    finally:
        connection.close()
    raise exceptions.by_name(failure.error)(failure.message)


def check(settings: Settings, token: str) -> WhoAmI:
    """Whom the server takes the bearer of this token for. Raises Unauthorized for a wrong one."""
    url = site_url(settings)
    server = Server(lambda: Address(url, token), settings.http.request_timeout_seconds, retry_seconds=0)
    return server.call(WHOAMI, Nothing())
