"""The only HTTP client of client and distributor, and the only place where they retry.

An answer that did not arrive says nothing about whether the request took effect. Every request of ours can
therefore be repeated (it carries its key), and whatever is not an answer of our server - refused
connections, time-outs, cut answers, a proxy's error page - is simply tried again until the budget is spent.
"""

import math
import random
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec
import requests
import tenacity

from jobmon.core import __version__, exceptions
from jobmon.core.exceptions import InvalidResponse, JobmonError, ServerBusy, ServerUnreachable, Unauthorized
from jobmon.core.routes import API_VERSION, Route
from jobmon.core.wire import Answer, Failure, Request

Got = TypeVar("Got", bound=Answer)
Sent = TypeVar("Sent", bound=Request)

FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 10.0


class Address(NamedTuple):
    """Where the server is and what opens it; after `until`, by the monotonic clock, it is best asked for anew."""

    url: str
    token: str
    until: float = math.inf


class Unanswered(JobmonError):
    """Internal: this try got no answer of our server; `retry_after_seconds` is the server's own wish."""

    def __init__(self, message: str, retry_after_seconds: float = 0) -> None:
        """`message` is what the user reads when the budget is spent."""
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Server:
    """The state server as seen by one thread.

    locate         finds the server; asked again after every failed connection, because servers move
    retry_seconds  how long one call keeps trying; None = for ever
    on_wait        told (url, seconds waited so far, reason) before each further try
    """

    def __init__(
        self,
        locate: Callable[[], Address],
        request_timeout_seconds: float = 30,
        retry_seconds: float | None = 300,
        on_wait: Callable[[str, float, str], None] | None = None,
    ) -> None:
        """Nothing is opened before the first call."""
        self._locate = locate
        self._address: Address | None = None
        self._last_url = ""
        self._timeout = request_timeout_seconds
        self.retry_seconds = retry_seconds
        self._on_wait = on_wait
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy from the environment must not see a loopback server
        self._session.verify = _authorities()
        self.requests_sent = 0

    @property
    def address(self) -> Address:
        """Where the server was last found."""
        if self._address is None or time.monotonic() > self._address.until:
            self._address = self._locate()
        return self._address

    def call(self, route: Route[Sent, Got], sent: Sent, **ids: int) -> Got:
        """Send one request and return the server's answer.

        Raises the exception class that the server named; ServerUnreachable when the budget is spent.
        """
        began = time.monotonic()
        body = msgspec.json.encode(sent) if route.method == "POST" else None
        query = msgspec.to_builtins(sent) if route.method == "GET" else None
        extra = float(getattr(sent, "wait_seconds", 0))

        def told(state: tenacity.RetryCallState) -> None:
            if self._on_wait and state.outcome:
                self._on_wait(self._last_url, time.monotonic() - began, str(state.outcome.exception()))

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(Unanswered),
            wait=_pause,
            stop=tenacity.stop_never
            if self.retry_seconds is None
            else tenacity.stop_after_delay(self.retry_seconds),
            before_sleep=told,
            reraise=True,
        )
        try:
            answer: Got = retrying(self._once, route, route.url(**ids), body, query, extra)
        except Unanswered as unanswered:
            waited = time.monotonic() - began
            raise ServerUnreachable(
                f"{unanswered}. Tried for {waited:.0f} s. Nothing is lost: repeat the command when the "
                "server is back (jobmon server status)."
            ) from unanswered
        return answer

    def _once(
        self,
        route: Route[Sent, Got],
        path: str,
        body: bytes | None,
        query: dict[str, object] | None,
        extra_seconds: float,
    ) -> Got:
        url, token, _ = self.address
        self._last_url = url
        self.requests_sent += 1
        try:
            reply = self._session.request(
                route.method,
                url + path,
                data=body,
                params=query,  # type: ignore[arg-type]  # scalars and lists of scalars
                timeout=(self._timeout, self._timeout + extra_seconds),
                allow_redirects=False,
                headers={
                    "Authorization": f"Bearer {token}",
                    "Content-Type": "application/json",
                    "X-API": API_VERSION,
                    "User-Agent": f"jobmon/{__version__}",
                },
            )
        except requests.RequestException as error:
            self._address = None
            raise Unanswered(f"no answer from the Jobmon server at {url} ({_reason(error)})") from error
        if reply.status_code == Unauthorized.http_status:
            self._address = None  # the next call looks for another token
        return _read(route, url + path, reply)


def _authorities() -> str | bool:
    """The certificates that this machine trusts, as workers do; True, for those that come with requests, if none.

    SSL_CERT_FILE and SSL_CERT_DIR name others, as for any program that uses OpenSSL.
    """
    known = ssl.get_default_verify_paths()
    folder = known.capath and any(Path(known.capath).iterdir()) and known.capath
    return known.cafile or folder or True


def _pause(state: tenacity.RetryCallState) -> float:
    failure = state.outcome.exception() if state.outcome else None
    wished = getattr(failure, "retry_after_seconds", 0.0)
    jittered = tenacity.wait_random_exponential(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)(state)
    return max(float(wished) * random.uniform(1, 2), jittered)  # not all of them at the same moment


def _reason(error: BaseException) -> str:
    """The innermost cause, which is the line a user can act on."""
    while error.__context__ is not None:
        error = error.__context__
    return f"{type(error).__name__}: {error}"


def _read(route: Route[Sent, Got], url: str, reply: requests.Response) -> Got:
    if reply.status_code == 200:
        try:
            return msgspec.json.decode(reply.content, type=route.got)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _not_ours(url, reply) from error
    try:
        failure = msgspec.json.decode(reply.content, type=Failure)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _not_ours(url, reply) from error
    if reply.status_code in (429, ServerBusy.http_status):
        raise Unanswered(
            f"the Jobmon server at {url} is busy: {failure.message}", failure.retry_after_seconds or 0
        )
    raise exceptions.by_name(failure.error)(failure.message)


def _not_ours(url: str, reply: requests.Response) -> JobmonError:
    kind = reply.headers.get("Content-Type", "no content type")
    text = f"{url} answered {reply.status_code} ({kind}), which is not an answer of a Jobmon server"
    if reply.status_code >= 500 or reply.status_code in (200, 429):
        wished = reply.headers.get("Retry-After", "")  # a proxy may give a date: then it is our own pause
        return Unanswered(text, float(wished) if wished.isdecimal() else 0)
    return InvalidResponse(f"{text}. Check JOBMON__HTTP__SERVICE_URL and any proxy in between.")
