"""The history of the schema: one numbered step for each version, run by Alembic.

A new step: raise `tables.SCHEMA_VERSION`, change `tables.py`, and in jobmon_server/ call

    alembic -x url=sqlite:////tmp/old.db revision --autogenerate --rev-id 0002 -m "what it brings"

on a database of the version before. Then rewrite what it made with the verbs of `steps.py`: MariaDB commits each
change of a table by itself, so a step that died half way is run again from its start and has to find what is done.
While servers of the version before still run, a step may only add; what nobody uses any more goes in a later one.
"""
