"""Tells who shows a token, and whose a thing is.

Workers ask by the thousand, so nearly all answers come from memory: a revoked token, a disabled user or another
role may take REMEMBERED_SECONDS to be noticed by each server process. The database's clock says what has expired:
its distance from ours is noted whenever the database is asked anyway.
"""

import contextlib
import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from sqlalchemy.engine import Connection

from jobmon.core.exceptions import ServerBusy, StorageFull, Unauthorized
from jobmon.server import db
from jobmon.server.auth import signed
from jobmon.server.auth.memory import Memory
from jobmon.server.auth.principal import EMBEDDED, GUEST, NOBODY, Principal, Thing, Visibility
from jobmon.server.store import api_tokens, owners, users
from jobmon.server.store.api_tokens import Stored
from jobmon.server.store.users import Account
from jobmon.server.tokens import same

REMEMBERED_SECONDS = 15.0
OWNER_SECONDS = 60.0  # owners do not change; ids could be given again by a database that lost rows

Result = TypeVar("Result")


class Site(NamedTuple):
    """What the settings say about the users of a server that has some."""

    visibility: Visibility = "group"
    munge_socket: str = ""


class Doorkeeper:
    """One for each server process. Without a `site` there is one owner, who shows `owner_token`."""

    def __init__(self, database: db.Database, secret: bytes, owner_token: str, site: Site | None) -> None:
        """Asks nothing yet."""
        self.site = site
        self.secret = secret
        self._database = database
        self._owner_token = owner_token
        self._ahead = 0.0  # the database's clock, from our monotonic one
        self._tokens: Memory[str, Stored | None] = Memory(REMEMBERED_SECONDS)
        self._accounts: Memory[str, Account | None] = Memory(REMEMBERED_SECONDS)
        self._owners: Memory[tuple[str, int], str] = Memory(OWNER_SECONDS)

    def identify(self, authorization: str) -> Principal:
        """Who sends this header. Raises Unauthorized for a token that is not valid."""
        kind, _, token = authorization.partition(" ")
        if self.site is None:
            return EMBEDDED if kind == "Bearer" and same(token, self._owner_token) else NOBODY
        if kind != "Bearer" or not token:
            return GUEST
        return self._signed(token) if token.startswith(signed.PREFIX) else self._stored(token)

    def account(self, name: str) -> Account:
        """The user of that name. Raises Unauthorized when there is none, or none any more."""
        account = self._accounts.get(name, lambda: self.ask(lambda c: users.find(c, name)))
        if account is None:
            raise Unauthorized(f"this server knows no user {name!r}")
        if account.disabled:
            raise Unauthorized(f"the user {name} is disabled on this server; its administrators can tell why")
        return account

    def thing(self, kind: str, id: int) -> Thing:
        """A workflow, run or task with its owner. Raises NotFound."""
        ask = {"workflow": owners.of_workflow, "run": owners.of_run, "task": owners.of_task}[kind]
        owner = self._owners.get((kind, id), lambda: self.ask(lambda c: ask(c, id)))
        return self.owned(f"{'workflow run' if kind == 'run' else kind} {id}", owner)

    def owned(self, what: str, owner: str) -> Thing:
        """A thing of that owner, with who else may look at it."""
        account = self._accounts.get(owner, lambda: self.ask(lambda c: users.find(c, owner)))
        groups = account.groups if account else frozenset()
        return Thing(what, owner, groups, self.site.visibility if self.site else "all")

    def forget(self, who: Principal) -> None:
        """Look at this one's token and rights anew."""
        self._tokens.forget(who.digest)
        self._accounts.forget(who.name)

    def now(self) -> float:
        """The time by the database's clock."""
        if not self._ahead:
            self.ask(lambda c: None)
        return time.monotonic() + self._ahead

    def ask(self, unit: Callable[[Connection], Result]) -> Result:
        """Read, and note the database's clock."""

        def ask(connection: Connection) -> Result:
            self._ahead = db.now(connection) - time.monotonic()
            return unit(connection)

        return self._database.read(ask)

    def _stored(self, token: str) -> Principal:
        digest = api_tokens.digest_of(token)
        found = self._tokens.get(digest, lambda: self._look_up(digest))
        if found is None:
            self._tokens.forget(digest)  # it may be made in a moment
            raise Unauthorized("the token is not one of this server; `jobmon login` gets one")
        if found.revoked_at is not None:
            raise Unauthorized(f"token {found.id} of {found.user} was revoked; `jobmon login` gets another one")
        if self.now() >= found.expires_at:
            raise Unauthorized(f"token {found.id} of {found.user} has expired; `jobmon login` gets another one")
        account = self.account(found.user)
        return Principal(account.name, found.scope, account.role, account.groups, found.expires_at, digest)

    def _signed(self, token: str) -> Principal:
        said = signed.read(self.secret, token)
        if said is None:
            raise Unauthorized("the token is not one of this server")
        account = self.account(said.name)
        if said.epoch != account.epoch:
            raise Unauthorized(f"all tokens of {account.name} were revoked; `jobmon login` gets another one")
        if self.now() >= said.expires_at:
            raise Unauthorized(f"this token of a run of {account.name} has expired; its distributor renews it")
        return Principal(account.name, said.scope, account.role, account.groups, said.expires_at)

    def _look_up(self, digest: str) -> Stored | None:
        found = self.ask(lambda c: api_tokens.find(c, digest))
        if found and self.now() - (found.used_at or 0) > api_tokens.USED_SECONDS:
            with contextlib.suppress(StorageFull, ServerBusy):  # nobody is kept out by a full disk
                self._database.write(lambda c: api_tokens.note_use(c, found.id, db.now(c)))
        return found
