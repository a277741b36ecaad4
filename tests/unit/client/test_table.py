"""Rows that print as a table and become JSON or a DataFrame."""

import datetime
import json

import pytest

from jobmon.client.table import Table, local_time


def test_texts_stand_left_and_numbers_right() -> None:
    table = Table(["ID", "NAME"], [{"ID": 1, "NAME": "a"}, {"ID": 1000000, "NAME": "a long name"}])

    assert str(table).splitlines() == [
        "+---------+-------------+",
        "|      ID | NAME        |",
        "|---------+-------------|",
        "|       1 | a           |",
        "| 1000000 | a long name |",
        "+---------+-------------+",
    ]


def test_no_rows_are_a_header() -> None:
    assert str(Table(["ID"], [])).splitlines()[1] == "|   ID |"


def test_nothing_is_an_empty_cell_and_a_line_break_a_space() -> None:
    table = Table(["A", "B"], [{"A": None, "B": "x\n\ty"}])

    assert str(table).splitlines()[3] == "|     | x y |"


@pytest.mark.parametrize("text", ["日本語のタスク", "é", "e\u0301", "a"])
def test_the_frame_is_straight_with_characters_of_any_width(text: str) -> None:
    wide = {"日本語のタスク": 7}.get(text, 0) - (1 if text == "e\u0301" else 0)

    lines = str(Table(["NAME"], [{"NAME": text}])).splitlines()
    assert len(lines[3]) + wide == len(lines[0])


def test_flexible_columns_are_shortened_to_the_width_and_no_further_than_readable() -> None:
    table = Table(["ID", "ERROR"], [{"ID": 7, "ERROR": "e" * 200}])

    assert {len(line) for line in table.text(60, flexible=["ERROR"]).splitlines()} == {60}
    assert "eee… |" in table.text(60, flexible=["ERROR"])
    assert {len(line) for line in table.text(5, flexible=["ERROR"]).splitlines()} == {31}
    assert {len(line) for line in table.text(60).splitlines()} == {211}


def test_json_is_what_a_dataframe_gives() -> None:
    pandas = pytest.importorskip("pandas")
    at = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)
    table = Table(["ID", "AT", "WHY"], [{"ID": 1, "AT": at, "WHY": None}, {"ID": 2, "AT": at, "WHY": "ü/"}])

    assert json.loads(table.to_json()) == {
        "ID": {"0": 1, "1": 2},
        "AT": {"0": 1772366400000, "1": 1772366400000},
        "WHY": {"0": None, "1": "ü/"},
    }
    frame = table.to_dataframe()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.columns) == table.columns
    assert list(frame["ID"]) == [1, 2]


def test_rows_are_dicts() -> None:
    table = Table(["ID"], [{"ID": 1}], matching=9)

    assert [row["ID"] for row in table] == [1]
    assert (len(table), table.matching, table.columns) == (1, 9, ["ID"])


def test_local_time_knows_its_zone_and_has_whole_seconds() -> None:
    moment = local_time(1_760_000_000.75)

    assert moment is not None
    assert moment.timestamp() == 1_760_000_000
    assert moment.tzinfo is not None
    assert local_time(None) is None
