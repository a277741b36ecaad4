"""Rows that people read: a list of dicts that prints as a table, and becomes JSON or a DataFrame when asked."""

import datetime
import json
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

_ROOM_AROUND_HEADER = 2
_NARROWEST = 20


class Table(list[dict[str, Any]]):
    """Rows with the same columns; `matching` is how many rows there would have been without a limit."""

    def __init__(
        self, columns: Sequence[str], rows: Iterable[dict[str, Any]], matching: int | None = None
    ) -> None:
        """Every row has every column."""
        super().__init__(rows)
        self.columns = list(columns)
        self.matching = len(self) if matching is None else matching

    def __str__(self) -> str:
        """A table as the shell of PostgreSQL draws it."""
        return self.text()

    def text(self, width: int | None = None, flexible: Sequence[str] = ()) -> str:
        """The table; the cells of `flexible` columns are shortened until it is not wider than `width`."""
        numeric = [all(isinstance(row[name], int | float | None) for row in self) for name in self.columns]
        cells = [[_shown(row[name]) for name in self.columns] for row in self]
        widths = [
            max([_width(name) + _ROOM_AROUND_HEADER, *(_width(row[i]) for row in cells)])
            for i, name in enumerate(self.columns)
        ]
        if width is not None:
            _narrow(widths, [i for i, name in enumerate(self.columns) if name in flexible], width)

        def line(texts: Sequence[str]) -> str:
            padded = (_padded(*cell) for cell in zip(texts, widths, numeric, strict=True))
            return f"| {' | '.join(padded)} |"

        rule = "+".join("-" * (width + 2) for width in widths)
        return "\n".join([f"+{rule}+", line(self.columns), f"|{rule}|", *map(line, cells), f"+{rule}+"])

    def to_json(self) -> str:
        """Column -> row number -> value, times in milliseconds since 1970: what `DataFrame.to_json()` gives."""
        values = {name: {str(i): _plain(row[name]) for i, row in enumerate(self)} for name in self.columns}
        return json.dumps(values)

    def to_dataframe(self) -> Any:
        """The same as a pandas.DataFrame. Raises ImportError where there is no pandas."""
        import pandas  # type: ignore[import-untyped, unused-ignore]  # not a dependency of ours

        return pandas.DataFrame(list(self), columns=self.columns)


def local_time(seconds: float | None) -> datetime.datetime | None:
    """A moment on this machine's clock and zone, to the second."""
    if seconds is None:
        return None
    return datetime.datetime.fromtimestamp(int(seconds), datetime.UTC).astimezone()


def _plain(value: Any) -> Any:
    return round(value.timestamp() * 1000) if isinstance(value, datetime.datetime) else value


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime.datetime):
        return value.isoformat(timespec="seconds")
    return " ".join(str(value).split()) if isinstance(value, str) else str(value)


def _width(text: str) -> int:
    """Columns on a terminal: wide characters take two, combining ones none."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


def _narrow(widths: list[int], flexible: Sequence[int], width: int) -> None:
    """Take what is too much from the flexible columns, the widest first."""
    too_much = sum(widths) + 3 * len(widths) + 1 - width
    while too_much > 0 and flexible:
        widest = max(flexible, key=lambda i: widths[i])
        if widths[widest] <= _NARROWEST:
            return
        widths[widest] -= 1
        too_much -= 1


def _padded(text: str, width: int, numeric: bool) -> str:
    if _width(text) > width:
        while _width(text) > width - 1:
            text = text[:-1]
        text += "…"
    space = " " * (width - _width(text))
    return space + text if numeric else text + space
