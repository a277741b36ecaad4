"""The one function that decides who may do what.

Two tables, both of what is allowed; what stands in neither is refused. A workflow's commands run as the person
who drives it, so not even an administrator may change or drive another user's: whoever could would run commands
as somebody else.
"""

from collections.abc import Mapping

from jobmon.core.exceptions import Forbidden, Unauthorized
from jobmon.core.routes import Action
from jobmon.server.auth.principal import EVERYBODYS, Principal, Role, Scope, Thing

_PERSONS: frozenset[Action] = frozenset(
    ("open", "self", "metrics", "read", "inspect", "create", "write", "stop", "drive", "work", "administer")
)

OPENS: Mapping[Scope, frozenset[Action]] = {  # what a token is good for at all
    "nobody": frozenset(("open",)),
    "guest": frozenset(("open", "login")),
    "everything": _PERSONS | {"login"},
    "user": _PERSONS | {"login"},
    "drive": frozenset(("open", "self", "read", "drive", "work")),
    "work": frozenset(("open", "work")),
    "metrics": frozenset(("open", "metrics")),
}

RESERVED: Mapping[Action, tuple[Role, ...]] = {  # what not every person may do
    "metrics": ("operator", "admin"),
    "administer": ("admin",),
}

TO_OTHERS: Mapping[Role, frozenset[Action]] = {  # what a person may do to what is somebody else's
    "user": frozenset(("read",)),
    "operator": frozenset(("read", "inspect", "stop")),
    "admin": frozenset(("read", "inspect", "stop")),
}


def authorize(who: Principal, action: Action, thing: Thing = EVERYBODYS) -> None:
    """Do nothing if `who` may do that to `thing`.

    Raises Unauthorized when a token would be needed, Forbidden with the owner's name when it is somebody else's.
    """
    if action not in OPENS[who.scope]:
        if who.scope in ("nobody", "guest"):
            raise Unauthorized(
                "no valid token came with the request; see JOBMON__HTTP__TOKEN_FILE, `jobmon login`"
            )
        raise Forbidden(f"a token of scope {who.scope!r} is not good for {action!r}")
    if who.scope == "user" and who.role not in RESERVED.get(action, (who.role,)):
        needed = " or ".join(RESERVED[action])
        raise Forbidden(f"{who.name} has the role {who.role}; {action!r} needs the role {needed}")
    if who.is_owner_of_all or thing.owner in ("", who.name):
        return
    if action not in TO_OTHERS[who.role if who.scope == "user" else "user"] and not _is_shown(who, action, thing):
        raise Forbidden(f"{thing.what} belongs to {thing.owner}, and {who.name} may not {action} it")


def _is_shown(who: Principal, action: Action, thing: Thing) -> bool:
    if action != "inspect":
        return False
    return thing.visibility == "all" or (thing.visibility == "group" and not who.groups.isdisjoint(thing.groups))
