"""Changes of the schema that may be made twice: what is there already is left alone."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.schema import SchemaItem

MYSQL: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}
Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")
LongText = sa.Text().with_variant(sa.Text(2**24 - 1), "mysql", "mariadb")


def create_table(name: str, *items: SchemaItem, **options: Any) -> None:
    """A new table, without indexes: those are made one by one, since each may be the place where a step dies."""
    if not sa.inspect(op.get_bind()).has_table(name):
        op.create_table(name, *items, **MYSQL, **options)


def create_index(name: str, table: str, columns: Sequence[str]) -> None:
    """A new index."""
    if name not in _names(sa.inspect(op.get_bind()).get_indexes(table)):
        op.create_index(name, table, list(columns))


def add_column(table: str, column: sa.Column[Any]) -> None:
    """A new column; in a table with rows it needs a default of the server, or to be nullable."""
    if column.name not in _names(sa.inspect(op.get_bind()).get_columns(table)):
        op.add_column(table, column)


def _names(found: Sequence[Any]) -> set[str]:
    return {item["name"] for item in found}
