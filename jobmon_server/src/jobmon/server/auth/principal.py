"""Who asks, and what is asked about: the two values that a decision is made of."""

from typing import Literal, NamedTuple

Role = Literal["user", "operator", "admin"]
Scope = Literal["nobody", "guest", "everything", "user", "drive", "work", "metrics"]
Visibility = Literal["all", "group", "own"]


class Principal(NamedTuple):
    """Whoever shows a token. What the token is good for is its `scope`, what its user may do the `role`.

    nobody      came without a token to a server of one owner; guest: to one that has users
    everything  the owner of an embedded server
    user        a person, from wherever
    drive       the distributor of that user's runs; work: what runs the commands of that user's tasks
    metrics     a machine that watches the server
    """

    name: str
    scope: Scope
    role: Role = "user"
    groups: frozenset[str] = frozenset()
    expires_at: float = 0
    digest: str = ""  # of the token, when that one is stored

    @property
    def is_owner_of_all(self) -> bool:
        """Whether nothing here belongs to anybody else."""
        return self.scope == "everything"


NOBODY = Principal("", "nobody")
GUEST = Principal("", "guest")
EMBEDDED = Principal("", "everything", "admin")
METRICS = Principal("metrics", "metrics")


class Thing(NamedTuple):
    """What a request is about, such as `workflow 7`; without an owner it is everybody's.

    Others who may inspect it: `all`, those with whom its owner shares a group, or nobody but its `own`er.
    """

    what: str = ""
    owner: str = ""
    groups: frozenset[str] = frozenset()
    visibility: Visibility = "own"


EVERYBODYS = Thing()
