"""A request that makes something has an id: asked again with it, it finds what it made."""

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jobmon.core.exceptions import InvalidRequest
from jobmon.server.db import AnyRow


def made_by(connection: Connection, table: sa.Table, request_id: str, **own: object) -> AnyRow | None:
    """The row of `table` that this request made; None when it is a new one.

    Raises InvalidRequest when what it made differs in the columns `own`: then the id is that of another request.
    """
    found = connection.execute(sa.select(table).where(table.c.request_id == request_id)).one_or_none()
    if found is not None and any(found._mapping[name] != value for name, value in own.items()):
        raise InvalidRequest(
            f"the request_id {request_id[:80]!r} is that of an earlier request, which made {table.name} "
            f"{found.id}; each request needs an id of its own"
        )
    return found
