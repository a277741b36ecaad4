"""Nothing waits without an owner and a bound: docs/architecture.md against states, schema and code."""

import importlib
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from jobmon.core.transitions import KINDS, final, statuses
from jobmon.server.tables import metadata

PAGE = Path(__file__).parents[3] / "docs" / "architecture.md"
BEGIN, END = "<!-- deadlines: begin", "<!-- deadlines: end -->"
OPEN = {(kind, status) for kind in KINDS for status in set(statuses(kind)) - set(final(kind))}
OPEN |= {("batch", "I"), ("batch", "O"), ("role_lease", "held")}
CODE = re.compile(r"`(\S+)\.py` `(\w+)`")
AS_FOR = "as for th"


class Row(NamedTuple):
    """One line of the table."""

    of: str
    status: str
    owner: str
    deadline: str
    acts: str


def table() -> list[Row]:
    lines = PAGE.read_text().partition(BEGIN)[2].partition(END)[0].splitlines()[3:]
    return [Row(*(cell.strip() for cell in line.strip("|").split("|"))) for line in lines if line]


@pytest.mark.promise("F63")
def test_whatever_is_not_over_stands_in_the_table_with_an_owner() -> None:
    named = {(row.of, status) for row in table() for status in row.status.split()}

    assert named == OPEN
    assert all(row.owner for row in table())


def test_each_deadline_is_a_column_that_is_never_null() -> None:
    for row in table():
        name, _, column = row.deadline.strip("`").partition(".")

        assert not metadata.tables[name].columns[column].nullable, row


def test_no_column_of_a_deadline_may_be_null() -> None:
    found = {
        f"{table.name}.{column.name}": column.nullable for table in metadata.tables.values() for column in table.c
    }

    assert not [name for name, nullable in found.items() if name.endswith(".deadline_at") and nullable]


def test_whoever_acts_is_there() -> None:
    for row in table():
        code = CODE.match(row.acts)
        assert code or row.acts.startswith(AS_FOR), row
        if code:
            module = importlib.import_module(f"jobmon.server.{code[1].replace('/', '.')}")

            assert hasattr(module, code[2]), row
