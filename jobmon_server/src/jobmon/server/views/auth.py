"""Log in and out, and the tokens of a run's processes."""

import getpass

import flask
from sqlalchemy.engine import Connection

from jobmon.core import routes
from jobmon.core.exceptions import ConfigError, InvalidRequest, Unauthorized
from jobmon.core.ids import WorkflowRunId
from jobmon.core.wire import Done, MungeRequest, Nonce, Nothing, Passes, TokenAnswer, WhoAmI
from jobmon.server.auth import login, signed
from jobmon.server.auth.peer import peer_uid
from jobmon.server.auth.signed import Signed
from jobmon.server.serve import handles
from jobmon.server.service import Service
from jobmon.server.store import api_tokens

DRIVE_SECONDS = 2 * 86400.0  # an outage of a day must not end a run
WORK_SECONDS = 14 * 86400.0  # nor a distributor that nobody restarts for a week lose what workers have to tell
RENEW_SECONDS = DRIVE_SECONDS / 4


@handles(routes.NONCE)
def nonce(service: Service, sent: Nothing) -> Nonce:
    """Something new to sign."""
    doorkeeper = service.caller.at_site
    return Nonce(nonce=login.new_nonce(doorkeeper.secret, doorkeeper.now()), seconds=login.NONCE_SECONDS)


@handles(routes.MUNGE)
def munge(service: Service, sent: MungeRequest) -> TokenAnswer:
    """A token for a MUNGE credential over a nonce of ours."""
    doorkeeper = service.caller.at_site
    expires_at = login.check_nonce(doorkeeper.secret, sent.nonce, doorkeeper.now())
    socket = doorkeeper.site.munge_socket if doorkeeper.site else ""
    try:
        uid = login.check_credential(sent, service.hosts, socket)
    except ConfigError as error:
        raise InvalidRequest(f"this server cannot check MUNGE credentials: {error}") from error

    def unit(connection: Connection, at: float) -> TokenAnswer:
        api_tokens.use_nonce(connection, sent.nonce[-64:], at, expires_at)
        return login.admit(connection, uid, at, "munge")

    return service.write(unit)


@handles(routes.PEER)
def peer(service: Service, sent: Nothing) -> TokenAnswer:
    """A token for who is at the other end of a unix socket."""
    service.caller.at_site  # noqa: B018  # refuses where nobody logs in
    if any(name in flask.request.headers for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via")):
        raise Unauthorized("this request came through a proxy, which is who is at the other end of the socket")
    uid = peer_uid(flask.request.environ)
    return service.write(lambda c, at: login.admit(c, uid, at, "peer"))


@handles(routes.LOGOUT)
def logout(service: Service, sent: Nothing) -> Done:
    """Make the token that came with this request void."""
    doorkeeper, who = service.caller.at_site, service.caller.who
    service.write(lambda c, at: api_tokens.revoke_digest(c, who.digest, at))
    doorkeeper.forget(who)
    return Done()


@handles(routes.WHOAMI)
def whoami(service: Service, sent: Nothing) -> WhoAmI:
    """Whom this server takes the caller for."""
    who = service.caller.who
    name = who.name or getpass.getuser()
    groups = sorted(who.groups)
    return WhoAmI(user=name, role=who.role, groups=groups, scope=who.scope, expires_at=who.expires_at)


@handles(routes.PASSES)
def passes(service: Service, sent: Nothing, run_id: WorkflowRunId) -> Passes:
    """Tokens for the run's distributor and workers; none where one token opens everything."""
    doorkeeper, who = service.caller.doorkeeper, service.caller.who
    if doorkeeper is None or doorkeeper.site is None:
        return Passes()
    epoch, now = doorkeeper.account(who.name).epoch, doorkeeper.now()
    drive = Signed(who.name, "drive", epoch, now + DRIVE_SECONDS)
    work = Signed(who.name, "work", epoch, now + WORK_SECONDS)
    secret = doorkeeper.secret
    return Passes(drive=signed.write(secret, drive), work=signed.write(secret, work), renew_seconds=RENEW_SECONDS)
