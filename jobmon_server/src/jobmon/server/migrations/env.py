"""Alembic's way into this folder: run the steps on the connection that `schema.upgrade` hands over."""

import sqlalchemy as sa
from alembic import context

from jobmon.server.tables import metadata


def _run(connection: sa.Connection) -> None:
    context.configure(connection=connection, target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()


if "connection" in context.config.attributes:
    _run(context.config.attributes["connection"])
else:  # a developer's `alembic -x url=... revision --autogenerate`
    with sa.create_engine(context.get_x_argument(as_dictionary=True)["url"]).connect() as _connection:
        _run(_connection)
