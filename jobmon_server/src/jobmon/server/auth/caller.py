"""Whoever makes one request, as its handler sees it."""

from collections.abc import Callable, Collection
from typing import NamedTuple

from sqlalchemy.engine import Connection

from jobmon.core.exceptions import Forbidden, InvalidRequest
from jobmon.core.routes import Action
from jobmon.server.auth.decision import TO_OTHERS, authorize
from jobmon.server.auth.doorkeeper import Doorkeeper
from jobmon.server.auth.principal import EMBEDDED, Principal, Thing
from jobmon.server.store import users

Allow = Callable[[str, str], None]


class Caller(NamedTuple):
    """Who asks. An embedded server has no doorkeeper: all who come in own all there is."""

    who: Principal = EMBEDDED
    doorkeeper: Doorkeeper | None = None

    def named(self, claimed: str) -> str:
        """Whose the request's work is: on a site not what it claims, but who sends it."""
        return self.who.name or claimed

    def allow(self, action: Action) -> Allow:
        """What a store function calls with a thing's name and owner; it raises Forbidden."""
        return lambda what, owner: authorize(self.who, action, Thing(what, owner))

    def may_inspect(self, kind: str, id: int) -> bool:
        """Whether commands, errors and outputs of this workflow may be shown. Raises NotFound."""
        if self.doorkeeper is None or self.who.is_owner_of_all:
            return True
        return self._is_shown(self.doorkeeper.thing(kind, id))

    def shown_owners(self, connection: Connection) -> Collection[str] | None:
        """The users whose workflows may be inspected; None for all."""
        if self.doorkeeper is None or "inspect" in TO_OTHERS[self.who.role]:
            return None
        site = self.at_site.site
        visibility = site.visibility if site else "own"
        everybody = [Thing("", one.name, one.groups, visibility) for one in users.everybody(connection)]
        return None if visibility == "all" else [thing.owner for thing in everybody if self._is_shown(thing)]

    @property
    def at_site(self) -> Doorkeeper:
        """The doorkeeper of a server with users. Raises InvalidRequest for one without."""
        if self.doorkeeper is None or self.doorkeeper.site is None:
            raise InvalidRequest("this server has one owner and no users: nobody logs in to it or out")
        return self.doorkeeper

    def _is_shown(self, thing: Thing) -> bool:
        try:
            authorize(self.who, "inspect", thing)
        except Forbidden:
            return False
        return True
