"""Who is who: proving it for a token, and the tokens of a run's processes."""

from jobmon.core.wire.base import Answer, Request


class Nonce(Answer, frozen=True, kw_only=True):
    """Something new to sign: good once, for `seconds`."""

    nonce: str
    seconds: float


class MungeRequest(Request, frozen=True, kw_only=True):
    """A credential over `core.munge.payload(nonce, host)`; `host` is the server as the caller calls it."""

    credential: str
    nonce: str
    host: str


class TokenAnswer(Answer, frozen=True, kw_only=True):
    """A token for this user. It is told once and stored nowhere."""

    user: str
    token: str
    expires_at: float


class WhoAmI(Answer, frozen=True, kw_only=True):
    """Whom the server takes the caller for. `expires_at` is 0 for a token that does not expire."""

    user: str
    role: str
    groups: list[str]
    scope: str
    expires_at: float = 0


class Passes(Answer, frozen=True, kw_only=True):
    """Tokens for a run's distributor and for its workers; empty when the caller's own is the one to use."""

    drive: str = ""
    work: str = ""
    renew_seconds: float = 0  # after so long they are best asked for anew
