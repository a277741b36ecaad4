"""${message}."""

import sqlalchemy as sa

from jobmon.server.migrations import steps

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
serves_from = ${repr(up_revision)}  # the oldest schema whose servers may go on working on this one


def upgrade() -> None:
    """To be written with the verbs of `steps`: each has to do no harm when it was done already."""
    ${upgrades if upgrades else "pass"}
